//! What Jellyfin is told of playback, so that "continue watching" and "next up" work.
//!
//! `POST /Sessions/Playing…` is not enough. Under an API key Jellyfin's session has no user, and what is
//! reported counts for nobody (`SessionManager.GetUsers` is empty; the call has no `userId`, and it
//! takes the user off a session that had one). It shows what plays in the dashboard, no more. So the
//! user's data is written too, where an API key may name a user:
//!
//! | where playback stands | what is written | as Jellyfin itself would (`UserDataManager.UpdatePlayState`) |
//! | --- | --- | --- |
//! | the first 5 % | position 0 | not under way yet |
//! | over 90 %, the last second, or past 5 % of what lasts less than 5 min | `POST /UserPlayedItems/{id}` | seen; its other versions too |
//! | between | position and date | to be continued |
//!
//! The bounds are Jellyfin's defaults; its operator can change them for Jellyfin's own clients.

use std::time::SystemTime;

use chrono::{DateTime, SecondsFormat, Utc};
use http::Method;
use serde_json::{Value, json};

use super::limits::JSON_BYTES;
use super::transport::{Ask, Transport, check_id};
use super::wire::ticks;
use crate::{DeviceIdentity, Error};

/// `MinResumePct` and `MaxResumePct`.
const RESUMABLE_PERCENT: (u64, u64) = (5, 90);
/// `MinResumeDurationSeconds`.
const MIN_RESUME_RUNTIME_MS: u64 = 300_000;

/// Where playback of an item stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlaybackReport {
    /// The party's id. It goes into the device id: each party is a session of its own in Jellyfin.
    pub party: String,
    /// What plays.
    pub item_id: String,
    /// Which version of it; `None` for the first.
    pub source_id: Option<String>,
    /// [`PlaybackInfo::play_session_id`](super::PlaybackInfo::play_session_id), if there is one.
    pub play_session_id: Option<String>,
    /// The position in the item.
    pub position_ms: u64,
    /// How long the item runs; without it nothing counts as seen or as to be continued.
    pub runtime_ms: Option<u64>,
    /// Whether it is paused.
    pub paused: bool,
}

/// How playback of an item ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlaybackEnd {
    /// At its end, or because somebody stopped it: what was seen was seen.
    Ended,
    /// It failed: nothing is written to the user's data, as Jellyfin does it.
    Failed,
}

/// Which of the three calls.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    Started,
    Progress,
    Stopped(PlaybackEnd),
}

/// What becomes of the user's data.
#[derive(Debug, PartialEq, Eq)]
enum Standing {
    At(u64),
    Seen,
    Unknown,
}

impl PlaybackReport {
    fn standing(&self) -> Standing {
        let position = self.position_ms;
        let Some(runtime) = self.runtime_ms.filter(|&runtime| runtime > 0) else {
            return Standing::Unknown;
        };
        let percent = |p: u64| runtime.saturating_mul(p) / 100;
        if position < percent(RESUMABLE_PERCENT.0) || position == 0 {
            Standing::At(0)
        } else if position > percent(RESUMABLE_PERCENT.1)
            || position.saturating_add(1000) >= runtime
            || runtime < MIN_RESUME_RUNTIME_MS
        {
            Standing::Seen
        } else {
            Standing::At(position)
        }
    }

    fn device(&self, device: &DeviceIdentity) -> DeviceIdentity {
        DeviceIdentity {
            device_id: format!("{}-{}", device.device_id, self.party),
            ..device.clone()
        }
    }

    fn body(&self, event: Event) -> Value {
        let mut body = json!({
            "ItemId": self.item_id,
            "PositionTicks": ticks(self.position_ms),
        });
        if let Some(source) = &self.source_id {
            body["MediaSourceId"] = source.as_str().into();
        }
        if let Some(session) = &self.play_session_id {
            body["PlaySessionId"] = session.as_str().into();
        }
        if let Event::Stopped(end) = event {
            body["Failed"] = (end == PlaybackEnd::Failed).into();
        } else {
            body["CanSeek"] = true.into();
            body["IsPaused"] = self.paused.into();
            // The file as it is; that we encode it again is not Jellyfin's transcoding.
            body["PlayMethod"] = "DirectPlay".into();
        }
        body
    }
}

/// Shows it in the dashboard.
pub(super) async fn show(
    transport: &Transport,
    report: &PlaybackReport,
    event: Event,
) -> Result<(), Error> {
    check_id(&report.item_id)?;
    let url = transport.url(match event {
        Event::Started => &["Sessions", "Playing"],
        Event::Progress => &["Sessions", "Playing", "Progress"],
        Event::Stopped(_) => &["Sessions", "Playing", "Stopped"],
    })?;
    let device = report.device(transport.device());
    let ask = Ask {
        method: Method::POST,
        body: Some(report.body(event)),
        device: Some(&device),
        // The next one follows in seconds, and says more.
        idempotent: false,
        ..Ask::get(url, Some(&report.item_id), JSON_BYTES)
    };
    transport.ask(&ask).await.map(drop)
}

/// Writes it to the user's data. The same again changes nothing, so it may be tried again.
pub(super) async fn keep(
    transport: &Transport,
    report: &PlaybackReport,
    user_id: &str,
    now: SystemTime,
) -> Result<(), Error> {
    let id = check_id(&report.item_id)?;
    let (mut url, body) = match report.standing() {
        Standing::Unknown => return Ok(()),
        Standing::Seen => (transport.url(&["UserPlayedItems", id])?, None),
        Standing::At(position_ms) => (
            transport.url(&["UserItems", id, "UserData"])?,
            Some(json!({
                "PlaybackPositionTicks": ticks(position_ms),
                // What "continue watching" is sorted by.
                "LastPlayedDate": iso8601(now),
            })),
        ),
    };
    url.query_pairs_mut().append_pair("userId", user_id);
    let ask = Ask {
        method: Method::POST,
        body,
        ..Ask::get(url, Some(id), JSON_BYTES)
    };
    transport.ask(&ask).await.map(drop)
}

fn iso8601(time: SystemTime) -> String {
    DateTime::<Utc>::from(time).to_rfc3339_opts(SecondsFormat::Millis, true)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn report(position_ms: u64, runtime_ms: Option<u64>) -> PlaybackReport {
        PlaybackReport {
            party: "p1".into(),
            item_id: "a1".into(),
            source_id: None,
            play_session_id: None,
            position_ms,
            runtime_ms,
            paused: true,
        }
    }

    #[test]
    fn the_user_data_follows_jellyfins_rules() {
        let hour = Some(3_600_000);
        for (position, runtime, expected) in [
            (0, hour, Standing::At(0)),
            (179_999, hour, Standing::At(0)),
            (180_000, hour, Standing::At(180_000)),
            (3_240_000, hour, Standing::At(3_240_000)),
            (3_240_001, hour, Standing::Seen),
            (9_999_999, hour, Standing::Seen),
            // Shorter than five minutes: begun is as good as seen.
            (10_000, Some(299_999), Standing::At(0)),
            (30_000, Some(299_999), Standing::Seen),
            (0, Some(10), Standing::At(0)),
            (60_000, None, Standing::Unknown),
            (60_000, Some(0), Standing::Unknown),
        ] {
            let standing = report(position, runtime).standing();
            assert_eq!(standing, expected, "{position} of {runtime:?}");
        }
    }

    #[test]
    fn bodies_are_what_jellyfin_reads() {
        let mut report = report(1500, None);
        report.source_id = Some("v1".into());
        assert_eq!(
            report.body(Event::Progress),
            json!({"ItemId": "a1", "PositionTicks": 15_000_000, "MediaSourceId": "v1",
                   "CanSeek": true, "IsPaused": true, "PlayMethod": "DirectPlay"})
        );
        assert_eq!(
            report.body(Event::Stopped(PlaybackEnd::Failed)),
            json!({"ItemId": "a1", "PositionTicks": 15_000_000, "MediaSourceId": "v1",
                   "Failed": true})
        );
    }

    #[test]
    fn each_party_is_a_device() {
        let device = report(0, None).device(&DeviceIdentity::default());
        assert_eq!(device.device_id, "orb-stream-p1");
    }

    #[test]
    fn dates_are_iso8601() {
        let time = UNIX_EPOCH + Duration::from_millis(1_795_000_000_250);
        assert_eq!(iso8601(time), "2026-11-18T11:06:40.250Z");
    }
}
