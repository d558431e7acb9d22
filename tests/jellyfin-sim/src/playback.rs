//! Playback info, the reports of what plays, and what comes of them: who has seen what
//! (`PlaystateController`, `SessionManager`).

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use http::StatusCode;
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::accounts::UserIndex;
use crate::auth::{AuthMode, Caller};
use crate::body::Body;
use crate::catalog::Index;
use crate::dto::media_source;
use crate::state::SimState;
use crate::viewer::{ItemId, Viewer};

/// Older reports are forgotten.
const MAX_REPORTS: usize = 10_000;

/// A playback report that a client sent to `/Sessions/Playing…`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlaybackReport {
    /// Milliseconds from the start of the simulator to the report.
    pub at_ms: u64,
    /// Which of the three calls.
    pub event: PlaybackEvent,
    /// The name of the user whose token it came with; `None` for an API key, whose reports count for nobody.
    pub user: Option<String>,
    /// The body as sent: `ItemId`, `PositionTicks` (100 ns each), `IsPaused`, `PlaySessionId` …
    pub body: Value,
}

/// The calls that report playback.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PlaybackEvent {
    /// `POST /Sessions/Playing`
    Started,
    /// `POST /Sessions/Playing/Progress`
    Progress,
    /// `POST /Sessions/Playing/Stopped`
    Stopped,
}

/// The playback reports received, oldest first.
#[derive(Default)]
pub(crate) struct Reports(Mutex<VecDeque<PlaybackReport>>);

impl Reports {
    fn add(&self, report: PlaybackReport) {
        let mut reports = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if reports.len() == MAX_REPORTS {
            reports.pop_front();
        }
        reports.push_back(report);
    }

    pub(crate) fn snapshot(&self) -> Vec<PlaybackReport> {
        let reports = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        reports.iter().cloned().collect()
    }
}

/// `/Items/{id}/PlaybackInfo`, GET or POST. The device profile in the body must be JSON and is not
/// judged: the simulator does not transcode, so the answer is always direct play.
pub(crate) async fn info(
    State(state): State<Arc<SimState>>,
    viewer: Viewer,
    ItemId(id): ItemId,
    body: Bytes,
) -> Result<Json<Value>, StatusCode> {
    if !body.is_empty() {
        let body = serde_json::from_slice(&body).map(Body);
        let body = body.or(Err(StatusCode::BAD_REQUEST))?;
        // The body's user is asked for when the query names none.
        Viewer::of(
            &state,
            viewer.caller,
            body.text("UserId").unwrap_or_default(),
        )?;
    }
    let (_, entry) = state.catalog.entry(&id).ok_or(StatusCode::NOT_FOUND)?;
    if !entry.kind.is_video() {
        return Ok(Json(
            json!({ "MediaSources": [], "ErrorCode": "NoCompatibleStream" }),
        ));
    }
    Ok(Json(json!({
        "MediaSources": [media_source(entry)],
        "PlaySessionId": Uuid::new_v4().simple().to_string(),
    })))
}

pub(crate) async fn playing(
    State(state): State<Arc<SimState>>,
    caller: Caller,
    body: Body,
) -> StatusCode {
    if let Some((user, item)) = concerned(&state, caller, &body) {
        state.user_data.change(user, item, |data| {
            data.play_count += 1;
            data.last_played = Some(SystemTime::now());
            // Whoever starts again has not seen it; 12 leaves that as it was.
            data.played &= state.version == AuthMode::V12;
        });
    }
    record(&state, PlaybackEvent::Started, caller, body)
}

pub(crate) async fn progress(
    State(state): State<Arc<SimState>>,
    caller: Caller,
    body: Body,
) -> Result<StatusCode, StatusCode> {
    let position = body.number("PositionTicks")?;
    if let (Some((user, item)), Some(position)) = (concerned(&state, caller, &body), position) {
        update_play_state(&state, user, item, position);
    }
    Ok(record(&state, PlaybackEvent::Progress, caller, body))
}

pub(crate) async fn stopped(
    State(state): State<Arc<SimState>>,
    caller: Caller,
    body: Body,
) -> Result<StatusCode, StatusCode> {
    let position = body.number("PositionTicks")?;
    if position.is_some_and(|position| position < 0) {
        return Err(StatusCode::BAD_REQUEST);
    }
    let failed = body.truth("Failed") == Some(true);
    if let Some((user, item)) = concerned(&state, caller, &body).filter(|_| !failed) {
        match position {
            Some(position) => update_play_state(&state, user, item, position),
            // Who cannot say how far it was is taken to have seen it all.
            None => state.user_data.change(user, item, |data| {
                data.play_count += 1;
                data.played = true;
                data.position_ticks = 0;
            }),
        }
    }
    Ok(record(&state, PlaybackEvent::Stopped, caller, body))
}

/// Whose data of what a report changes: nobody's with an API key, as its session has no user
/// (`SessionManager.GetUsers`), and nothing for what is not in the library.
fn concerned(state: &SimState, caller: Caller, body: &Body) -> Option<(UserIndex, Index)> {
    let (item, entry) = state.catalog.entry(body.text("ItemId")?)?;
    let user = caller.user()?;
    entry.kind.is_video().then_some((user, item))
}

fn update_play_state(state: &SimState, user: UserIndex, item: Index, position: i64) {
    let run_time = state.catalog.get(item).run_time_ticks();
    let position = u64::try_from(position).unwrap_or(0);
    state.user_data.change(user, item, |data| {
        data.update_play_state(position, run_time, state.min_resume_duration);
    });
}

fn record(state: &SimState, event: PlaybackEvent, caller: Caller, body: Body) -> StatusCode {
    state.reports.add(PlaybackReport {
        at_ms: state.log.elapsed_ms(),
        event,
        user: caller
            .user()
            .map(|user| state.accounts.get(user).name.clone()),
        body: Value::Object(body.0),
    });
    StatusCode::NO_CONTENT
}
