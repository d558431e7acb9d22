//! The loopback proxy between ffmpeg and the source.
//!
//! ffmpeg knows `http://127.0.0.1:<port>/<nonce>` and nothing else: no address, no key, no
//! redirect. It sees a server that is never slow to retry and never breaks a body off in the
//! middle, until the source is really given up; then the [`Route`] says why.
//!
//! ```text
//! ffmpeg ──Range──▶ serve ──▶ Upstream::open ──▶ source
//!        ◀─ bytes ─ Body  ◀── Range at the offset, again and again ──
//! ```
//!
//! Nothing is read ahead: a body is pulled by ffmpeg, so a paused film costs the socket buffers,
//! a chunk or two and no more. If the source hangs up meanwhile, the next read resumes at the offset.

mod body;
mod listen;
mod range;
mod route;
mod upstream;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::header::{ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, RANGE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;
use uuid::Uuid;

pub(crate) use route::{Patience, Route};
pub(crate) use upstream::{Access, Upstream};

use crate::Error;
use range::ByteRange;
use upstream::Answer;

type Routes = Arc<Mutex<HashMap<String, Arc<Route>>>>;

/// The listener and its routes.
pub(crate) struct Proxy {
    address: SocketAddr,
    routes: Routes,
    server: AbortHandle,
}

impl Proxy {
    pub(crate) async fn start(upstream: Upstream) -> Result<Self, Error> {
        let listener = TcpListener::bind(("127.0.0.1", 0))
            .await
            .map_err(Error::ProxyBind)?;
        let address = listener.local_addr().map_err(Error::ProxyBind)?;
        let routes = Routes::default();
        let state = Shared {
            upstream,
            routes: Arc::clone(&routes),
        };
        let app = Router::new()
            .route("/{nonce}", get(serve))
            .with_state(state);
        let server = tokio::spawn(listen::listen(listener, app));
        Ok(Self {
            address,
            routes,
            server: server.abort_handle(),
        })
    }

    /// A new secret path to a source, for as long as the guard lives.
    pub(crate) fn add(&self, route: Route) -> RouteGuard {
        // 122 random bits from the system.
        let nonce = Uuid::new_v4().simple().to_string();
        let route = Arc::new(route);
        lock(&self.routes).insert(nonce.clone(), Arc::clone(&route));
        RouteGuard {
            url: format!("http://{}/{nonce}", self.address),
            nonce,
            route,
            routes: Arc::clone(&self.routes),
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// A route that is open. Dropping it closes it and ends the bodies that it is sending.
pub(crate) struct RouteGuard {
    url: String,
    nonce: String,
    route: Arc<Route>,
    routes: Routes,
}

impl RouteGuard {
    /// What ffmpeg opens.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn route(&self) -> &Arc<Route> {
        &self.route
    }
}

impl Drop for RouteGuard {
    fn drop(&mut self) {
        lock(&self.routes).remove(&self.nonce);
        self.route.close();
    }
}

fn lock(routes: &Routes) -> std::sync::MutexGuard<'_, HashMap<String, Arc<Route>>> {
    // Nothing panics while it is held.
    routes.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Clone)]
struct Shared {
    upstream: Upstream,
    routes: Routes,
}

async fn serve(
    State(shared): State<Shared>,
    Path(nonce): Path<String>,
    headers: HeaderMap,
) -> Response {
    let Some(route) = lock(&shared.routes).get(&nonce).cloned() else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let asked = match headers
        .get(RANGE)
        .map(|value| ByteRange::parse(value.as_bytes()))
    {
        None => None,
        Some(Some(range)) => Some(range),
        // ffmpeg asks for no other kind.
        Some(None) => return StatusCode::RANGE_NOT_SATISFIABLE.into_response(),
    };
    match shared.upstream.open(route, asked).await {
        Ok(answer) => respond(answer),
        // The status is for ffmpeg's log; the reason is with the route.
        Err(_) => StatusCode::BAD_GATEWAY.into_response(),
    }
}

/// Without a Content-Type: ffmpeg believes it more than the bytes, and servers guess it from names.
fn respond(answer: Answer) -> Response {
    let mut response = Response::builder().status(answer.status);
    if let Some(length) = answer.length {
        response = response.header(CONTENT_LENGTH, length);
    }
    if let Some(range) = answer.content_range {
        response = response.header(CONTENT_RANGE, range);
    }
    if answer.ranges {
        response = response.header(ACCEPT_RANGES, "bytes");
    }
    response
        .body(answer.body)
        .unwrap_or_else(|_| StatusCode::BAD_GATEWAY.into_response())
}

impl std::fmt::Debug for RouteGuard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RouteGuard").finish_non_exhaustive()
    }
}
