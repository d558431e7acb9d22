//! The parts of a process: each a named task, all under one cancel.

use std::future::Future;
use std::time::Duration;

use anyhow::{Result, anyhow};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// The tasks of this process. When one of them ends by itself, all end.
#[derive(Default)]
pub(crate) struct Stack {
    tasks: JoinSet<(&'static str, Result<()>)>,
    pub(crate) cancel: CancellationToken,
}

impl Stack {
    /// Starts a part.
    pub(crate) fn spawn(
        &mut self,
        name: &'static str,
        part: impl Future<Output = Result<()>> + Send + 'static,
    ) {
        self.tasks.spawn(async move { (name, part.await) });
    }

    /// Until a signal comes or a part ends; then stops all, within `grace`.
    pub(crate) async fn run(mut self, grace: Duration) -> Result<()> {
        let outcome = tokio::select! {
            () = signal() => {
                tracing::info!("stopping");
                Ok(())
            }
            ended = self.tasks.join_next() => failure(ended),
        };
        self.cancel.cancel();
        let rest = async {
            while let Some(ended) = self.tasks.join_next().await {
                if let Ok((name, Err(error))) = ended {
                    tracing::warn!(
                        part = name,
                        error = format!("{error:#}"),
                        "ended with an error"
                    );
                }
            }
        };
        if tokio::time::timeout(grace, rest).await.is_err() {
            tracing::warn!(
                ?grace,
                "some parts did not end within their time; leaving them"
            );
        }
        outcome
    }
}

fn failure(
    ended: Option<Result<(&'static str, Result<()>), tokio::task::JoinError>>,
) -> Result<()> {
    match ended {
        None => Ok(()),
        Some(Ok((name, Ok(())))) => Err(anyhow!("{name} ended by itself")),
        Some(Ok((name, Err(error)))) => Err(error.context(name)),
        Some(Err(error)) => Err(anyhow!(error).context("a part panicked; this is a bug")),
    }
}

/// SIGINT or SIGTERM.
async fn signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let interrupt = async {
        // Without the handler there is still SIGTERM.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return interrupt.await;
    };
    tokio::select! {
        () = interrupt => {}
        _ = terminate.recv() => {}
    }
}
