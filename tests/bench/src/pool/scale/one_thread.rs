//! A load generator that takes no more of the machine than it must: the machine is what it loads.

use anyhow::Result;

/// Runs a part of the bench on a thread of its own: its tasks wake each other there without asking the kernel.
pub(super) async fn on_one_thread<T: Send + 'static>(
    part: impl AsyncFnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let thread = tokio::task::spawn_blocking(move || {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_all().build()?.block_on(part())
    });
    thread.await?
}
