//! Calls to the scheduler: authorised, bounded in time, and repeated while it cannot be reached.

use std::{error::Error as _, time::Duration};

use orb_proto::v1::{
    ControlRequest, ControlResponse, CreateRequest, CreateResponse, GetRequest, ListRequest,
    LocateWatchRequest, LocateWatchResponse, PlayRequest, PlayResponse, Session, WatchRequest,
    WatchResponse, gateway_service_client::GatewayServiceClient,
    session_service_client::SessionServiceClient,
};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::{Instant, sleep, timeout_at};
use tonic::{
    Code, Request, Response, Status, Streaming,
    metadata::{Ascii, MetadataValue},
    transport::Channel,
};
use tonic_types::StatusExt as _;

use crate::session_id::SessionId;

/// Share of the call's time within which a new attempt may begin; the rest is left for that attempt itself.
const RETRY_SHARE: f64 = 0.5;

/// Wait before the first repetition; doubles up to [`MAX_BACKOFF`]. Short, since a restarted scheduler that is
/// back at once should not cost a caller a second.
const FIRST_BACKOFF: Duration = Duration::from_millis(50);
const MAX_BACKOFF: Duration = Duration::from_millis(800);

/// Longest that a readiness check waits for an answer. Probes time out after about a second themselves.
const PROBE_TIMEOUT: Duration = Duration::from_millis(800);

/// A session id that the readiness check asks for; that there is none is the expected answer.
const PROBE_SESSION: &str = "readiness-probe";

/// `SessionService` and `GatewayService`, with this gateway's token.
#[derive(Clone)]
pub(crate) struct SchedulerClient {
    client: SessionServiceClient<Channel>,
    gateways: GatewayServiceClient<Channel>,
    authorization: Option<MetadataValue<Ascii>>,
    call_timeout: Duration,
}

impl SchedulerClient {
    pub(crate) fn new(
        channel: Channel,
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
            gateways: GatewayServiceClient::new(channel.clone()),
            client: SessionServiceClient::new(channel),
            authorization,
            call_timeout,
        }
    }

    pub(crate) async fn create(&self, request: CreateRequest) -> Result<CreateResponse, Status> {
        self.call(request, async |mut client, request| {
            client.create(request).await
        })
        .await
    }

    pub(crate) async fn play(&self, request: PlayRequest) -> Result<PlayResponse, Status> {
        self.call(request, async |mut client, request| {
            client.play(request).await
        })
        .await
    }

    pub(crate) async fn control(&self, request: ControlRequest) -> Result<ControlResponse, Status> {
        self.call(request, async |mut client, request| {
            client.control(request).await
        })
        .await
    }

    pub(crate) async fn get(&self, id: &SessionId) -> Result<Session, Status> {
        let request = GetRequest {
            session_id: id.as_str().to_owned(),
        };
        let response = self
            .call(request, async |mut client, request| {
                client.get(request).await
            })
            .await?;
        response
            .session
            .ok_or_else(|| Status::internal("GetResponse without a session"))
    }

    pub(crate) async fn list(&self) -> Result<Vec<Session>, Status> {
        let response = self
            .call(ListRequest {}, async |mut client, request| {
                client.list(request).await
            })
            .await?;
        Ok(response.sessions)
    }

    /// The stream has no deadline; only its beginning has.
    pub(crate) async fn watch(&self, id: &SessionId) -> Result<Streaming<WatchResponse>, Status> {
        let request = WatchRequest {
            session_id: id.as_str().to_owned(),
        };
        self.call(request, async |mut client, request| {
            client.watch(request).await
        })
        .await
    }

    /// Where the session's watch output is.
    pub(crate) async fn locate_watch(&self, id: &SessionId) -> Result<LocateWatchResponse, Status> {
        let request = LocateWatchRequest {
            session_id: id.as_str().to_owned(),
        };
        let gateways = self.gateways.clone();
        let response = self
            .call(request, async move |_, request| {
                gateways.clone().locate_watch(request).await
            })
            .await?;
        Ok(response)
    }

    /// Whether the scheduler answers this gateway at all.
    pub(crate) async fn answers(&self) -> bool {
        let request = self.authorize(GetRequest {
            session_id: PROBE_SESSION.to_owned(),
        });
        let mut client = self.client.clone();
        match tokio::time::timeout(PROBE_TIMEOUT, client.get(request)).await {
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
        request
    }

    /// Sends until there is an answer. The same message goes out each time, with the same command id: that is
    /// what makes it harmless to repeat a call whose answer was lost.
    async fn call<Q, R>(
        &self,
        message: Q,
        send: impl AsyncFn(SessionServiceClient<Channel>, Request<Q>) -> Result<Response<R>, Status>,
    ) -> Result<R, Status>
    where
        Q: Clone,
    {
        let started = Instant::now();
        let deadline = started + self.call_timeout;
        let last_start = started + self.call_timeout.mul_f64(RETRY_SHARE);
        let mut backoff = FIRST_BACKOFF;
        loop {
            let attempt = send(self.client.clone(), self.authorize(message.clone()));
            let status = match timeout_at(deadline, attempt).await {
                Ok(Ok(response)) => return Ok(response.into_inner()),
                Ok(Err(status)) => status,
                Err(_) => {
                    return Err(Status::deadline_exceeded(
                        "the scheduler did not answer in time",
                    ));
                }
            };
            let wait = asked_delay(&status).unwrap_or(backoff);
            if !is_unreachable(&status) || Instant::now() + wait > last_start {
                return Err(status);
            }
            tracing::debug!(code = ?status.code(), ?wait, "scheduler not reachable, trying again");
            sleep(wait).await;
            backoff = (backoff * 2).min(MAX_BACKOFF);
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
