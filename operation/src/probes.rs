//! `GET /healthz`, `GET /readyz`, and a small server for roles that have no other.

use std::io;

use axum::Router;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{Metrics, scrape};

/// All that needs no token. `ready` is asked at each `/readyz`; its error is one sentence, without secrets, that says
/// what is missing.
pub fn router<R>(ready: R, metrics: Metrics) -> Router
where
    R: Fn() -> Result<(), &'static str> + Clone + Send + Sync + 'static,
{
    Router::new()
        .route("/healthz", get(async || well()))
        .route(
            "/readyz",
            get(async move || ready().map_or_else(missing, |()| well())),
        )
        .route(
            "/metrics",
            get(async move |headers: HeaderMap| scrape(&metrics, &headers)),
        )
}

/// Serves until cancelled. Answers are short: none is waited for longer than it takes.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    cancel: CancellationToken,
) -> io::Result<()> {
    axum::serve(listener, router)
        .with_graceful_shutdown(cancel.cancelled_owned())
        .await
}

fn well() -> Response {
    axum::Json(json!({ "status": "ok" })).into_response()
}

/// In the shape of all refusals over HTTP.
fn missing(what: &'static str) -> Response {
    let status = StatusCode::SERVICE_UNAVAILABLE;
    let body = json!({
        "type": "urn:orb:problem:not_ready",
        "title": "Not ready",
        "status": status.as_u16(),
        "code": "not_ready",
        "detail": what,
    });
    let headers = [
        (header::CONTENT_TYPE, "application/problem+json"),
        (header::RETRY_AFTER, "1"),
    ];
    (status, headers, body.to_string()).into_response()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use axum::body::Body;
    use axum::http::Request;
    use http_body_util::BodyExt as _;
    use prometheus_client::metrics::counter::Counter;
    use tower::ServiceExt as _;

    use super::*;

    async fn get(router: &Router, path: &str, accept: &str) -> (u16, String, String) {
        let request = Request::get(path).header("accept", accept);
        let request = request.body(Body::empty()).unwrap();
        let answer = router.clone().oneshot(request).await.unwrap();
        let status = answer.status().as_u16();
        let kind = answer.headers()["content-type"]
            .to_str()
            .unwrap()
            .to_owned();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, kind, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn readiness_is_asked_at_each_probe() {
        let is_ready = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&is_ready);
        let ready = move || {
            let ready = seen.load(Ordering::Relaxed);
            ready.then_some(()).ok_or("not attached yet")
        };
        let router = router(ready, Metrics::default());
        assert_eq!(get(&router, "/healthz", "*/*").await.0, 200);
        let (status, kind, body) = get(&router, "/readyz", "*/*").await;
        assert_eq!((status, kind.as_str()), (503, "application/problem+json"));
        assert!(
            body.contains("not attached yet") && body.contains("not_ready"),
            "{body}"
        );
        is_ready.store(true, Ordering::Relaxed);
        assert_eq!(get(&router, "/readyz", "*/*").await.0, 200);
    }

    #[tokio::test]
    async fn what_is_counted_is_scraped_in_the_format_asked_for() {
        let metrics = Metrics::default();
        let calls = Counter::<u64>::default();
        metrics.register(|registry| registry.register("calls", "Calls", calls.clone()));
        let router = router(|| Ok(()), metrics);
        calls.inc_by(3);
        let (status, kind, body) = get(&router, "/metrics", "*/*").await;
        assert_eq!(
            (status, kind.as_str()),
            (200, "text/plain; version=0.0.4; charset=utf-8")
        );
        assert!(body.contains("\norb_calls_total 3\n"), "{body}");
        let asked = "application/openmetrics-text;version=1.0.0,text/plain;q=0.5";
        let (_, kind, _) = get(&router, "/metrics", asked).await;
        assert!(kind.starts_with("application/openmetrics-text"), "{kind}");
    }
}
