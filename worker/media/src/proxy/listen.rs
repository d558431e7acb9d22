//! Answers those that connect to the loopback port.

use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// What is kept of an answer that ffmpeg does not take. Most of the time it takes none, the run-ahead being made. Without
/// this bound it would be up to 400 KiB a film.
const KEPT: usize = 32 << 10;

/// No more files may be open, as a rule: until some are closed nobody can be answered, and trying again at once would
/// only keep the machine busy.
const AGAIN: Duration = Duration::from_millis(100);

/// Until it is dropped; connections end with it.
pub(super) async fn listen(listener: TcpListener, app: Router) {
    let mut http = Builder::new(TokioExecutor::new()).http1_only();
    http.http1().max_buf_size(KEPT);
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
        };
        match accepted {
            Ok((stream, _)) => {
                let service = TowerToHyperService::new(app.clone());
                let connection = http.serve_connection(TokioIo::new(stream), service);
                connections.spawn(connection.into_owned());
            }
            Err(error) => {
                tracing::warn!(%error, "the loopback proxy cannot take a connection");
                tokio::time::sleep(AGAIN).await;
            }
        }
    }
}
