//! The members of etcd, asked one after the other until one answers.

use std::error::Error as _;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use etcd_client::{Client, ConnectOptions};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::time::{sleep, timeout};
use tonic::{Code, Status};

use super::{EtcdConfig, tls_options};
use crate::Error;

/// HTTP/2 pings while something is asked or watched: a member's machine that vanished is noticed after
/// both. etcd closes connections that ping more than once in 5 s.
const PING_EVERY: Duration = Duration::from_secs(6);
const PING_TIMEOUT: Duration = Duration::from_secs(2);

/// One client a member, and not one client that spreads its calls: that one sends every third question
/// to a member that hangs, until the connection to it is given up.
#[derive(Clone)]
pub(super) struct Members(Arc<Inner>);

struct Inner {
    clients: Vec<Client>,
    /// Who answered last.
    preferred: AtomicUsize,
    request_timeout: Duration,
    hedge_after: Duration,
}

impl Members {
    pub(super) async fn connect(config: &EtcdConfig) -> Result<Self, Error> {
        if config.endpoints.is_empty() {
            return Err(Error::NoEndpoints);
        }
        let mut clients = Vec::new();
        for (index, endpoint) in config.endpoints.iter().enumerate() {
            let mut options = ConnectOptions::new()
                .with_connect_timeout(config.timing.request_timeout)
                .with_keep_alive(PING_EVERY, PING_TIMEOUT)
                .with_keep_alive_while_idle(false)
                .with_require_leader(true);
            if endpoint.starts_with("https://") {
                options = options.with_tls(tls_options(config.tls.as_ref()));
            }
            let client = Client::connect([endpoint], Some(options)).await;
            clients.push(client.map_err(|error| Error::Endpoint {
                number: index + 1,
                reason: error.to_string(),
            })?);
        }
        Ok(Self(Arc::new(Inner {
            clients,
            preferred: AtomicUsize::new(0),
            request_timeout: config.timing.request_timeout,
            hedge_after: config.timing.hedge_after,
        })))
    }

    /// Asks the member that answered last; the next one as well when it fails, or says nothing for
    /// `hedge_after`; and so on. The first answer counts, so a question may be carried out twice.
    pub(super) async fn ask<T, F>(&self, question: impl Fn(Client) -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<T, etcd_client::Error>>,
    {
        let asking = async {
            let count = self.0.clients.len();
            let first = self.0.preferred.load(Ordering::Relaxed);
            let mut waiting = FuturesUnordered::new();
            let mut failed = Error::NoEndpoints;
            let mut members = (first..first + count).map(|step| step % count).peekable();
            loop {
                if let Some(member) = members.next() {
                    let answer = question(self.0.clients[member].clone());
                    waiting.push(async move { (member, answer.await) });
                }
                tokio::select! {
                    answer = waiting.next() => match answer {
                        Some((member, Ok(answer))) => {
                            self.0.preferred.store(member, Ordering::Relaxed);
                            return Ok(answer);
                        }
                        Some((_, Err(error))) => failed = error_of(error),
                        None => return Err(failed),
                    },
                    () = sleep(self.0.hedge_after), if members.peek().is_some() => {}
                }
            }
        };
        timeout(self.0.request_timeout, asking)
            .await
            .unwrap_or_else(|_| Err(Error::Unavailable("no answer in time".into())))
    }

    /// The member that answered last, for a watch.
    pub(super) fn preferred(&self) -> Client {
        self.0.clients[self.0.preferred.load(Ordering::Relaxed)].clone()
    }

    pub(super) fn request_timeout(&self) -> Duration {
        self.0.request_timeout
    }
}

/// What may pass by itself is `Unavailable`.
pub(super) fn error_of(error: etcd_client::Error) -> Error {
    match error {
        etcd_client::Error::GRpcStatus(status) => {
            let reason = reason_of(&status);
            match status.code() {
                Code::Unauthenticated
                | Code::PermissionDenied
                | Code::InvalidArgument
                | Code::Unimplemented => Error::Refused(reason),
                _ => Error::Unavailable(reason),
            }
        }
        other => Error::Unavailable(other.to_string()),
    }
}

/// "transport error" alone helps nobody: the innermost cause, too.
fn reason_of(status: &Status) -> String {
    let mut cause = status.source();
    while let Some(deeper) = cause.and_then(std::error::Error::source) {
        cause = Some(deeper);
    }
    match cause.map(ToString::to_string) {
        Some(cause) if cause != status.message() => format!("{}: {cause}", status.message()),
        _ => status.message().to_owned(),
    }
}
