//! `/metrics`, and what the gateway itself counts: requests by route and status, and how long they took.
//!
//! A route is its pattern, never the path: a watch link is a path.

use std::{borrow::Cow, sync::Arc, time::Instant};

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, Method},
    middleware::Next,
    response::Response,
};
use orb_operation::Metrics;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, histogram::Histogram},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::app::Gateway;

/// In seconds. A poll takes milliseconds, a call that waits for a worker at most five seconds, one that waits for a new
/// leader up to ten.
const BUCKETS: [f64; 10] = [0.002, 0.005, 0.01, 0.025, 0.1, 0.25, 0.5, 1.0, 5.0, 10.0];

/// What a request is counted under. Each field has few values.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    method: Cow<'static, str>,
    route: Cow<'static, str>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    method: Cow<'static, str>,
    route: Cow<'static, str>,
    status: u16,
}

/// The gateway's own counters.
#[derive(Debug, Clone)]
pub(crate) struct HttpMetrics {
    requests: Family<Outcome, Counter>,
    seconds: Family<Route, Histogram, fn() -> Histogram>,
}

impl HttpMetrics {
    pub(crate) fn registered_in(metrics: &Metrics) -> Self {
        let own = Self {
            requests: Family::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
        };
        metrics.register(|registry| {
            let help = "HTTP requests, by the route's pattern and the answer's status";
            registry.register("http_requests", help, own.requests.clone());
            let help = "Seconds from an HTTP request to the beginning of its answer";
            registry.register("http_request_duration_seconds", help, own.seconds.clone());
        });
        own
    }
}

/// Counts a request and takes its time.
pub(crate) async fn count(
    State(metrics): State<HttpMetrics>,
    request: Request,
    next: Next,
) -> Response {
    let route = Route {
        method: method(request.method()),
        route: request
            .extensions()
            .get::<MatchedPath>()
            .map_or(Cow::Borrowed("none"), |path| {
                Cow::Owned(path.as_str().to_owned())
            }),
    };
    let started = Instant::now();
    let response = next.run(request).await;
    let seconds = started.elapsed().as_secs_f64();
    metrics.seconds.get_or_create(&route).observe(seconds);
    let outcome = Outcome {
        method: route.method,
        route: route.route,
        status: response.status().as_u16(),
    };
    metrics.requests.get_or_create(&outcome).inc();
    response
}

/// A caller may make methods up, as many as it likes.
fn method(method: &Method) -> Cow<'static, str> {
    let known = [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::DELETE,
        Method::PATCH,
        Method::OPTIONS,
    ];
    if known.contains(method) {
        Cow::Owned(method.as_str().to_owned())
    } else {
        Cow::Borrowed("other")
    }
}

pub(crate) fn routes() -> OpenApiRouter<Arc<Gateway>> {
    OpenApiRouter::new().routes(routes!(metrics))
}

/// What the process counts, for Prometheus.
#[utoipa::path(get, operation_id = "getMetrics", path = "/metrics", tag = "operation", security(()), responses(
    (status = 200, description = "Prometheus' text format; OpenMetrics 1.0 where `Accept` asks for it.", content(
        (String = "text/plain"),
        (String = "application/openmetrics-text"),
    )),
))]
async fn metrics(State(gateway): State<Arc<Gateway>>, headers: HeaderMap) -> Response {
    orb_operation::scrape(&gateway.metrics, &headers)
}
