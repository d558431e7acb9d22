//! The bot accounts, as Discord's REST API knows them. No gateway session is begun: there are about 1,000 a day.

use orb_config::Config;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{Client, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{Subject, http};
use crate::{Finding, Outcome, Role};

const CHECK: &str = "discord";
const DISCORD: &str = "https://discord.com";

/// The intents that `accounts` identifies with. Neither is privileged, so nothing has to be switched on in the
/// developer portal.
const INTENTS: &str = "GUILDS and GUILD_VOICE_STATES";

/// View Channel, Connect, Speak: <https://discord.com/developers/docs/topics/permissions>.
const PERMISSIONS: u64 = 1 << 10 | 1 << 20 | 1 << 21;

/// Of about 1,000 a day; a restart takes one a shard.
const FEW_STARTS: u64 = 50;

/// `GET /applications/@me`.
#[derive(Deserialize)]
struct Application {
    id: String,
    /// Not told by every server.
    approximate_guild_count: Option<u64>,
}

/// `GET /users/@me`.
#[derive(Deserialize)]
struct User {
    id: String,
    username: String,
}

/// `GET /gateway/bot`.
#[derive(Deserialize)]
struct Gateway {
    shards: u32,
    session_start_limit: StartLimit,
}

#[derive(Deserialize)]
struct StartLimit {
    remaining: u64,
}

pub(super) async fn check(subject: &Subject) -> Vec<Finding> {
    if !subject.is(&[Role::Up, Role::Scheduler]) {
        return subject.not_needed(CHECK);
    }
    let config = &subject.config;
    if config.discord.tokens.is_empty() {
        return vec![Finding::skipped(CHECK, "no bot token is set")];
    }
    let client = match http::client(config.discord.ca.as_deref()) {
        Ok(client) => client,
        Err(reason) => {
            return vec![Finding::failed(
                CHECK,
                reason,
                "set ORB_DISCORD_CA to a file of certificates in PEM, or unset it",
            )];
        }
    };
    let base = base(config);
    let tokens = config.discord.tokens.iter().zip(1..);
    let asked = tokens.map(|(token, number)| account(&client, &base, token, number));
    let mut known: Vec<(String, String)> = Vec::new();
    let mut findings = Vec::new();
    for (finding, user) in futures::future::join_all(asked).await {
        let twin = known.iter().find(|(id, _)| Some(id) == user.as_ref());
        findings.push(match twin {
            Some((_, first)) => Finding::failed(
                &finding.check,
                format!("it is the same account as {first}"),
                "keep one of the two in ORB_DISCORD_TOKENS",
            ),
            None => finding.clone(),
        });
        if let (Some(user), Outcome::Ok | Outcome::Warning) = (user, finding.outcome) {
            known.push((user, finding.check));
        }
    }
    findings
}

/// Where REST is, without a slash at its end.
pub(super) fn base(config: &Config) -> String {
    config
        .discord
        .api_url
        .as_ref()
        .map_or_else(|| DISCORD.to_owned(), |url| url.base().to_owned())
}

/// What is found of one token, and the account's id where it has one.
async fn account(
    client: &Client,
    base: &str,
    token: &SecretString,
    number: usize,
) -> (Finding, Option<String>) {
    let check = format!("{CHECK} token {number}");
    let bearer = as_bot(token);
    let asked = tokio::try_join!(
        get::<User>(client, base, "users/@me", &bearer),
        get::<Application>(client, base, "applications/@me", &bearer),
        get::<Gateway>(client, base, "gateway/bot", &bearer),
    );
    match asked {
        Ok((user, application, gateway)) => {
            let finding = judge(&check, &user, &application, &gateway);
            (finding, Some(user.id))
        }
        Err(Refusal::Token) => {
            let fix = "copy the current one from the Bot page of https://discord.com/developers/applications into \
                       ORB_DISCORD_TOKENS";
            (
                Finding::failed(&check, "Discord does not take it", fix),
                None,
            )
        }
        Err(Refusal::Away(reason)) => {
            let fix = "see that this machine reaches Discord (DNS, firewall, proxy), or what ORB_DISCORD_API_URL says";
            (
                Finding::failed(&check, format!("Discord is not reached: {reason}"), fix),
                None,
            )
        }
    }
}

fn judge(check: &str, user: &User, application: &Application, gateway: &Gateway) -> Finding {
    let found = format!("{} ({})", user.username, user.id);
    if application.approximate_guild_count == Some(0) {
        let fix = format!(
            "invite it: https://discord.com/oauth2/authorize?client_id={}&scope=bot&permissions={PERMISSIONS}",
            application.id
        );
        return Finding::warning(check, format!("{found} is in no server yet"), fix);
    }
    let left = gateway.session_start_limit.remaining;
    if left < FEW_STARTS {
        let fix =
            "wait a day, and look why it starts so often; Discord resets a token that uses them up";
        return Finding::warning(
            check,
            format!("{found} has {left} gateway sessions left for today"),
            fix,
        );
    }
    let shards = match gateway.shards {
        1 => "1 shard".to_owned(),
        n => format!("{n} shards"),
    };
    Finding::ok(
        check,
        format!(
            "{found}, {shards}; its intents, {INTENTS}, are not privileged: nothing to switch on"
        ),
    )
}

/// How a bot's token is borne.
pub(super) fn as_bot(token: &SecretString) -> SecretString {
    let bare = token.expose_secret().trim();
    let bare = bare.strip_prefix("Bot ").unwrap_or(bare);
    SecretString::from(format!("Bot {bare}"))
}

/// Why there is no answer to read.
pub(super) enum Refusal {
    Token,
    Away(String),
}

/// `bearer`: the whole of the authorization.
pub(super) async fn get<T: DeserializeOwned>(
    client: &Client,
    base: &str,
    path: &str,
    bearer: &SecretString,
) -> Result<T, Refusal> {
    // Characters that fit into no header are in no token of Discord's either.
    let mut header =
        HeaderValue::from_str(bearer.expose_secret().trim()).map_err(|_| Refusal::Token)?;
    header.set_sensitive(true);
    let request = client
        .get(format!("{base}/api/v10/{path}"))
        .header(AUTHORIZATION, header);
    let response = request
        .send()
        .await
        .map_err(|error| Refusal::Away(http::reason(&error)))?;
    match response.status() {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(Refusal::Token),
        status if !status.is_success() => Err(Refusal::Away(format!("it answers {status}"))),
        _ => response
            .json()
            .await
            .map_err(|_| Refusal::Away("its answer is not Discord's".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(guilds: Option<u64>, remaining: u64) -> Finding {
        let user = User {
            id: "7".into(),
            username: "orb".into(),
        };
        let application = Application {
            id: "8".into(),
            approximate_guild_count: guilds,
        };
        let gateway = Gateway {
            shards: 1,
            session_start_limit: StartLimit { remaining },
        };
        judge("discord token 1", &user, &application, &gateway)
    }

    #[test]
    fn a_bot_in_no_server_is_invited() {
        let finding = found(Some(0), 1000);
        assert_eq!(finding.outcome, Outcome::Warning);
        assert!(
            finding
                .fix
                .is_some_and(|fix| fix.contains("client_id=8&scope=bot&permissions=3146752"))
        );
        assert_eq!(found(Some(3), 1000).outcome, Outcome::Ok);
        assert_eq!(found(None, 1000).outcome, Outcome::Ok);
    }

    #[test]
    fn few_starts_are_a_warning() {
        assert_eq!(found(None, 49).outcome, Outcome::Warning);
    }
}
