//! The parts of a process: each a named task, all under one cancel.

use std::future::Future;
use std::time::Duration;

use anyhow::{Result, anyhow};
use orb_operation::Metrics;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// The tasks of this process. When one of them ends by itself, all end.
#[derive(Default)]
pub(crate) struct Stack {
    tasks: JoinSet<(&'static str, Result<()>)>,
    pub(crate) cancel: CancellationToken,
    /// Asks a part that drains to hand over what it does and end by itself. It may also be cancelled by that part, when
    /// it is asked by other ways.
    pub(crate) drain: CancellationToken,
    /// What all of them count.
    pub(crate) metrics: Metrics,
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
        let mut signals = Signals::listen();
        let outcome = tokio::select! {
            () = signals.next() => {
                tracing::info!("stopping");
                Ok(())
            }
            ended = self.tasks.join_next() => failure(ended),
        };
        self.stop(grace).await;
        outcome
    }

    /// The same, but a signal first asks the parts to drain, and all stops when one of them has, or `within` that time,
    /// or at a second signal.
    pub(crate) async fn run_and_drain(mut self, within: Duration, grace: Duration) -> Result<()> {
        let mut signals = Signals::listen();
        let outcome = tokio::select! {
            () = signals.next() => Ok(()),
            () = self.drain.cancelled() => Ok(()),
            ended = self.tasks.join_next() => failure(ended),
        };
        if outcome.is_ok() {
            tracing::info!("draining; a second signal stops at once");
            self.drain.cancel();
            tokio::select! {
                () = signals.next() => tracing::warn!("stopping before all was handed over"),
                () = tokio::time::sleep(within) => {
                    tracing::warn!(?within, "not all was handed over in time; stopping");
                }
                ended = self.tasks.join_next() => match ended {
                    Some(Ok((_, Ok(())))) => tracing::info!("drained"),
                    other => {
                        self.stop(grace).await;
                        return failure(other);
                    }
                },
            }
        }
        self.stop(grace).await;
        outcome
    }

    async fn stop(&mut self, grace: Duration) {
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

/// SIGINT and SIGTERM, from the moment that they are listened for: none is missed between two waits.
struct Signals([Option<Signal>; 2]);

impl Signals {
    fn listen() -> Self {
        let kinds = [SignalKind::interrupt(), SignalKind::terminate()];
        // Without the handler of one there is still the other.
        Self(kinds.map(|kind| signal(kind).ok()))
    }

    async fn next(&mut self) {
        let [interrupt, terminate] = &mut self.0;
        tokio::select! {
            () = come(interrupt) => {}
            () = come(terminate) => {}
        }
    }
}

async fn come(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => {
            signal.recv().await;
        }
        None => std::future::pending().await,
    }
}
