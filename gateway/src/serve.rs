//! Serving until told to stop.

use std::{net::SocketAddr, time::Duration};

use axum::{Extension, Router, serve::ListenerExt as _};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::error::Error;

/// How long calls that are under way may go on after the gateway was told to stop. A call waits at most 5 s
/// for a worker; event streams end at once.
const GRACE: Duration = Duration::from_secs(6);

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
