//! A session, driven over the worker contract.

use std::time::Duration;

use discord_sim::DiscordSim;
use serde_json::{Value, json};

use crate::api::{Answer, Api};
use crate::ears::Ears;
use crate::films::Title;
use crate::surroundings::Surroundings;
use crate::waiting::until;

/// The voice channel of every party.
const CHANNEL: &str = "456";

/// One session in one guild.
#[derive(Clone)]
pub struct Party {
    api: Api,
    id: String,
    guild: u64,
}

impl Party {
    /// Creates the session, in this guild and under the guild's number. Tries again as a client does while accounts or
    /// workers are still on their way.
    pub async fn create(api: &Api, guild: u64) -> Self {
        let party = Self::known(api, guild);
        until(
            "POST /sessions to be 201",
            Duration::from_secs(10),
            async || {
                let answer = api.post("/sessions", &party.create_body()).await;
                (answer.code != 503).then(|| answer.expect_code(201))
            },
        )
        .await;
        party
    }

    /// The same where the session exists.
    pub fn known(api: &Api, guild: u64) -> Self {
        Self {
            api: api.clone(),
            id: format!("9{guild}"),
            guild,
        }
    }

    /// The body that creates it.
    pub fn create_body(&self) -> Value {
        json!({
            "sessionId": self.id,
            "guildId": self.guild.to_string(),
            "voiceChannelId": CHANNEL,
            "textChannelId": "789",
        })
    }

    /// The same session, by way of another server.
    #[must_use]
    pub fn at(&self, api: &Api) -> Self {
        Self {
            api: api.clone(),
            ..self.clone()
        }
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The path of one of its calls: `play`, `control`.
    pub fn path(&self, call: &str) -> String {
        format!("/sessions/{}/{call}", self.id)
    }

    /// Its member.
    pub fn ears<'a>(&self, sim: &'a DiscordSim) -> Ears<'a> {
        Ears::of(sim, self.guild)
    }

    /// Its guild.
    pub fn guild(&self) -> u64 {
        self.guild
    }

    /// `play`.
    pub async fn play(&self, body: &Value) -> Answer {
        self.api.post(&self.path("play"), body).await
    }

    /// Plays a title of the library and waits until the status says so. Tries again as a client does while workers are
    /// still on their way.
    pub async fn play_title(&self, surroundings: &Surroundings, title: Title) -> Answer {
        let body = entry(surroundings, 1, title);
        let answer = until("room on a worker", Duration::from_secs(10), async || {
            let answer = self.play(&body).await;
            (answer.code != 503).then_some(answer)
        })
        .await;
        assert!(matches!(answer.code, 200 | 202), "answer: {}", answer.text);
        self.becomes("playing", Duration::from_secs(10)).await
    }

    /// `control` without a target.
    pub async fn control(&self, action: &str) -> Answer {
        let body = json!({ "action": action });
        self.api.post(&self.path("control"), &body).await
    }

    /// `control` with action `seek`.
    pub async fn seek(&self, seconds: f64) -> Answer {
        let body = json!({ "action": "seek", "positionSeconds": seconds });
        self.api.post(&self.path("control"), &body).await
    }

    /// The status.
    pub async fn status(&self) -> Answer {
        self.api
            .get(&format!("/sessions/{}", self.id))
            .await
            .expect_code(200)
    }

    /// Waits for a `playbackState`, and gives the first status that has it.
    pub async fn becomes(&self, state: &str, within: Duration) -> Answer {
        self.becomes_so(&format!("playbackState {state}"), within, |status| {
            status.text_of("playbackState") == state
        })
        .await
    }

    /// Waits for a status, and gives the first that fits.
    pub async fn becomes_so(
        &self,
        what: &str,
        within: Duration,
        fits: impl Fn(&Answer) -> bool,
    ) -> Answer {
        let path = format!("/sessions/{}", self.id);
        self.api.get_until(&path, what, within, fits).await
    }
}

/// The body of `play` for a title of the library, as the bot sends it.
pub fn entry(surroundings: &Surroundings, queue_entry_id: i64, title: Title) -> Value {
    json!({
        "queueEntryId": queue_entry_id,
        "jellyfinSourceId": title.id(),
        "title": title.name(),
        "mediaType": "movie",
        "playback": {
            "itemId": title.id(),
            "sourceId": title.id(),
            "title": title.name(),
            "mediaType": "movie",
            "streamUrl": surroundings.stream_url(title),
            "downloadUrl": surroundings.download_url(title),
            "durationSeconds": title.seconds(),
            "posterUrl": null,
            "year": "2024",
            "tmdbId": "1234",
            "imdbId": "tt1234567",
            "episode": null,
        },
    })
}
