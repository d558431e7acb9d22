//! Routes, and the loop that serves them over connections which faults can reach.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use http::{StatusCode, Uri};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Layer;
use tower::util::MapRequestLayer;

use crate::connection::{Connection, Socket};
use crate::fault::Fault;
use crate::fault_layer::apply_faults;
use crate::request_log::record;
use crate::state::SimState;
use crate::{browse, images, media, playback, shows, system, watched};

/// How long to wait after a failed accept.
const ACCEPT_BACK_OFF: Duration = Duration::from_millis(50);

/// All routes in lower case: ASP.NET matches paths without case, and clients rely on it.
fn router(state: Arc<SimState>) -> Router {
    Router::new()
        .route("/system/info/public", get(system::public_info))
        .route("/system/info", get(system::info))
        .route("/system/ping", get(system::ping).post(system::ping))
        .merge(user_routes())
        .merge(library_routes())
        .merge(media_routes())
        .merge(playback_routes())
        .route("/_sim/fault", post(add_fault).delete(clear_faults))
        .route("/_sim/requests", get(requests))
        .route("/_sim/reports", get(reports))
        .layer(from_fn_with_state(state.clone(), apply_faults))
        .with_state(state)
}

fn user_routes() -> Router<Arc<SimState>> {
    Router::new()
        .route("/users", get(system::users))
        .route("/users/public", get(system::public_users))
        .route("/users/me", get(system::me))
        .route("/users/authenticatebyname", post(system::authenticate))
        .route("/users/{id}", get(system::user))
        .route("/sessions/logout", post(system::log_out))
        .route("/sessions/capabilities", post(browse::accept))
        .route("/sessions/capabilities/full", post(browse::accept))
}

/// Each with the older path of the same call, which the server keeps for old clients.
fn library_routes() -> Router<Arc<SimState>> {
    let user_data = || get(watched::get).post(watched::set);
    let played = || post(watched::mark_played).delete(watched::mark_unplayed);
    Router::new()
        .route("/userviews", get(browse::views))
        .route("/users/{user}/views", get(browse::views))
        .route("/items", get(browse::list))
        .route("/users/{user}/items", get(browse::list))
        .route("/items/{id}", get(browse::get_one))
        .route("/users/{user}/items/{id}", get(browse::get_one))
        .route("/useritems/resume", get(browse::resume))
        .route("/users/{user}/items/resume", get(browse::resume))
        .route("/useritems/{id}/userdata", user_data())
        .route("/users/{user}/items/{id}/userdata", user_data())
        .route("/userplayeditems/{id}", played())
        .route("/users/{user}/playeditems/{id}", played())
        .route("/shows/nextup", get(shows::next_up))
        .route("/shows/{id}/seasons", get(shows::seasons))
        .route("/shows/{id}/episodes", get(shows::episodes))
}

fn media_routes() -> Router<Arc<SimState>> {
    let info = get(playback::info).post(playback::info);
    Router::new()
        .route("/items/{id}/images/{kind}", get(images::image))
        .route("/items/{id}/images/{kind}/{index}", get(images::image))
        .route("/items/{id}/playbackinfo", info)
        .route("/items/{id}/download", get(media::download))
        .route("/videos/{id}/{file}", get(media::stream))
}

fn playback_routes() -> Router<Arc<SimState>> {
    Router::new()
        .route("/sessions/playing", post(playback::playing))
        .route("/sessions/playing/progress", post(playback::progress))
        .route("/sessions/playing/stopped", post(playback::stopped))
        .route("/sessions/playing/ping", post(browse::accept))
}

async fn add_fault(State(state): State<Arc<SimState>>, Json(fault): Json<Fault>) -> Response {
    match state.faults.add(fault) {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => {
            let body = json!({ "code": error.code(), "message": error.to_string() });
            (StatusCode::UNPROCESSABLE_ENTITY, Json(body)).into_response()
        }
    }
}

async fn clear_faults(State(state): State<Arc<SimState>>) -> StatusCode {
    state.faults.clear();
    StatusCode::NO_CONTENT
}

async fn requests(State(state): State<Arc<SimState>>) -> Response {
    Json(state.log.snapshot()).into_response()
}

async fn reports(State(state): State<Arc<SimState>>) -> Response {
    Json(state.reports.snapshot()).into_response()
}

fn lower_case_path(mut request: Request) -> Request {
    let uri = request.uri();
    let path = uri.path().to_ascii_lowercase();
    let path_and_query = match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path,
    };
    // It was a valid one before, and lower case changes no byte's meaning.
    if let Ok(lower) = path_and_query.parse::<Uri>() {
        *request.uri_mut() = lower;
    }
    request
}

/// Accepts until `cancel`, then drops every connection.
pub(crate) async fn serve(listener: TcpListener, state: Arc<SimState>, cancel: CancellationToken) {
    let routes = MapRequestLayer::new(lower_case_path).layer(router(state.clone()));
    let recorded = Router::new()
        .fallback_service(routes)
        .layer(from_fn_with_state(state, record));
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = cancel.cancelled() => break,
        };
        let tcp = match accepted {
            Ok((tcp, _)) => tcp,
            Err(error) => {
                // Out of file descriptors, say: others have to close first.
                tracing::warn!(%error, "accept");
                tokio::time::sleep(ACCEPT_BACK_OFF).await;
                continue;
            }
        };
        let connection = Connection::new(cancel.child_token());
        let service =
            TowerToHyperService::new(Extension(connection.clone()).layer(recorded.clone()));
        connections.spawn(async move {
            let socket = TokioIo::new(Socket::new(tcp, connection.clone()));
            let builder = auto::Builder::new(TokioExecutor::new()).http1_only();
            tokio::select! {
                served = builder.serve_connection(socket, service) => {
                    if let Err(error) = served {
                        tracing::debug!(%error, "connection");
                    }
                }
                () = connection.ended() => {}
            }
        });
    }
    connections.close();
    connections.wait().await;
}
