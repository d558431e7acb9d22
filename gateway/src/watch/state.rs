//! What a viewer may know of a party: enough to play in step with it.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use axum::{
    Extension, Json,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use futures::StreamExt as _;
use orb_proto::v1::Session;
use serde::Serialize;
use utoipa::ToSchema;

use super::link::{Viewer, ViewerPath};
use crate::{
    app::Gateway,
    contract::{EndReason, PlaybackState},
    problem::Problem,
    serve::Closing,
    sse,
};

/// Oldest that a position is taken to be. The scheduler stamps each change and sends one at least once a second
/// while playing; anything older than this is a difference between two machines' clocks, not age.
const MAX_AGE: Duration = Duration::from_millis(1500);

/// A party as its viewers see it.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(examples(json!({
    "title": "Movie Title", "playbackState": "playing", "endReason": null, "positionMs": 381_240,
    "durationMs": 5_420_000, "ageMs": 12, "latencyMs": 200, "generation": 3, "watchable": true,
})))]
pub(super) struct PublicState {
    #[schema(required)]
    title: Option<String>,
    playback_state: PlaybackState,
    /// Why the last item ended; stays until the next play.
    #[schema(required)]
    end_reason: Option<EndReason>,
    /// Media time in the channel, `ageMs` before this was sent.
    #[schema(minimum = 0)]
    position_ms: i64,
    /// Null while unknown.
    #[schema(required)]
    duration_ms: Option<i64>,
    /// How old `positionMs` was when this was sent, by the server's clock.
    #[schema(minimum = 0)]
    age_ms: u64,
    /// How far behind the channel a viewer should be: show `positionMs + age - latencyMs`.
    #[schema(minimum = 0)]
    latency_ms: i64,
    /// Rises by one at every change of what is wanted.
    #[schema(minimum = 0)]
    generation: u64,
    /// Whether there is a stream to play.
    watchable: bool,
}

impl PublicState {
    fn of(session: &Session, now: SystemTime) -> Self {
        Self {
            playback_state: session.playback_state().into(),
            end_reason: EndReason::of(session.end_reason()),
            age_ms: age(session, now).as_millis() as u64,
            title: Some(session.current_title.clone()).filter(|title| !title.is_empty()),
            position_ms: session.position_ms.max(0),
            duration_ms: Some(session.duration_ms).filter(|duration| *duration > 0),
            latency_ms: session
                .watch
                .as_ref()
                .map_or(0, |watch| watch.latency_ms.max(0)),
            generation: session.generation,
            watchable: session.watch.is_some(),
        }
    }
}

fn age(session: &Session, now: SystemTime) -> Duration {
    let updated_at = session
        .updated_at
        .and_then(|time| SystemTime::try_from(time).ok());
    let age = updated_at
        .and_then(|time| now.duration_since(time).ok())
        .unwrap_or_default();
    age.min(MAX_AGE)
}

/// The party as it is now.
#[utoipa::path(get, operation_id = "getWatchState", path = "/watch/{session}/{sig}/state", tag = "watch", security(()),
    params(ViewerPath),
    responses((status = 200, description = "The public state.", body = PublicState)))]
pub(super) async fn state(
    State(gateway): State<Arc<Gateway>>,
    viewer: Viewer,
) -> Result<Response, Problem> {
    let session = gateway.scheduler.get(&viewer.session).await?;
    let state = PublicState::of(&session, SystemTime::now());
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(state)).into_response())
}

/// The public state now and at every change, as server-sent events; ends with the link.
#[utoipa::path(get, operation_id = "listenToWatchState", path = "/watch/{session}/{sig}/events", tag = "watch", security(()),
    params(ViewerPath),
    responses((status = 200, description = "The stream.", body = String, content_type = "text/event-stream")))]
pub(super) async fn events(
    State(gateway): State<Arc<Gateway>>,
    closing: Option<Extension<Closing>>,
    viewer: Viewer,
) -> Result<Response, Problem> {
    let states = gateway.feeds.states(&viewer.session).await?;
    let link_end = Box::pin(tokio::time::sleep(viewer.time_left()));
    let events = states
        .take_until(link_end)
        .map(|session| sse::event(&PublicState::of(&session, SystemTime::now())));
    Ok(sse::answer(events, closing))
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use orb_proto::v1::WatchOutput;
    use prost_types::Timestamp;

    use super::*;

    fn session() -> Session {
        Session {
            position_ms: 5000,
            updated_at: Some(Timestamp {
                seconds: 100,
                nanos: 0,
            }),
            watch: Some(WatchOutput { latency_ms: 200 }),
            ..Session::default()
        }
    }

    #[test]
    fn age_is_bounded_since_clocks_differ() {
        let at =
            |millis| PublicState::of(&session(), UNIX_EPOCH + Duration::from_millis(millis)).age_ms;
        assert_eq!(at(100_000), 0);
        assert_eq!(at(100_250), 250);
        assert_eq!(at(99_000), 0);
        assert_eq!(at(160_000), 1500);
    }

    #[test]
    fn shows_nothing_of_the_worker() {
        let state =
            serde_json::to_string(&PublicState::of(&session(), UNIX_EPOCH)).unwrap_or_default();
        assert!(state.contains("\"watchable\":true"), "{state}");
        assert!(
            !state.contains("10.0.0.7") && !state.contains("secret-token"),
            "{state}"
        );
    }
}
