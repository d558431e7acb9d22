//! Serving until told to stop.

use std::{io, net::SocketAddr, time::Duration};

use axum::{Extension, Router, serve::ListenerExt as _};
use tokio::net::{TcpListener, TcpSocket};
use tokio_util::sync::CancellationToken;

use crate::error::Error;

/// How long calls that are under way may go on after the gateway was told to stop. A call waits at most 5 s
/// for a worker; event streams end at once.
const GRACE: Duration = Duration::from_secs(6);

/// Connections that may wait to be accepted, as far as `net.core.somaxconn` allows: a thousand parties start at once
/// now and then. Of those that find no place the kernel drops the first packet, and they come again a second later;
/// the usual 128 is that few.
const BACKLOG: u32 = 4_096;

/// Listens; port 0 takes a free one. Needs a tokio runtime.
pub fn listen(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = match addr {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    // A restarted process gets its port back while connections of the last one still fade away.
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    socket.listen(BACKLOG)
}

/// Tells streams that would never end by themselves that the gateway stops.
#[derive(Clone)]
pub(crate) struct Closing(pub(crate) CancellationToken);

/// Serves `router` on `listener` until `stop` is cancelled, then lets calls under way finish (at most 6 s).
pub async fn serve(
    listener: TcpListener,
    router: Router,
    stop: CancellationToken,
) -> Result<(), Error> {
    let service = router
        .layer(Extension(Closing(stop.clone())))
        .into_make_service_with_connect_info::<SocketAddr>();
    // Answers are small and latency matters: do not wait to fill a packet.
    let listener = listener.tap_io(|stream| {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "cannot set TCP_NODELAY");
        }
    });
    let server =
        axum::serve(listener, service).with_graceful_shutdown(stop.clone().cancelled_owned());
    tokio::select! {
        served = server => Ok(served?),
        () = async { stop.cancelled().await; tokio::time::sleep(GRACE).await } => {
            tracing::warn!("some calls did not end within the grace time");
            Ok(())
        }
    }
}
