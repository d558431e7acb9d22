//! What all requests share.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use serde::Serialize;
use serde_json::Value;

use crate::auth::AuthMode;
use crate::fault::FaultBoard;
use crate::library::Library;
use crate::request_log::RequestLog;

/// Older reports are forgotten.
const MAX_REPORTS: usize = 10_000;

pub(crate) struct SimState {
    pub(crate) library: Library,
    pub(crate) auth: AuthMode,
    pub(crate) stream_needs_auth: bool,
    pub(crate) api_key: String,
    pub(crate) user_token: String,
    pub(crate) base_url: String,
    pub(crate) faults: FaultBoard,
    pub(crate) log: RequestLog,
    pub(crate) reports: Reports,
}

/// A playback report that a client sent to `/Sessions/Playing…`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlaybackReport {
    /// Which of the three calls.
    pub event: PlaybackEvent,
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
    pub(crate) fn add(&self, report: PlaybackReport) {
        let mut reports = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if reports.len() == MAX_REPORTS {
            reports.pop_front();
        }
        reports.push_back(report);
    }

    pub(crate) fn snapshot(&self) -> Vec<PlaybackReport> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .cloned()
            .collect()
    }
}
