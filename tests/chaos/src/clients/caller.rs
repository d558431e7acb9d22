//! HTTP calls through any of the gateways.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;
use reqwest::Client;
use serde_json::{Value, json};

use super::CallHistory;
use super::wish::{Answered, Call, Ending, Wish};
use crate::film::{FILM_ID, FILM_SECONDS, FILM_TITLE};
use crate::stage::API_TOKEN;

/// A call waits 5 s for its worker; beyond that its gateway hangs, and another one is asked.
const ATTEMPT: Duration = Duration::from_secs(8);

/// A gateway on the same machine is there at once or not at all.
const CONNECT: Duration = Duration::from_secs(1);

/// Between two attempts.
const AGAIN_MS: std::ops::Range<u64> = 100..800;

/// A user has gone home by then. Longer than any fault or recovery.
const GIVES_UP_AFTER: Duration = Duration::from_secs(45);

/// How often an accepted call is made once more, as by a client that did not hear the answer.
const REPEATED: f64 = 0.15;

/// `channelId` of every party.
const CHANNEL: &str = "456";

/// What a client says over HTTP, with the history of it.
#[derive(Clone)]
pub struct Caller {
    client: Client,
    gateways: Arc<[SocketAddr]>,
    stream_url: Arc<str>,
    download_url: Arc<str>,
    /// All calls.
    pub history: CallHistory,
}

/// A session's status.
#[derive(Clone, Debug)]
pub struct Status {
    /// As it came.
    pub body: Value,
    /// Before it was asked for.
    pub asked: Instant,
    /// After it came.
    pub answered: Instant,
}

impl Status {
    /// A field as text.
    pub fn text(&self, field: &str) -> &str {
        self.body[field].as_str().unwrap_or_default()
    }
}

impl Caller {
    /// To these gateways; the film is at these addresses.
    pub fn new(gateways: &[SocketAddr], stream_url: &str, download_url: &str) -> Result<Self> {
        let client = Client::builder()
            .timeout(ATTEMPT)
            .connect_timeout(CONNECT)
            .no_proxy()
            .build()
            .context("making an HTTP client")?;
        Ok(Self {
            client,
            gateways: gateways.into(),
            stream_url: stream_url.into(),
            download_url: download_url.into(),
            history: CallHistory::default(),
        })
    }

    /// Makes a call until it is answered, and some calls once more after that.
    pub async fn call(
        &self,
        rng: &mut ChaCha8Rng,
        session: &str,
        key: String,
        wish: Wish,
    ) -> Ending {
        let (path, body) = self.request(session, &wish);
        let asked = Instant::now();
        let number = self.history.begun(Call {
            key: key.clone(),
            session: session.to_owned(),
            wish,
            asked,
            attempts: 0,
            ending: Ending::Outstanding,
        });
        let mut attempts = 0;
        let ending = loop {
            attempts += 1;
            let failed = match self.attempt(rng, &path, &body, &key).await {
                Ok(answered) if answered.status < 500 => break Ending::Answered(answered),
                Ok(answered) => format!("{} {}", answered.status, answered.code),
                Err(error) => format!("{:#}", error.without_url()),
            };
            if asked.elapsed() > GIVES_UP_AFTER {
                break Ending::GivenUp { last: failed };
            }
            let pause = rng.random_range(AGAIN_MS);
            tokio::time::sleep(Duration::from_millis(pause)).await;
        };
        let accepted = matches!(&ending, Ending::Answered(answered) if answered.is_acknowledged());
        self.history.ended(number, attempts, ending.clone());
        if accepted && rng.random_bool(REPEATED) {
            // Whatever it says, what it does is checked in the store.
            let _ = self.attempt(rng, &path, &body, &key).await;
        }
        ending
    }

    /// The status, by whichever gateway answers.
    pub async fn status(&self, session: &str) -> Option<Status> {
        for gateway in self.gateways.iter() {
            let asked = Instant::now();
            let url = format!("http://{gateway}/sessions/{session}");
            let Ok(response) = self.client.get(url).bearer_auth(API_TOKEN).send().await else {
                continue;
            };
            if let (200, Ok(body)) = (response.status().as_u16(), response.json().await) {
                let answered = Instant::now();
                return Some(Status {
                    body,
                    asked,
                    answered,
                });
            }
        }
        None
    }

    async fn attempt(
        &self,
        rng: &mut ChaCha8Rng,
        path: &str,
        body: &Value,
        key: &str,
    ) -> Result<Answered, reqwest::Error> {
        let gateway = self.gateways.choose(rng).expect("a run has gateways");
        let response = self
            .client
            .post(format!("http://{gateway}{path}"))
            .bearer_auth(API_TOKEN)
            .header("Idempotency-Key", key)
            .json(body)
            .send()
            .await?;
        let status = response.status().as_u16();
        let text = response.text().await?;
        let body: Value = serde_json::from_str(&text).unwrap_or_default();
        Ok(Answered {
            status,
            code: body["code"].as_str().unwrap_or_default().to_owned(),
            at: Instant::now(),
        })
    }

    fn request(&self, session: &str, wish: &Wish) -> (String, Value) {
        match wish {
            Wish::Create { guild } => {
                let body = json!({
                    "sessionId": session,
                    "guildId": guild.to_string(),
                    "voiceChannelId": CHANNEL,
                    "textChannelId": "789",
                });
                ("/sessions".to_owned(), body)
            }
            Wish::Play { entry } => (format!("/sessions/{session}/play"), self.play(*entry)),
            other => {
                let body = other.control().unwrap_or_default();
                (format!("/sessions/{session}/control"), body)
            }
        }
    }

    fn play(&self, entry: i64) -> Value {
        json!({
            "queueEntryId": entry,
            "jellyfinSourceId": FILM_ID,
            "title": FILM_TITLE,
            "mediaType": "movie",
            "playback": {
                "itemId": FILM_ID,
                "sourceId": FILM_ID,
                "title": FILM_TITLE,
                "mediaType": "movie",
                "streamUrl": &*self.stream_url,
                "downloadUrl": &*self.download_url,
                "durationSeconds": FILM_SECONDS,
            },
        })
    }
}
