//! The user accounts that send pictures: whose tokens they are, and no more. No gateway is dialled.

use reqwest::Client;
use secrecy::SecretString;
use serde::Deserialize;

use super::discord::{Refusal, as_bot, base, get};
use super::{Subject, http};
use crate::{Finding, Role};

const CHECK: &str = "golive";

/// `GET /users/@me`.
#[derive(Deserialize)]
struct User {
    id: String,
    username: String,
    /// Not told of people.
    #[serde(default)]
    bot: bool,
}

pub(super) async fn check(subject: &Subject) -> Vec<Finding> {
    let config = &subject.config;
    if !config.worker.golive.is_on() {
        return vec![Finding::skipped(
            CHECK,
            "ORB_GOLIVE is off: no picture goes into voice channels",
        )];
    }
    if !subject.is(&[Role::Up, Role::Scheduler]) {
        return subject.not_needed(CHECK);
    }
    if config.discord.golive_tokens.is_empty() {
        return vec![Finding::skipped(CHECK, "no user account's token is set")];
    }
    // A wrong file is a finding of the bots' check.
    let Ok(client) = http::client(config.discord.ca.as_deref()) else {
        return vec![Finding::skipped(CHECK, "ORB_DISCORD_CA cannot be used")];
    };
    let base = base(config);
    let tokens = config.discord.golive_tokens.iter().zip(1..);
    let asked = tokens.map(|(token, number)| account(&client, &base, token, number));
    futures::future::join_all(asked).await
}

async fn account(client: &Client, base: &str, token: &SecretString, number: usize) -> Finding {
    let check = format!("{CHECK} token {number}");
    let user = match get::<User>(client, base, "users/@me", token).await {
        // A bot's token is taken with its prefix only.
        Err(Refusal::Token) => get::<User>(client, base, "users/@me", &as_bot(token)).await,
        asked => asked,
    };
    judge(&check, user)
}

fn judge(check: &str, user: Result<User, Refusal>) -> Finding {
    match user {
        Ok(user) if user.bot => Finding::failed(
            check,
            format!(
                "it is the bot {} ({}), and Discord shows no video of bots",
                user.username, user.id
            ),
            "move it to ORB_DISCORD_TOKENS; docs/golive.md says which accounts send pictures",
        ),
        Ok(user) => Finding::warning(
            check,
            format!(
                "{} ({}) is a user account: Discord's terms forbid to automate it",
                user.username, user.id
            ),
            "be ready to lose the account, or unset ORB_GOLIVE; the watch page is within the terms",
        ),
        Err(Refusal::Token) => Finding::failed(
            check,
            "Discord does not take it: it was changed, or the account is locked or banned",
            "take it out of ORB_DISCORD__GOLIVE_TOKENS, or give a token that is good",
        ),
        Err(Refusal::Away(reason)) => Finding::failed(
            check,
            format!("Discord is not reached: {reason}"),
            "see that this machine reaches Discord (DNS, firewall, proxy), or what ORB_DISCORD_API_URL says",
        ),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::Outcome;

    fn found(answer: &str) -> Finding {
        judge("golive token 1", Ok(serde_json::from_str(answer).unwrap()))
    }

    #[test]
    fn a_bot_among_them_is_told_where_it_belongs() {
        let finding = found(r#"{"id":"7","username":"orb","bot":true}"#);
        assert_eq!(finding.outcome, Outcome::Failed);
        assert!(finding.found.contains("the bot orb (7)"));
        assert!(finding.fix.unwrap().contains("ORB_DISCORD_TOKENS"));
    }

    #[test]
    fn a_person_is_warned_about() {
        let finding = found(r#"{"id":"8","username":"anna"}"#);
        assert_eq!(finding.outcome, Outcome::Warning);
        assert!(finding.fix.unwrap().contains("ready to lose the account"));
    }

    #[test]
    fn a_banned_one_is_named() {
        let finding = judge("golive token 1", Err(Refusal::Token));
        assert_eq!(finding.outcome, Outcome::Failed);
        assert!(finding.found.contains("banned"));
    }
}
