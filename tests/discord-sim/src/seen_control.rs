//! The part of the control API that is about what was seen.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::control::refused;
use crate::seen::{Seen, SeenConnection, SeenPicture};
use crate::world::World;
use crate::{GuildId, UserId};

pub(crate) fn routes() -> Router<Arc<World>> {
    Router::new()
        .route("/_sim/seen", get(seen))
        .route("/_sim/seen/annex_b", get(annex_b))
}

/// Query of both.
#[derive(Deserialize)]
struct SeenQuery {
    guild: GuildId,
    /// Only what this user showed.
    user: Option<UserId>,
    /// Only what arrived from then on, in milliseconds since the Unix epoch.
    since_ms: Option<u64>,
    /// Whether to list every picture as well.
    #[serde(default)]
    pictures: bool,
}

impl SeenQuery {
    fn snapshot(&self, world: &World) -> Seen {
        let since = self.since_ms.map(|ms| world.context.clock.at_unix_ms(ms));
        let seen = world.context.seen.snapshot(self.guild, since);
        match self.user {
            Some(user) => seen.of_user(user),
            None => seen,
        }
    }
}

/// `GET /_sim/seen`. Counters are of a connection's whole life, all else is of the time asked for.
async fn seen(
    State(world): State<Arc<World>>,
    query: Result<Query<SeenQuery>, QueryRejection>,
) -> Response {
    let Query(query) = match query {
        Ok(query) => query,
        Err(rejection) => return refused("bad_query", &rejection.body_text()),
    };
    let seen = query.snapshot(&world);
    let connections = seen.connections.iter();
    let connections: Vec<Value> = connections
        .map(|one| connection(&seen, one, query.pictures))
        .collect();
    Json(json!({
        "connections": connections,
        "totals": seen.totals(),
        "longest_gap_ms": seen.longest_gap().map(milliseconds),
    }))
    .into_response()
}

fn connection(seen: &Seen, connection: &SeenConnection, pictures: bool) -> Value {
    let clock = seen.clock();
    let listed: Option<&[SeenPicture]> = pictures.then_some(&connection.pictures);
    let waits = connection.queue.iter().filter_map(|wait| wait.waited);
    json!({
        "info": connection.info,
        "opened_unix_ms": clock.unix_ms(connection.info.opened_at),
        "closed_unix_ms": connection.closed_at.map(|at| clock.unix_ms(at)),
        "counters": connection.counters,
        "announced": connection.announced,
        "reports": connection.reports.len(),
        "longest_gap_ms": connection.longest_gap().map(milliseconds),
        "longest_wait_ms": waits.max().map(milliseconds),
        "pictures_held": connection.pictures.len(),
        "first_picture_unix_ns": connection.pictures.first().map(|picture| picture.unix_ns),
        "last_picture_unix_ns": connection.pictures.last().map(|picture| picture.unix_ns),
        "pictures": listed,
    })
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// `GET /_sim/seen/annex_b`: what [`Seen::write_annex_b`] writes.
async fn annex_b(
    State(world): State<Arc<World>>,
    query: Result<Query<SeenQuery>, QueryRejection>,
) -> Response {
    let Query(query) = match query {
        Ok(query) => query,
        Err(rejection) => return refused("bad_query", &rejection.body_text()),
    };
    let seen = query.snapshot(&world);
    let mut bytes = Vec::new();
    for picture in seen.annex_b() {
        bytes.extend_from_slice(picture);
    }
    ([(CONTENT_TYPE, "video/h264")], bytes).into_response()
}
