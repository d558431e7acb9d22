//! What has to be asked of REST before a gateway connection: who the token is, and where to dial.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serenity::http::{Http, HttpBuilder, HttpError};
use twilight_gateway::queue::InMemoryQueue;

use crate::{Error, dial::DialRule};

/// An answer of REST comes within a second; after so long there is none, and trying again is better.
const REST_TIMEOUT: Duration = Duration::from_secs(10);

/// Below so many starts left of the day (of about 1,000) somebody should look why.
const FEW_STARTS: u64 = 50;

/// Who the token is, and how its gateway is reached.
#[derive(Clone)]
pub(crate) struct Introduction {
    pub(crate) user_id: u64,
    pub(crate) gateway_url: String,
    /// How many connections Discord recommends.
    pub(crate) shards: u32,
    /// Paces the IDENTIFYs of all its shards as Discord asks this account to.
    pub(crate) queue: InMemoryQueue,
}

/// `number`: the token's place in the configuration, for errors.
pub(crate) async fn introduce(
    number: usize,
    token: &SecretString,
    api_url: Option<&str>,
    dial: &DialRule,
) -> Result<Introduction, Error> {
    let http = client(token, api_url).map_err(|error| Error::Unreachable {
        number,
        reason: error.to_string(),
    })?;
    let (user, gateway) = tokio::try_join!(http.get_current_user(), http.get_bot_gateway())
        .map_err(|error| explain(number, &error))?;
    let gateway_url = dial
        .check(&gateway.url)
        .map_err(|reason| Error::GatewayUrl { number, reason })?
        .to_owned();

    let limit = gateway.session_start_limit;
    if limit.remaining < FEW_STARTS {
        tracing::warn!(account = %user.id, remaining = limit.remaining, "few gateway sessions are left for today");
    }
    let remaining = limit.remaining.min(limit.total);
    let queue = InMemoryQueue::new(
        u16::try_from(limit.max_concurrency).unwrap_or(1),
        u32::try_from(remaining).unwrap_or(u32::MAX),
        Duration::from_millis(limit.reset_after),
        u32::try_from(limit.total).unwrap_or(u32::MAX),
    );
    Ok(Introduction {
        user_id: user.id.get(),
        gateway_url,
        shards: gateway.shards,
        queue,
    })
}

/// A client that reaches nobody but `api_url` when there is one.
fn client(token: &SecretString, api_url: Option<&str>) -> Result<Http, reqwest::Error> {
    let client = reqwest::Client::builder()
        .use_rustls_tls()
        .timeout(REST_TIMEOUT)
        // Discord's API redirects nowhere; a redirect could carry the token off.
        .redirect(reqwest::redirect::Policy::none())
        .build()?;
    let mut builder = HttpBuilder::new(token.expose_secret()).client(client);
    if let Some(api_url) = api_url {
        // serenity's rate limiter (0.12.5, `Ratelimiter::perform`) ignores the proxy and would
        // call the real Discord: the two must never be on together.
        builder = builder.proxy(api_url).ratelimiter_disabled(true);
    }
    Ok(builder.build())
}

fn explain(number: usize, error: &serenity::Error) -> Error {
    let reason = match error {
        serenity::Error::Http(HttpError::UnsuccessfulRequest(response)) => {
            if matches!(response.status_code.as_u16(), 401 | 403) {
                return Error::TokenRefused { number };
            }
            format!("it answered {}", response.status_code)
        }
        // Characters that fit into no header are in no token of Discord's either.
        serenity::Error::Http(HttpError::InvalidHeader(_)) => {
            return Error::TokenRefused { number };
        }
        serenity::Error::Http(HttpError::Request(error)) if error.is_timeout() => {
            "no answer in time".to_owned()
        }
        serenity::Error::Http(HttpError::Request(error)) if error.is_connect() => {
            "no connection".to_owned()
        }
        serenity::Error::Http(_) => "the request failed".to_owned(),
        _ => "its answer could not be read".to_owned(),
    };
    Error::Unreachable { number, reason }
}
