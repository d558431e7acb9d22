//! One call of the API, with its tries.

use std::io::IsTerminal;
use std::time::Duration;

use reqwest::header::{ACCEPT, ETAG, IF_MATCH, RETRY_AFTER};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;
use uuid::Uuid;

use super::{Client, Patience};
use crate::Error;

/// The API answers a command within five seconds, after five more that it may be held back.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);

/// Who asks, for the party's event rows.
const ACTOR: &str = "cli";

/// A call that is put together. Every change bears one command id (`Idempotency-Key`), made here once: whatever becomes
/// of a try, the next one is known as the same command.
pub(crate) struct Call<'a> {
    client: &'a Client,
    method: Method,
    url: Result<Url, Error>,
    command_id: Option<String>,
    body: Option<Value>,
    if_match: Option<String>,
}

/// A success.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) etag: Option<String>,
    /// As it was sent.
    pub(crate) text: String,
    server: String,
}

impl<'a> Call<'a> {
    pub(super) fn new(client: &'a Client, method: Method, path: &[&str]) -> Self {
        let command_id = (method != Method::GET).then(|| Uuid::new_v4().to_string());
        Self {
            client,
            method,
            url: client.url(path),
            command_id,
            body: None,
            if_match: None,
        }
    }

    /// Adds to the query what is there.
    pub(crate) fn query(mut self, name: &str, value: Option<impl ToString>) -> Self {
        if let (Ok(url), Some(value)) = (&mut self.url, value) {
            url.query_pairs_mut().append_pair(name, &value.to_string());
        }
        self
    }

    pub(crate) fn json(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    /// Only as long as the queue is this one still.
    pub(crate) fn if_match(mut self, etag: Option<String>) -> Self {
        self.if_match = etag;
        self
    }

    /// Carries it out.
    pub(crate) async fn send(self) -> Result<Answer, Error> {
        let mut patience = Patience::of_a_command();
        let mut told = false;
        loop {
            let (error, asked_for) = match self.attempt().await {
                Ok(answer) => return Ok(answer),
                Err(Failure::Final(error)) => return Err(error),
                Err(Failure::Passing(error, asked_for)) => (error, asked_for),
            };
            let Some(pause) = patience.next_pause(asked_for) else {
                return Err(error);
            };
            if !std::mem::replace(&mut told, true) && std::io::stderr().is_terminal() {
                eprintln!("orb: {}; trying again", short(&error));
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// Opens a stream of events; one try.
    pub(super) async fn open_stream(self, last_event_id: Option<&str>) -> Result<Response, Error> {
        let mut request = self.request()?.header(ACCEPT, "text/event-stream");
        if let Some(id) = last_event_id {
            request = request.header("last-event-id", id);
        }
        let response = request
            .send()
            .await
            .map_err(|error| self.client.unreachable(&error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status().as_u16();
        let body = response.bytes().await.unwrap_or_default();
        Err(self.client.refusal(status, &body))
    }

    fn request(&self) -> Result<RequestBuilder, Error> {
        let url = match &self.url {
            Ok(url) => url.clone(),
            Err(_) => return Err(Error::Server),
        };
        let mut request = self.client.http.request(self.method.clone(), url);
        if let Some(id) = &self.command_id {
            request = request
                .header("idempotency-key", id)
                .header("x-orb-actor", ACTOR);
        }
        if let Some(etag) = &self.if_match {
            request = request.header(IF_MATCH, etag);
        }
        if let Some(body) = &self.body {
            request = request.json(body);
        }
        Ok(request)
    }

    async fn attempt(&self) -> Result<Answer, Failure> {
        let request = self.request().map_err(Failure::Final)?;
        let lost = |error: reqwest::Error| {
            let unreachable = self.client.unreachable(&error);
            // Who connects and then says nothing for so long will not do better at once.
            if error.is_timeout() && !error.is_connect() {
                Failure::Final(unreachable)
            } else {
                Failure::Passing(unreachable, None)
            }
        };
        let response = request.timeout(ANSWER_TIMEOUT).send().await.map_err(lost)?;
        let status = response.status();
        let header = |name| {
            response
                .headers()
                .get(name)?
                .to_str()
                .ok()
                .map(ToOwned::to_owned)
        };
        let (retry_after, etag) = (header(RETRY_AFTER), header(ETAG));
        let body = response.bytes().await.map_err(lost)?;
        if !status.is_success() {
            let refusal = self.client.refusal(status.as_u16(), &body);
            let asked_for = retry_after
                .and_then(|text| text.parse().ok())
                .map(Duration::from_secs);
            return Err(match status {
                StatusCode::SERVICE_UNAVAILABLE if asked_for.is_some() => {
                    Failure::Passing(refusal, asked_for)
                }
                // A proxy before the gateways that found none.
                StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT => {
                    Failure::Passing(refusal, None)
                }
                _ => Failure::Final(refusal),
            });
        }
        let text = String::from_utf8(body.to_vec())
            .map_err(|_| Failure::Final(self.client.garbled("its answer is no text")))?;
        Ok(Answer {
            status: status.as_u16(),
            etag,
            text,
            server: self.client.origin(),
        })
    }
}

impl Answer {
    /// What is read of it.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_str(&self.text).map_err(|error| Error::Garbled {
            server: self.server.clone(),
            reason: format!("its answer is not what was expected: {error}"),
        })
    }
}

/// How a try failed.
enum Failure {
    /// Another one would, too.
    Final(Error),
    /// Another one may not, after this time where the server names one.
    Passing(Error, Option<Duration>),
}

/// Without what to do: nothing is to be done yet.
fn short(error: &Error) -> String {
    match error {
        Error::Unreachable { server, reason } => format!("{server} does not answer ({reason})"),
        other => other.to_string(),
    }
}
