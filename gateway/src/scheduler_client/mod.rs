//! Calls to the scheduler: authorised, bounded in time, and repeated while it cannot be reached.
//!
//! `calls` has one method a call; how a call is made is here.

mod calls;

use std::{error::Error as _, time::Duration};

use orb_proto::v1::{GetRequest, session_service_client::SessionServiceClient};
use orb_scheduler_client::{LeaderChannel, Reconnect, Route};
use orb_telemetry::{TRACEPARENT, traceparent};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::{Instant, sleep, timeout_at};
use tonic::{
    Code, Request, Response, Status, Streaming,
    metadata::{Ascii, MetadataValue},
    transport::Channel,
};
use tonic_types::StatusExt as _;
use tracing::Span;

/// Share of the call's time within which a new attempt may begin; the rest is left for that attempt itself.
const RETRY_SHARE: f64 = 0.5;

/// Waits between repetitions. Short, since a restarted scheduler that is back at once should not cost a caller a second.
/// An announcement is not waited for: the connection is there for all calls of a gateway, and gateways are few.
const BACKOFF: Reconnect = Reconnect {
    min: Duration::from_millis(50),
    max: Duration::from_millis(800),
    spread: Duration::ZERO,
};

/// Longest that a readiness check waits for an answer. Probes time out after about a second themselves.
const PROBE_TIMEOUT: Duration = Duration::from_millis(800);

/// A session id that the readiness check asks for; that there is none is the expected answer.
const PROBE_SESSION: &str = "readiness-probe";

/// The scheduler's services, with this gateway's token.
#[derive(Clone)]
pub(crate) struct SchedulerClient {
    leader: LeaderChannel,
    authorization: Option<MetadataValue<Ascii>>,
    call_timeout: Duration,
}

impl SchedulerClient {
    pub(crate) fn new(
        leader: LeaderChannel,
        token: Option<&SecretString>,
        call_timeout: Duration,
    ) -> Self {
        let authorization = token.and_then(|token| {
            let mut value =
                MetadataValue::try_from(format!("Bearer {}", token.expose_secret())).ok()?;
            value.set_sensitive(true);
            Some(value)
        });
        Self {
            leader,
            authorization,
            call_timeout,
        }
    }

    /// Whether the scheduler answers this gateway at all.
    pub(crate) async fn answers(&self) -> bool {
        let request = self.authorize(GetRequest {
            session_id: PROBE_SESSION.to_owned(),
        });
        let probe = async {
            let channel = self.leader.route().await.channel();
            SessionServiceClient::new(channel).get(request).await
        };
        match tokio::time::timeout(PROBE_TIMEOUT, probe).await {
            Ok(Ok(_)) => true,
            Ok(Err(status)) => status.code() == Code::NotFound,
            Err(_) => false,
        }
    }

    fn authorize<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(value) = &self.authorization {
            request
                .metadata_mut()
                .insert("authorization", value.clone());
        }
        let here = traceparent(&Span::current());
        if let Some(here) = here.and_then(|here| MetadataValue::try_from(here).ok()) {
            request.metadata_mut().insert(TRACEPARENT, here);
        }
        request
    }

    async fn call<Q, R>(
        &self,
        message: Q,
        send: impl AsyncFn(Channel, Request<Q>) -> Result<Response<R>, Status>,
    ) -> Result<R, Status>
    where
        Q: Clone,
    {
        Ok(self.call_routed(message, send).await?.0)
    }

    /// Sends until there is an answer. The same message goes out each time, with the same command id: that is
    /// what makes it harmless to repeat a call whose answer was lost. When another scheduler is elected, a try that
    /// waits for the old one is given up.
    async fn call_routed<Q, R>(
        &self,
        message: Q,
        send: impl AsyncFn(Channel, Request<Q>) -> Result<Response<R>, Status>,
    ) -> Result<(R, Route), Status>
    where
        Q: Clone,
    {
        let started = Instant::now();
        let deadline = started + self.call_timeout;
        let last_start = started + self.call_timeout.mul_f64(RETRY_SHARE);
        let mut failures = 0;
        loop {
            let Ok(route) = timeout_at(last_start, self.leader.route()).await else {
                return Err(Status::unavailable("no scheduler leads at present"));
            };
            let attempt = send(route.channel(), self.authorize(message.clone()));
            let attempt = async {
                tokio::select! {
                    answered = attempt => Some(answered),
                    () = route.replaced(), if Instant::now() < last_start => None,
                }
            };
            let status = match timeout_at(deadline, attempt).await {
                Ok(Some(Ok(response))) => return Ok((response.into_inner(), route)),
                Ok(Some(Err(status))) => status,
                Ok(None) => {
                    tracing::debug!("another scheduler leads, asking that one");
                    continue;
                }
                Err(_) => {
                    return Err(Status::deadline_exceeded(
                        "the scheduler did not answer in time",
                    ));
                }
            };
            self.leader.learn(&status);
            failures += 1;
            let wait =
                asked_delay(&status).unwrap_or_else(|| BACKOFF.wait(failures, &mut rand::rng()));
            if !is_unreachable(&status) || Instant::now() + wait > last_start {
                return Err(status);
            }
            tracing::debug!(code = ?status.code(), ?wait, "scheduler not reachable, trying again");
            tokio::select! {
                () = sleep(wait) => {}
                () = route.replaced() => {}
            }
        }
    }
}

/// What a stream tells, as it comes, of one leader.
pub(crate) struct Updates<T> {
    stream: Streaming<T>,
    route: Route,
}

impl<T> Updates<T> {
    /// The next one; `None` when the stream has ended, or another scheduler leads: the one at its other end may stand
    /// still.
    pub(crate) async fn message(&mut self) -> Result<Option<T>, Status> {
        tokio::select! {
            message = self.stream.message() => message,
            () = self.route.replaced() => Ok(None),
        }
    }
}

fn asked_delay(status: &Status) -> Option<Duration> {
    status.get_details_retry_info()?.retry_delay
}

/// Whether the scheduler was not reached, or lost before it answered. A status that came over the wire has no
/// source; one with a source was made on this side, from a broken connection, under whatever code.
fn is_unreachable(status: &Status) -> bool {
    status.code() == Code::Unavailable
        || (status.source().is_some()
            && matches!(
                status.code(),
                Code::Unknown | Code::Internal | Code::Cancelled
            ))
}
