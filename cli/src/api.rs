//! What is read of the party API's answers: the fields that are shown, and no more.
//!
//! Everything but an id may be missing or null, and values that are not known yet are taken as they are: a newer server
//! adds fields and states.

use serde::Deserialize;

/// A party, as `GET /api/v1/parties/{id}` and the `state` events have it.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Party {
    pub(crate) id: String,
    pub(crate) title: Option<String>,
    pub(crate) guild_id: String,
    pub(crate) voice_channel_id: String,
    pub(crate) text_channel_id: String,
    pub(crate) owner_user_id: Option<String>,
    pub(crate) at_queue_end: String,
    /// `draft`, `queued`, `connecting`, `playing`, `paused`, `stopped`, `error`.
    pub(crate) status: String,
    /// `connecting`, `connected`, `reconnecting`, `disconnected`, `error`.
    pub(crate) worker_status: String,
    pub(crate) playback_state: PlaybackState,
    pub(crate) current_title: Option<String>,
    pub(crate) position_ms: u64,
    pub(crate) duration_seconds: Option<u64>,
    pub(crate) last_error: Option<String>,
    /// `finished`, `skipped`, `stopped`, `failed`.
    pub(crate) end_reason: Option<String>,
    pub(crate) entry_id: Option<u64>,
    pub(crate) queue_version: u64,
    /// How many entries wait.
    pub(crate) queued: u64,
    pub(crate) plan: Option<String>,
    pub(crate) created_at: Option<String>,
    pub(crate) picture: Option<Picture>,
}

/// The picture in the voice channel.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Picture {
    pub(crate) pictures_late: u64,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) kbits_per_second: u32,
}

impl Picture {
    /// `1280x720 at 2500 kbit/s, 3 late`
    pub(crate) fn text(&self) -> String {
        let Self {
            width,
            height,
            kbits_per_second,
            ..
        } = self;
        let late = match self.pictures_late {
            0 => String::new(),
            late => format!(", {late} late"),
        };
        format!("{width}x{height} at {kbits_per_second} kbit/s{late}")
    }
}

impl Party {
    pub(crate) fn duration_ms(&self) -> Option<u64> {
        self.duration_seconds.map(|seconds| seconds * 1000)
    }

    /// Whether nothing more happens by itself: it was stopped, or it played to its end and has left the channel.
    pub(crate) fn is_over(&self) -> bool {
        match self.playback_state {
            PlaybackState::Stopped => true,
            PlaybackState::Ended => self.worker_status == "disconnected",
            _ => false,
        }
    }
}

/// What a party does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum PlaybackState {
    /// Nothing was played yet.
    #[default]
    Idle,
    Loading,
    Playing,
    Paused,
    Ended,
    Stopped,
    /// One that this version does not know.
    #[serde(other)]
    Unknown,
}

impl PlaybackState {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Loading => "loading",
            Self::Playing => "playing",
            Self::Paused => "paused",
            Self::Ended => "ended",
            Self::Stopped => "stopped",
            Self::Unknown => "?",
        }
    }
}

/// `GET /api/v1/parties`.
#[derive(Debug, Deserialize)]
pub(crate) struct Parties {
    pub(crate) parties: Vec<Party>,
}

/// A party's queue: ended entries, the current one, those that wait, in this order.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Queue {
    pub(crate) entries: Vec<QueueEntry>,
    /// Entries that a call has just made.
    pub(crate) added: Vec<u64>,
}

impl Queue {
    pub(crate) fn waiting(&self) -> impl Iterator<Item = &QueueEntry> {
        self.entries.iter().filter(|entry| entry.status == "queued")
    }
}

/// An entry of it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct QueueEntry {
    pub(crate) entry_id: u64,
    /// `queued`, `playing`, `played`, `skipped`, `failed`.
    pub(crate) status: String,
    pub(crate) title: String,
    pub(crate) year: Option<Scalar>,
    pub(crate) episode: Option<Scalar>,
    pub(crate) duration_seconds: Option<u64>,
    pub(crate) added_by: Option<String>,
    pub(crate) error: Option<Scalar>,
}

/// What may be a text or a number; anything else is not shown.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
pub(crate) enum Scalar {
    Text(String),
    Number(i64),
    Other(serde_json::Value),
}

impl Scalar {
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Number(number) => number.to_string(),
            Self::Other(value) => {
                let message = value.get("message").and_then(serde_json::Value::as_str);
                message.unwrap_or_default().to_owned()
            }
        }
    }
}

/// `GET …/events`, as a page.
#[derive(Debug, Deserialize)]
pub(crate) struct Events {
    pub(crate) events: Vec<Event>,
    /// Where the next page begins, when there is one.
    #[serde(default)]
    pub(crate) next: Option<u64>,
}

/// One of them.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Event {
    pub(crate) id: u64,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) at: Option<Scalar>,
    pub(crate) cause: Option<String>,
    pub(crate) actor: Option<String>,
    pub(crate) payload: serde_json::Value,
}

/// A page of the library.
#[derive(Debug, Deserialize)]
pub(crate) struct Items {
    pub(crate) items: Vec<Item>,
    /// Of all pages.
    #[serde(default)]
    pub(crate) total: u64,
}

/// An item of the library.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Item {
    pub(crate) id: String,
    pub(crate) kind: String,
    #[serde(alias = "name")]
    pub(crate) title: String,
    pub(crate) year: Option<i64>,
    pub(crate) duration_seconds: Option<u64>,
    #[serde(alias = "overview")]
    pub(crate) summary: Option<String>,
    #[serde(alias = "seriesName")]
    pub(crate) series_title: Option<String>,
    pub(crate) season: Option<i64>,
    pub(crate) episode: Option<i64>,
    pub(crate) genres: Vec<String>,
}

impl Item {
    /// `The Show S01E02 · The Title`, `The Film (1982)`.
    pub(crate) fn label(&self) -> String {
        let mut label = String::new();
        if let Some(series) = &self.series_title {
            label.push_str(series);
            if let (Some(season), Some(episode)) = (self.season, self.episode) {
                label = format!("{label} S{season:02}E{episode:02}");
            }
            label.push_str(" · ");
        }
        label.push_str(&self.title);
        if let Some(year) = self.year
            && self.series_title.is_none()
        {
            label = format!("{label} ({year})");
        }
        label
    }
}

/// `GET /api/v1/workers`.
#[derive(Debug, Deserialize)]
pub(crate) struct Workers {
    pub(crate) workers: Vec<Worker>,
}

/// One of them.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Worker {
    pub(crate) id: String,
    /// `ready`, `draining`, `suspect`, `unknown`.
    pub(crate) standing: String,
    pub(crate) total_millicores: u64,
    pub(crate) free_millicores: u64,
    pub(crate) party_ids: Vec<String>,
    /// Null when the leader has not heard of it.
    pub(crate) silent_ms: Option<u64>,
    pub(crate) go_live: bool,
    pub(crate) pictures: u64,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_newer_servers_answer_is_read() {
        let party: Party = serde_json::from_str(
            r#"{"id":"a","playbackState":"rewinding","workerStatus":"asleep","new":{"x":1},"title":null}"#,
        )
        .unwrap();
        assert_eq!(party.playback_state, PlaybackState::Unknown);
        assert_eq!(party.title, None);
    }

    #[test]
    fn over_is_what_does_not_go_on_by_itself() {
        let party = |playback_state, worker_status: &str| Party {
            playback_state,
            worker_status: worker_status.to_owned(),
            ..Party::default()
        };
        assert!(party(PlaybackState::Stopped, "disconnected").is_over());
        assert!(party(PlaybackState::Ended, "disconnected").is_over());
        assert!(!party(PlaybackState::Ended, "connected").is_over());
        assert!(!party(PlaybackState::Idle, "disconnected").is_over());
        assert!(!party(PlaybackState::Paused, "connected").is_over());
    }

    #[test]
    fn an_item_says_what_it_is() {
        let film = Item {
            title: "The Film".into(),
            year: Some(1982),
            ..Item::default()
        };
        assert_eq!(film.label(), "The Film (1982)");
        let episode = Item {
            title: "Pilot".into(),
            series_title: Some("The Show".into()),
            season: Some(1),
            episode: Some(2),
            ..film
        };
        assert_eq!(episode.label(), "The Show S01E02 · Pilot");
    }
}
