//! Probes and metrics of a scheduler, which has no other HTTP side.

use anyhow::{Context, Result};
use orb_scheduler::Standing;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::stack::Stack;

/// Answers `/healthz`, `/readyz` and `/metrics` until cancelled.
pub(crate) async fn listen(
    stack: &mut Stack,
    addr: std::net::SocketAddr,
    standing: Standing,
    cancel: CancellationToken,
) -> Result<()> {
    let listener = TcpListener::bind(addr)
        .await
        .with_context(|| format!("cannot listen on {addr}; set ORB_SCHEDULER__HTTP_ADDR"))?;
    tracing::info!(addr = %listener.local_addr()?, "HTTP listens");
    let router = orb_operation::router(move || standing.ready(), stack.metrics.clone());
    stack.spawn("probes", async move {
        Ok(orb_operation::serve(listener, router, cancel).await?)
    });
    Ok(())
}
