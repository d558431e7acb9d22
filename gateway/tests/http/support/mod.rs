//! A gateway on a loopback port, the scheduler that it calls, and what a test asks of both.

mod catalogue;
mod party;
mod scheduler;
mod sse;

use std::time::Duration;

use orb_gateway::{GatewayConfig, Readiness};
use orb_proto::v1::Session;
use orb_scheduler_client::LeaderChannel;
use reqwest::{Method, RequestBuilder, StatusCode, redirect};
use serde_json::Value;
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::transport::Endpoint;

pub(crate) use catalogue::Films;
pub(crate) use scheduler::{Call, Reply, Scheduler, refusal};
pub(crate) use sse::{Events, SseEvent};

pub(crate) const TOKEN: &str = "first-token";
pub(crate) const OTHER_TOKEN: &str = "second-token";

/// Longest that a test waits for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) struct Harness {
    pub(crate) scheduler: Scheduler,
    pub(crate) base: String,
    pub(crate) readiness: watch::Sender<Readiness>,
    pub(crate) client: reqwest::Client,
    pub(crate) stop: CancellationToken,
    pub(crate) serving: JoinHandle<Result<(), orb_gateway::Error>>,
    _stop_on_drop: DropGuard,
}

impl Harness {
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(configure: impl FnOnce(&mut GatewayConfig)) -> Self {
        let scheduler = Scheduler::start().await;
        Self::in_front_of(scheduler, configure).await
    }

    pub(crate) async fn in_front_of(
        scheduler: Scheduler,
        configure: impl FnOnce(&mut GatewayConfig),
    ) -> Self {
        let channel = Endpoint::from_shared(scheduler.url())
            .unwrap()
            .connect_lazy();
        Self::with_leader(scheduler, channel.into(), configure).await
    }

    /// In front of whoever leads.
    pub(crate) async fn with_leader(
        scheduler: Scheduler,
        leader: LeaderChannel,
        configure: impl FnOnce(&mut GatewayConfig),
    ) -> Self {
        let mut config = GatewayConfig::new(vec![TOKEN.into(), OTHER_TOKEN.into()]);
        config.scheduler_token = Some("scheduler-token".into());
        configure(&mut config);
        let (readiness, ready) = watch::channel(Readiness::Ready);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        let router = orb_gateway::router(config, leader, ready);
        let serving = tokio::spawn(orb_gateway::serve(listener, router, stop.clone()));
        let client = reqwest::Client::builder()
            .redirect(redirect::Policy::none())
            .no_proxy()
            .build()
            .unwrap();
        let guard = stop.clone().drop_guard();
        Self {
            scheduler,
            base,
            readiness,
            client,
            stop,
            serving,
            _stop_on_drop: guard,
        }
    }

    /// A request without credentials.
    pub(crate) fn bare(&self, method: Method, path: &str) -> RequestBuilder {
        self.client
            .request(method, format!("{}{path}", self.base))
            .timeout(PATIENCE)
    }

    pub(crate) fn get(&self, path: &str) -> RequestBuilder {
        self.bare(Method::GET, path).bearer_auth(TOKEN)
    }

    pub(crate) fn put(&self, path: &str, body: impl Into<reqwest::Body>) -> RequestBuilder {
        self.bare(Method::PUT, path).bearer_auth(TOKEN).body(body)
    }

    pub(crate) fn delete(&self, path: &str) -> RequestBuilder {
        self.bare(Method::DELETE, path).bearer_auth(TOKEN)
    }

    pub(crate) fn post(&self, path: &str, body: impl Into<reqwest::Body>) -> RequestBuilder {
        self.bare(Method::POST, path).bearer_auth(TOKEN).body(body)
    }
}

/// Sends, and returns the JSON with its status.
pub(crate) async fn json(request: RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    (status, response.json().await.unwrap())
}

/// Sends, checks that the answer is a well-formed problem, and returns it.
pub(crate) async fn problem(request: RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    let status = response.status();
    let headers = response.headers().clone();
    assert_eq!(headers["content-type"], "application/problem+json");
    assert_eq!(
        headers.contains_key("www-authenticate"),
        status == StatusCode::UNAUTHORIZED
    );
    assert_eq!(
        headers.contains_key("retry-after"),
        status == StatusCode::SERVICE_UNAVAILABLE
    );
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["status"], status.as_u16());
    let code = body["code"].as_str().unwrap();
    assert_eq!(body["type"], format!("urn:orb:problem:{code}"));
    assert!(!body["title"].as_str().unwrap().is_empty());
    assert!(!body["detail"].as_str().unwrap().is_empty());
    (status.as_u16(), body)
}

pub(crate) fn session(id: &str) -> Session {
    Session {
        session_id: id.to_owned(),
        ..Session::default()
    }
}
