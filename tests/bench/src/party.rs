//! A session, driven over the worker contract.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use reqwest::{Client, Method, Response, StatusCode};
use serde_json::{Value, json};

use crate::film::Film;
use crate::waiting::until;

/// Worker attached, account connected, channel joined.
const CONNECTED_WITHIN: Duration = Duration::from_secs(20);

/// A call waits 5 s for the worker; beyond that something hangs.
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);

/// Longer than a bench.
const LISTENS_FOR: Duration = Duration::from_hours(1);

/// The contract's server.
#[derive(Clone)]
pub(crate) struct Api {
    client: Client,
    base: String,
    token: String,
}

/// A call that was accepted.
#[derive(Debug)]
pub(crate) struct Call {
    /// Before the request was sent.
    pub(crate) asked: Instant,
    /// From then until the answer was read.
    pub(crate) took: Duration,
    /// Whether the worker had done it by then (200), or was given up waiting for (202).
    pub(crate) done: bool,
    /// The status of the session.
    pub(crate) status: Value,
}

impl Api {
    pub(crate) fn new(address: SocketAddr, token: &str) -> Result<Self> {
        let client = Client::builder()
            .timeout(ANSWERS_WITHIN)
            .no_proxy()
            .build()
            .context("cannot make an HTTP client")?;
        Ok(Self {
            client,
            base: format!("http://{address}"),
            token: token.to_owned(),
        })
    }

    async fn get(&self, path: &str) -> Result<(StatusCode, Value)> {
        let request = self.client.get(format!("{}{path}", self.base));
        self.send(request).await
    }

    async fn post(&self, path: &str, body: &Value) -> Result<(StatusCode, Value)> {
        let request = self.client.post(format!("{}{path}", self.base));
        self.send(request.json(body)).await
    }

    /// Any call, with a JSON body or none.
    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<(StatusCode, Value)> {
        let mut request = self.client.request(method, format!("{}{path}", self.base));
        if let Some(body) = body {
            request = request.json(body);
        }
        self.send(request).await
    }

    /// Listens to server-sent events, for as long as the answer is kept.
    pub(crate) async fn listen(&self, path: &str) -> Result<Response> {
        let request = self.client.get(format!("{}{path}", self.base));
        let request = request
            .bearer_auth(&self.token)
            .header("Accept", "text/event-stream")
            .timeout(LISTENS_FOR);
        let answer = request.send().await?;
        if answer.status() != StatusCode::OK {
            bail!("GET {path}: {}", answer.status());
        }
        Ok(answer)
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<(StatusCode, Value)> {
        let response = request.bearer_auth(&self.token).send().await?;
        Ok((response.status(), response.json().await?))
    }
}

/// One session in one guild.
#[derive(Clone)]
pub(crate) struct Party {
    api: Api,
    path: String,
    number: u64,
}

impl Party {
    /// Creates the session and waits until it is in its channel.
    pub(crate) async fn create(api: &Api, number: u64) -> Result<Self> {
        let party = Self {
            api: api.clone(),
            path: format!("/sessions/bench{number}"),
            number,
        };
        let body = party.creation(789);
        until("POST /sessions to be 201", CONNECTED_WITHIN, async || {
            let (code, answer) = party.api.post("/sessions", &body).await?;
            match code {
                StatusCode::CREATED => Ok(Some(())),
                // Account or worker are still on their way.
                StatusCode::SERVICE_UNAVAILABLE => Ok(None),
                _ => bail!("POST /sessions: {code} {answer}"),
            }
        })
        .await?;
        party
            .becomes("workerStatus", "connected", CONNECTED_WITHIN)
            .await?;
        Ok(party)
    }

    /// Its guild, by which the simulator knows what its member heard.
    pub(crate) fn guild(&self) -> u64 {
        7_000 + self.number
    }

    /// What logs call it.
    pub(crate) fn id(&self) -> String {
        format!("bench{}", self.number)
    }

    /// The body of `POST /sessions`.
    fn creation(&self, text_channel: u64) -> Value {
        json!({
            "sessionId": self.id(),
            "guildId": self.guild().to_string(),
            "voiceChannelId": (8_000 + self.number).to_string(),
            "textChannelId": text_channel.to_string(),
        })
    }

    /// Asks for a change that is answered when it is durable, and concerns no worker. False: not accepted now.
    pub(crate) async fn change_text_channel(&self, channel: u64) -> Result<bool> {
        let body = self.creation(1_000 + channel);
        match self.api.post("/sessions", &body).await? {
            (StatusCode::OK, _) => Ok(true),
            (StatusCode::SERVICE_UNAVAILABLE, _) => Ok(false),
            (code, answer) => bail!("POST /sessions again: {code} {answer}"),
        }
    }

    pub(crate) async fn play(&self, film: Film, url: &str) -> Result<Call> {
        // Time in nanoseconds is an id that no other play has.
        let entry = std::time::UNIX_EPOCH.elapsed()?.as_nanos() as i64;
        let body = json!({
            "queueEntryId": entry,
            "jellyfinSourceId": film.id(),
            "title": film.name(),
            "mediaType": "movie",
            "playback": {
                "itemId": film.id(),
                "sourceId": film.id(),
                "title": film.name(),
                "mediaType": "movie",
                "streamUrl": url,
                "durationSeconds": film.seconds(),
            },
        });
        self.call("play", &body).await
    }

    /// `pause`, `resume`, `skip`.
    pub(crate) async fn control(&self, action: &str) -> Result<Call> {
        self.call("control", &json!({ "action": action })).await
    }

    pub(crate) async fn seek(&self, seconds: f64) -> Result<Call> {
        let body = json!({ "action": "seek", "positionSeconds": seconds });
        self.call("control", &body).await
    }

    pub(crate) async fn status(&self) -> Result<Value> {
        let (code, status) = self.api.get(&self.path).await?;
        if code != StatusCode::OK {
            bail!("GET {}: {code} {status}", self.path);
        }
        Ok(status)
    }

    /// Waits for a value of a field of the status.
    pub(crate) async fn becomes(&self, field: &str, value: &str, within: Duration) -> Result<()> {
        let what = format!("{field} {value} of {}", self.path);
        until(&what, within, async || {
            let status = self.status().await?;
            Ok((status[field] == value).then_some(()))
        })
        .await
    }

    async fn call(&self, call: &str, body: &Value) -> Result<Call> {
        let path = format!("{}/{call}", self.path);
        let asked = Instant::now();
        let (code, status) = self.api.post(&path, body).await?;
        let took = asked.elapsed();
        if !matches!(code, StatusCode::OK | StatusCode::ACCEPTED) {
            bail!("POST {path} {}: {code} {status}", body["action"]);
        }
        Ok(Call {
            asked,
            took,
            done: code == StatusCode::OK,
            status,
        })
    }
}
