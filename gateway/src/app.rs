//! Puts the routes together.

use std::{sync::Arc, time::Duration};

use axum::{Json, Router, middleware, routing::get};
use orb_jellyfin::client::JellyfinClient;
use orb_operation::Metrics;
use orb_scheduler_client::LeaderChannel;
use tokio::sync::watch::Receiver;
use url::Url;
use utoipa_axum::router::OpenApiRouter;

use crate::{
    auth,
    catalogue::{self, Catalogue},
    config::GatewayConfig,
    contract,
    feeds::Feeds,
    library, login, metrics,
    metrics::HttpMetrics,
    openapi, page, party_api,
    problem::{self, Problem},
    readiness,
    readiness::Readiness,
    scheduler_client::SchedulerClient,
    signing::{Signer, TokenSet},
    trace, unread, watch,
    watch::WorkerMedia,
};

/// What the handlers share. Nothing in it changes after start but readiness, which is handed in, and who listens.
pub(crate) struct Gateway {
    pub(crate) scheduler: SchedulerClient,
    pub(crate) feeds: Feeds,
    pub(crate) catalogue: Option<Arc<dyn Catalogue>>,
    pub(crate) library: Option<JellyfinClient>,
    pub(crate) worker_media: WorkerMedia,
    pub(crate) tokens: TokenSet,
    pub(crate) signer: Signer,
    pub(crate) readiness: Receiver<Readiness>,
    pub(crate) open_page: bool,
    pub(crate) demo_item: Option<serde_json::Value>,
    pub(crate) watch_link_ttl: Duration,
    pub(crate) metrics: Metrics,
    public_url: Option<Url>,
}

impl Gateway {
    fn new(config: GatewayConfig, leader: LeaderChannel, readiness: Receiver<Readiness>) -> Self {
        let scheduler =
            SchedulerClient::new(leader, config.scheduler_token.as_ref(), config.call_timeout);
        Self {
            feeds: Feeds::new(scheduler.clone()),
            scheduler,
            catalogue: config.catalogue,
            library: config.library,
            worker_media: WorkerMedia::new(config.tls),
            tokens: TokenSet::new(&config.api_tokens),
            signer: Signer::new(config.signing_key),
            readiness,
            open_page: config.open_page,
            demo_item: config.demo_item,
            watch_link_ttl: config.watch_link_ttl,
            metrics: config.metrics,
            public_url: config.public_url,
        }
    }

    /// The library, for a call that needs one.
    pub(crate) fn catalogue(&self) -> Result<&dyn Catalogue, Problem> {
        self.catalogue
            .as_deref()
            .ok_or_else(catalogue::not_configured)
    }

    pub(crate) fn is_https(&self) -> bool {
        self.public_url
            .as_ref()
            .is_some_and(|url| url.scheme() == "https")
    }

    /// The address of one of this gateway's paths, as the outside world has it.
    pub(crate) fn absolute(&self, path: &str) -> String {
        match &self.public_url {
            Some(base) => format!("{}{path}", base.as_str().trim_end_matches('/')),
            None => path.to_owned(),
        }
    }
}

/// The whole gateway, as a router.
///
/// `leader` is the way to the scheduler, or a lazily connected channel to the only one: calls are repeated for a while
/// when it is not there. `readiness` says what the process around knows. Serve it with [`serve`](crate::serve), which lets
/// event streams end and knows the peer's address.
pub fn router(
    config: GatewayConfig,
    leader: impl Into<LeaderChannel>,
    readiness: Receiver<Readiness>,
) -> Router {
    let counted = HttpMetrics::registered_in(&config.metrics);
    let gateway = Arc::new(Gateway::new(config, leader.into(), readiness));
    let require_token = middleware::from_fn_with_state(Arc::clone(&gateway), auth::require);
    let document = openapi::document();
    Router::from(token_routes())
        .route_layer(require_token)
        .merge(open_routes())
        .route("/api/openapi.json", get(async move || Json(document)))
        .merge(page::routes())
        .fallback(problem::no_such_route)
        .method_not_allowed_fallback(problem::no_such_method)
        .layer(middleware::from_fn(unread::discard))
        .layer(middleware::from_fn(page::harden))
        .layer(middleware::from_fn(trace::trace))
        .layer(middleware::from_fn_with_state(counted, metrics::count))
        .with_state(gateway)
}

/// Documented routes that need a token or the page's cookie.
pub(crate) fn token_routes() -> OpenApiRouter<Arc<Gateway>> {
    OpenApiRouter::new()
        .merge(contract::routes())
        .merge(party_api::routes())
        .merge(library::routes())
}

/// Documented routes that need none, or bring a signature of their own.
pub(crate) fn open_routes() -> OpenApiRouter<Arc<Gateway>> {
    OpenApiRouter::new()
        .merge(readiness::routes())
        .merge(metrics::routes())
        .merge(login::routes())
        .merge(watch::routes())
}
