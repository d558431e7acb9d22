//! The control API under `/_sim/`: the record, what was heard, faults, voice credentials.
//!
//! For tests of other processes and other languages. It asks for no token: it is no part of
//! Discord.

use std::sync::Arc;

use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::ears::EarReport;
use crate::heard::{Heard, HeardConnection, HeardPacket};
use crate::kept::HeardDetail;
use crate::world::World;
use crate::{ChannelId, Error, Fault, GuildId, UserId, seen_control, stream_guests};

pub(crate) fn routes() -> Router<Arc<World>> {
    Router::new()
        .route("/_sim/record", get(record))
        .route("/_sim/heard", get(heard))
        .route("/_sim/fault", post(fault))
        .route("/_sim/voice", post(enter_voice).delete(leave_voice))
        .merge(stream_guests::routes())
        .merge(seen_control::routes())
}

async fn record(State(world): State<Arc<World>>) -> Response {
    Json(json!({"entries": world.context.record.all()})).into_response()
}

/// `POST /_sim/fault` with a [`Fault`]; answers how many sessions or connections it hit.
async fn fault(
    State(world): State<Arc<World>>,
    body: Result<Json<Fault>, JsonRejection>,
) -> Response {
    let Json(fault) = match body {
        Ok(fault) => fault,
        Err(rejection) => return refused("bad_fault", &rejection.body_text()),
    };
    let hits = world.state().apply(&fault);
    match hits {
        Ok(hits) => Json(json!({"hits": hits})).into_response(),
        Err(error) => refused(error.code(), &error.to_string()),
    }
}

/// Body of `POST /_sim/voice`.
#[derive(Deserialize)]
struct EnterVoice {
    guild: GuildId,
    channel: ChannelId,
    user: UserId,
}

/// `POST /_sim/voice`: lets a guest into a voice channel and answers its credentials.
async fn enter_voice(
    State(world): State<Arc<World>>,
    body: Result<Json<EnterVoice>, JsonRejection>,
) -> Response {
    let Json(enter) = match body {
        Ok(enter) => enter,
        Err(rejection) => return refused("bad_voice", &rejection.body_text()),
    };
    let admitted = world
        .state()
        .admit_guest(enter.guild, enter.channel, enter.user);
    match admitted {
        Ok(credentials) => Json(credentials).into_response(),
        Err(error) => refused(error.code(), &error.to_string()),
    }
}

/// Body of `DELETE /_sim/voice`.
#[derive(Deserialize)]
struct LeaveVoice {
    guild: GuildId,
    user: UserId,
}

/// `DELETE /_sim/voice`: takes a user out of its voice channel.
async fn leave_voice(
    State(world): State<Arc<World>>,
    body: Result<Json<LeaveVoice>, JsonRejection>,
) -> Response {
    match body {
        Ok(Json(leave)) => {
            world.state().leave(leave.guild, leave.user);
            Json(json!({})).into_response()
        }
        Err(rejection) => refused("bad_voice", &rejection.body_text()),
    }
}

pub(crate) fn refused(code: &str, message: &str) -> Response {
    let body = Json(json!({"code": code, "message": message}));
    (StatusCode::BAD_REQUEST, body).into_response()
}

/// Query of `GET /_sim/heard`.
#[derive(Deserialize)]
struct HeardQuery {
    guild: GuildId,
    /// Only what this bot sent.
    user: Option<UserId>,
    /// Only what arrived from then on, in milliseconds since the Unix epoch.
    since_ms: Option<u64>,
    /// Whether to list every packet as well.
    #[serde(default)]
    packets: bool,
}

/// Answer of `GET /_sim/heard`. Counters are of a connection's whole life, all else is of the
/// time asked for.
#[derive(Serialize)]
struct HeardAnswer {
    connections: Vec<Value>,
    totals: crate::HeardCounters,
    /// Unless arrivals alone are kept.
    ears: Option<EarReport>,
}

async fn heard(
    State(world): State<Arc<World>>,
    query: Result<Query<HeardQuery>, QueryRejection>,
) -> Response {
    let Query(query) = match query {
        Ok(query) => query,
        Err(rejection) => return refused("bad_query", &rejection.body_text()),
    };
    let since = query.since_ms.map(|ms| world.context.clock.at_unix_ms(ms));
    let mut heard = world.context.heard.snapshot(query.guild, since);
    if let Some(user) = query.user {
        heard = heard.of_user(user);
    }
    // Decoding minutes of sound takes a while: not on the runtime's threads.
    let answer = tokio::task::spawn_blocking(move || answer(&heard, query.packets)).await;
    match answer {
        Ok(Ok(answer)) => Json(answer).into_response(),
        Ok(Err(error)) => refused(error.code(), &error.to_string()),
        Err(error) => {
            let body = Json(json!({"code": "panicked", "message": error.to_string()}));
            (StatusCode::INTERNAL_SERVER_ERROR, body).into_response()
        }
    }
}

fn answer(heard: &Heard, packets: bool) -> Result<HeardAnswer, Error> {
    let clock = heard.clock();
    let connection = |connection: &HeardConnection| {
        let listed: Option<&[HeardPacket]> = packets.then_some(&connection.packets);
        json!({
            "info": connection.info,
            "opened_unix_ms": clock.unix_ms(connection.info.opened_at),
            "closed_unix_ms": connection.closed_at.map(|at| clock.unix_ms(at)),
            "counters": connection.counters,
            "packets_held": connection.packets.len(),
            "first_packet_unix_ns": connection.packets.first().map(|packet| packet.unix_ns),
            "last_packet_unix_ns": connection.packets.last().map(|packet| packet.unix_ns),
            "packets": listed,
        })
    };
    Ok(HeardAnswer {
        connections: heard.connections.iter().map(connection).collect(),
        totals: heard.totals(),
        ears: match heard.detail() {
            HeardDetail::Sound => Some(heard.listen()?),
            HeardDetail::Arrivals => None,
        },
    })
}
