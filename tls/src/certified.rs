//! The media port's demand for a certificate, which its probes do not have.

use axum::extract::Request;
use axum::extract::connect_info::{ConnectInfo, Connected};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::serve::IncomingStream;

use crate::{Listener, Peer, Proof};

/// What is asked by those who speak TLS but have no certificate to show: kubelet, and scrapers. Nothing there is secret.
pub const OPEN_PATHS: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

impl Connected<IncomingStream<'_, Listener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Listener>) -> Self {
        *stream.remote_addr()
    }
}

/// A middleware, outside of all others: lets a caller without a certificate through to the [`OPEN_PATHS`] and nothing else.
/// Serve its router with `into_make_service_with_connect_info::<Peer>()`. Where there is no TLS it lets everybody
/// through.
pub async fn demand_certificate(
    ConnectInfo(peer): ConnectInfo<Peer>,
    request: Request,
    next: Next,
) -> Response {
    if peer.proof == Proof::Nothing && !OPEN_PATHS.contains(&request.uri().path()) {
        tracing::warn!(peer = %peer.addr, "refused: it shows no certificate; set ORB_TLS__CERT and ORB_TLS__KEY there");
        let text = "no certificate was shown: set ORB_TLS__CA, ORB_TLS__CERT and ORB_TLS__KEY of the caller\n";
        return (StatusCode::FORBIDDEN, text).into_response();
    }
    next.run(request).await
}
