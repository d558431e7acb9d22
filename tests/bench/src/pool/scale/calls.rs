//! Calls of the worker contract, as the bot makes them.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use reqwest::{Client, Response, StatusCode};

use super::installation::{API_TOKEN, SOURCE};

/// A call waits 5 s for the worker; beyond that something hangs.
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);

/// Connections that are kept.
const KEPT: usize = 2_048;

/// What became of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Accepted, and durable; a worker's part, where there is one, is done (200, 201).
    Done,
    /// Accepted, and durable; the worker is not done yet (202).
    UnderWay,
    /// 503 with `Retry-After`: nothing was changed.
    Refused,
}

/// The contract's client; clones share their connections.
#[derive(Clone)]
pub(super) struct Calls {
    client: Client,
    base: String,
}

impl Calls {
    pub(super) fn new(address: SocketAddr) -> Result<Self> {
        let client = Client::builder()
            .timeout(ANSWERS_WITHIN)
            .pool_max_idle_per_host(KEPT)
            .tcp_nodelay(true)
            .no_proxy()
            .build()
            .context("cannot make an HTTP client")?;
        Ok(Self {
            client,
            base: format!("http://{address}"),
        })
    }

    /// `POST /sessions`, in a guild of the session's own.
    pub(super) async fn create(&self, number: usize) -> Result<Outcome> {
        let (session, guild, channel) = (id(number), 1_000_000 + number, 2_000_000 + number);
        let body = format!(
            r#"{{"sessionId":"{session}","guildId":"{guild}","voiceChannelId":"{channel}","textChannelId":"3"}}"#
        );
        self.post("/sessions", body).await
    }

    /// `POST /sessions/{id}/play`: a film.
    pub(super) async fn play(&self, number: usize) -> Result<Outcome> {
        let session = id(number);
        let body = format!(
            r#"{{"queueEntryId":1,"playback":{{"itemId":"{session}","sourceId":"{session}","title":"Film","mediaType":"movie","streamUrl":"{SOURCE}","durationSeconds":5400}}}}"#
        );
        self.post(&format!("/sessions/{session}/play"), body).await
    }

    async fn post(&self, path: &str, body: String) -> Result<Outcome> {
        let request = self.client.post(format!("{}{path}", self.base));
        let request = request
            .bearer_auth(API_TOKEN)
            .header("content-type", "application/json")
            .body(body);
        let response = request.send().await?;
        let outcome = outcome(&response);
        let text = response.bytes().await?;
        match outcome {
            Some(outcome) => Ok(outcome),
            None => bail!("{path}: {}", String::from_utf8_lossy(&text)),
        }
    }
}

fn outcome(response: &Response) -> Option<Outcome> {
    match response.status() {
        StatusCode::OK | StatusCode::CREATED => Some(Outcome::Done),
        StatusCode::ACCEPTED => Some(Outcome::UnderWay),
        StatusCode::SERVICE_UNAVAILABLE if response.headers().contains_key("retry-after") => {
            Some(Outcome::Refused)
        }
        _ => None,
    }
}

/// The id of a session.
pub(super) fn id(number: usize) -> String {
    format!("party-{number}")
}
