//! What has to be asked of REST before a gateway connection: who the token is, and where to dial.

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderValue, USER_AGENT};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serenity::http::{Http, HttpBuilder, HttpError};
use twilight_gateway::queue::InMemoryQueue;
use twilight_model::id::{Id, marker::UserMarker};

use crate::{AccountKind, Error, TokenPlace, dial::DialRule};

/// An answer of REST comes within a second; after so long there is none, and trying again is better.
const REST_TIMEOUT: Duration = Duration::from_secs(10);

/// Below so many starts left of the day (of about 1,000) somebody should look why.
const FEW_STARTS: u64 = 50;

/// The real one.
const DISCORD: &str = "https://discord.com";

/// What this program calls itself.
const OWN_NAME: &str = concat!("orb/", env!("CARGO_PKG_VERSION"));

/// No limit is known for users; theirs is taken to be the bots', whose thousand a day nobody needs who is well.
const USER_STARTS_A_DAY: u32 = 1_000;
const DAY: Duration = Duration::from_hours(24);

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

/// `place`: the token's, for errors.
pub(crate) async fn introduce(
    place: TokenPlace,
    token: &SecretString,
    api_url: Option<&str>,
    dial: &DialRule,
) -> Result<Introduction, Error> {
    match place.kind {
        AccountKind::Bot => introduce_bot(place, token, api_url, dial).await,
        AccountKind::User => introduce_user(place, token, api_url, dial).await,
    }
}

async fn introduce_bot(
    place: TokenPlace,
    token: &SecretString,
    api_url: Option<&str>,
    dial: &DialRule,
) -> Result<Introduction, Error> {
    let http = client(token, api_url).map_err(|error| Error::Unreachable {
        token: place,
        reason: error.to_string(),
    })?;
    let (user, gateway) = tokio::try_join!(http.get_current_user(), http.get_bot_gateway())
        .map_err(|error| explain(place, &error))?;
    let gateway_url = dial
        .check(&gateway.url)
        .map_err(|reason| Error::GatewayUrl {
            token: place,
            reason,
        })?
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

/// A user's token stands in the header alone, which serenity cannot do, and there is no `/gateway/bot` for it: no number
/// of shards, no limit of starts.
async fn introduce_user(
    place: TokenPlace,
    token: &SecretString,
    api_url: Option<&str>,
    dial: &DialRule,
) -> Result<Introduction, Error> {
    let unreachable = |reason: &str| Error::Unreachable {
        token: place,
        reason: reason.to_owned(),
    };
    let client = connector().map_err(|error| unreachable(&error.to_string()))?;
    let mut authorization = HeaderValue::from_str(token.expose_secret())
        // Characters that fit into no header are in no token of Discord's either.
        .map_err(|_| Error::token_refused(place))?;
    authorization.set_sensitive(true);
    let api = api_url.unwrap_or(DISCORD).trim_end_matches('/');
    let get = |path: &str| {
        let request = client.get(format!("{api}/api/v10{path}"));
        let request = request.header(AUTHORIZATION, authorization.clone());
        request.header(USER_AGENT, OWN_NAME).send()
    };
    let answers = tokio::try_join!(get("/users/@me"), get("/gateway"));
    let (user, gateway) = answers.map_err(|error| {
        let reason = match error {
            error if error.is_timeout() => "no answer in time",
            error if error.is_connect() => "no connection",
            _ => "the request failed",
        };
        unreachable(reason)
    })?;
    for answer in [&user, &gateway] {
        match answer.status().as_u16() {
            401 | 403 => return Err(Error::token_refused(place)),
            status if !answer.status().is_success() => {
                return Err(unreachable(&format!("it answered {status}")));
            }
            _ => {}
        }
    }
    let answers = tokio::try_join!(user.json::<CurrentUser>(), gateway.json::<Gateway>());
    let (user, gateway) = answers.map_err(|_| unreachable("its answer could not be read"))?;
    let gateway_url = dial
        .check(&gateway.url)
        .map_err(|reason| Error::GatewayUrl {
            token: place,
            reason,
        })?
        .to_owned();
    Ok(Introduction {
        user_id: user.id.get(),
        gateway_url,
        shards: 1,
        queue: InMemoryQueue::new(1, USER_STARTS_A_DAY, DAY, USER_STARTS_A_DAY),
    })
}

/// Of `GET /users/@me`.
#[derive(Deserialize)]
struct CurrentUser {
    id: Id<UserMarker>,
}

/// Of `GET /gateway`.
#[derive(Deserialize)]
struct Gateway {
    url: String,
}

/// A client that reaches nobody but `api_url` when there is one.
fn client(token: &SecretString, api_url: Option<&str>) -> Result<Http, reqwest::Error> {
    let client = connector()?;
    let mut builder = HttpBuilder::new(token.expose_secret()).client(client);
    if let Some(api_url) = api_url {
        // serenity's rate limiter (0.12.5, `Ratelimiter::perform`) ignores the proxy and would
        // call the real Discord: the two must never be on together.
        builder = builder.proxy(api_url).ratelimiter_disabled(true);
    }
    Ok(builder.build())
}

fn connector() -> Result<reqwest::Client, reqwest::Error> {
    reqwest::Client::builder()
        .use_rustls_tls()
        .timeout(REST_TIMEOUT)
        // Discord's API redirects nowhere; a redirect could carry the token off.
        .redirect(reqwest::redirect::Policy::none())
        .build()
}

fn explain(token: TokenPlace, error: &serenity::Error) -> Error {
    let reason = match error {
        serenity::Error::Http(HttpError::UnsuccessfulRequest(response)) => {
            if matches!(response.status_code.as_u16(), 401 | 403) {
                return Error::token_refused(token);
            }
            format!("it answered {}", response.status_code)
        }
        // Characters that fit into no header are in no token of Discord's either.
        serenity::Error::Http(HttpError::InvalidHeader(_)) => {
            return Error::token_refused(token);
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
    Error::Unreachable { token, reason }
}
