//! The part of Discord's REST API that clients need to come up and to post messages.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::extract::rejection::JsonRejection;
use axum::extract::{ConnectInfo, FromRequestParts, Path, State};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::accounts::Account;
use crate::record::RecordEvent;
use crate::world::World;
use crate::{ChannelId, control, gateway_events};

/// Serves REST and the control API until the simulator stops.
pub(crate) async fn serve(listener: TcpListener, world: Arc<World>) {
    let cancel = world.context.cancel.clone();
    let app = router(world).into_make_service_with_connect_info::<SocketAddr>();
    let server = axum::serve(listener, app).with_graceful_shutdown(cancel.cancelled_owned());
    if let Err(error) = server.await {
        tracing::warn!(%error, "rest server failed");
    }
}

fn router(world: Arc<World>) -> Router {
    Router::new()
        .route("/api/v10/gateway", get(gateway))
        .route("/api/v10/gateway/bot", get(gateway_bot))
        .route("/api/v10/users/@me", get(me))
        .route("/api/v10/applications/@me", get(application))
        .route("/api/v10/oauth2/applications/@me", get(application))
        .route("/api/v10/channels/{channel}/messages", post(post_message))
        .merge(control::routes())
        .fallback(not_found)
        .with_state(world)
}

/// Discord's error shape. `code` is 0 for errors without a number of their own.
fn error(status: StatusCode, code: u32, message: &str) -> Response {
    (status, Json(json!({"message": message, "code": code}))).into_response()
}

/// Whom a request comes from: `Authorization: Bot <token>`, or a user's token alone.
struct Caller(Account);

impl FromRequestParts<Arc<World>> for Caller {
    type Rejection = Response;

    async fn from_request_parts(
        parts: &mut Parts,
        world: &Arc<World>,
    ) -> Result<Self, Self::Rejection> {
        let account = parts
            .headers
            .get("authorization")
            .and_then(|header| header.to_str().ok())
            .and_then(|header| Account::of_header(&world.context.config.tokens, header));
        if let Some(account) = account {
            return Ok(Self(account));
        }
        let source = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        let event = RecordEvent::RestRefused {
            status: 401,
            method: parts.method.to_string(),
            path: parts.uri.path().to_owned(),
        };
        let source = source.map(|ConnectInfo(source)| *source);
        world.context.record.add(source, None, event);
        Err(error(StatusCode::UNAUTHORIZED, 0, "401: Unauthorized"))
    }
}

async fn gateway(State(world): State<Arc<World>>) -> Json<Value> {
    Json(json!({"url": world.context.endpoints.gateway_url()}))
}

async fn gateway_bot(State(world): State<Arc<World>>, Caller(account): Caller) -> Response {
    if account.is_user {
        return error(
            StatusCode::FORBIDDEN,
            20_002,
            "Only bots can use this endpoint",
        );
    }
    let config = &world.context.config;
    Json(json!({
        "url": world.context.endpoints.gateway_url(),
        "shards": config.shards,
        "session_start_limit": {
            "total": 1000, "remaining": 1000, "reset_after": 0,
            "max_concurrency": config.max_concurrency
        }
    }))
    .into_response()
}

async fn me(Caller(account): Caller) -> Json<Value> {
    Json(gateway_events::user(&account))
}

async fn application(Caller(account): Caller) -> Json<Value> {
    Json(gateway_events::application(&account))
}

async fn post_message(
    State(world): State<Arc<World>>,
    ConnectInfo(source): ConnectInfo<SocketAddr>,
    Caller(account): Caller,
    Path(channel): Path<String>,
    body: Result<Json<Value>, JsonRejection>,
) -> Response {
    let Ok(Json(body)) = body else {
        return error(
            StatusCode::BAD_REQUEST,
            50_109,
            "The request body contains invalid JSON.",
        );
    };
    let Ok(channel) = channel.parse::<ChannelId>() else {
        return error(StatusCode::BAD_REQUEST, 50_035, "Invalid Form Body");
    };
    let event = RecordEvent::Message {
        channel,
        content: body["content"].as_str().unwrap_or_default().to_owned(),
    };
    world
        .context
        .record
        .add(Some(source), Some(account.user), event);
    let id = world.context.next_id();
    Json(gateway_events::message(id, channel, &account, &body)).into_response()
}

async fn not_found(
    State(world): State<Arc<World>>,
    ConnectInfo(source): ConnectInfo<SocketAddr>,
    method: Method,
    uri: Uri,
) -> Response {
    let event = RecordEvent::RestRefused {
        status: 404,
        method: method.to_string(),
        path: uri.path().to_owned(),
    };
    world.context.record.add(Some(source), None, event);
    error(StatusCode::NOT_FOUND, 0, "404: Not Found")
}
