//! What can go wrong with an account, and what to do about it.

use crate::{AccountId, AccountKind, TokenPlace};

/// Why an account cannot be used, or a call was not taken. Bears no token.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// 401 by REST, or close code 4004 by the gateway.
    #[error(
        "ORB_DISCORD_TOKENS: token number {number} was refused by Discord; \
         copy the current one from the Bot page of the developer portal"
    )]
    TokenRefused {
        /// The token's place in that list, from 1.
        number: usize,
    },
    /// The same for a person's account.
    #[error(
        "ORB_DISCORD__GOLIVE_TOKENS: token number {number} was refused by Discord; \
         it was changed, or the account was banned, for discord's terms forbid to automate it: take it out"
    )]
    UserTokenRefused {
        /// The token's place in that list, from 1.
        number: usize,
    },
    /// Two tokens of one account: each would end the other's gateway session.
    #[error("{first} is of the same account as {second}; keep one of the two")]
    SameAccount {
        /// The first of them.
        first: TokenPlace,
        /// The other one.
        second: TokenPlace,
    },
    /// A URL that the gateway connection cannot or must not be made to.
    #[error("{token}: the gateway url that Discord gave for it is not used: {reason}")]
    GatewayUrl {
        /// Whose it is.
        token: TokenPlace,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// REST did not answer, or answered with a server error.
    #[error("{token}: discord cannot be reached for it ({reason}); it is worth trying again")]
    Unreachable {
        /// Whom Discord was asked about.
        token: TokenPlace,
        /// What happened.
        reason: String,
    },
    /// The gateway closed for good, for a reason that the token's owner has to mend.
    #[error("{token}: discord closed its gateway for good with code {close_code}: {advice}")]
    GatewayClosed {
        /// Whose gateway.
        token: TokenPlace,
        /// Discord's close code.
        close_code: u16,
        /// What to do.
        advice: &'static str,
    },
    /// No such account here.
    #[error("no account {0} is connected; use one of those that were configured")]
    UnknownAccount(AccountId),
    /// The account's task has ended, by shutdown or by a fatal close that was reported.
    #[error("account {0} is closed; see the disconnect that was reported before")]
    Closed(AccountId),
    /// A bot was asked to go live.
    #[error(
        "account {0} is a bot, and discord lets no bot go live; ORB_DISCORD__GOLIVE_TOKENS takes a person's account \
         for that: read first what the README says about discord's terms"
    )]
    NotAUser(AccountId),
    /// 0 is no Discord id.
    #[error("0 is no Discord id; give the guild's and the channel's own")]
    InvalidId,
}

impl Error {
    /// A stable name for this kind of error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TokenRefused { .. } => "discord_token_refused",
            Self::UserTokenRefused { .. } => "discord_user_token_refused",
            Self::SameAccount { .. } => "discord_same_account",
            Self::GatewayUrl { .. } => "discord_gateway_url",
            Self::Unreachable { .. } => "discord_unreachable",
            Self::GatewayClosed { .. } => "discord_gateway_closed",
            Self::UnknownAccount(_) => "discord_unknown_account",
            Self::Closed(_) => "discord_account_closed",
            Self::NotAUser(_) => "discord_not_a_user",
            Self::InvalidId => "discord_invalid_id",
        }
    }

    /// Whether the same call may succeed later without a change of configuration.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }

    /// A token that REST or the gateway does not take.
    pub(crate) fn token_refused(TokenPlace { kind, number }: TokenPlace) -> Self {
        match kind {
            AccountKind::Bot => Self::TokenRefused { number },
            AccountKind::User => Self::UserTokenRefused { number },
        }
    }

    /// The close codes after which Discord documents that a client must not reconnect
    /// (Gateway close event codes, "Reconnect: false").
    pub(crate) fn from_close_code(token: TokenPlace, close_code: u16) -> Self {
        let advice = match (close_code, token.kind) {
            (4004, _) => return Self::token_refused(token),
            (4012, _) => "the gateway version is gone; update this program",
            (4010, AccountKind::Bot) => {
                "the shard number is invalid; this is a fault of this program"
            }
            (4011, AccountKind::Bot) => {
                "the bot is in too many guilds for so few shards; start again to get as many as discord recommends"
            }
            (4013, AccountKind::Bot) => "the intents are invalid; this is a fault of this program",
            (4014, AccountKind::Bot) => {
                "the intents are not allowed; enable them for the bot in the developer portal"
            }
            // A person's account has neither shards nor intents that could be wrong.
            _ => "it must not be reconnected; see Discord's list of gateway close codes",
        };
        Self::GatewayClosed {
            token,
            close_code,
            advice,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOT: TokenPlace = TokenPlace {
        kind: AccountKind::Bot,
        number: 2,
    };
    const USER: TokenPlace = TokenPlace {
        kind: AccountKind::User,
        number: 1,
    };

    fn about(token: TokenPlace) -> [Error; 6] {
        let reason = "it is no url";
        [
            Error::token_refused(token),
            Error::from_close_code(token, 4004),
            Error::from_close_code(token, 4014),
            Error::GatewayUrl { token, reason },
            Error::Unreachable {
                token,
                reason: "no connection".to_owned(),
            },
            Error::SameAccount {
                first: token,
                second: token,
            },
        ]
    }

    #[test]
    fn each_names_the_variable_that_the_token_stands_in() {
        for error in about(BOT) {
            let said = error.to_string();
            let place = "ORB_DISCORD_TOKENS: token number 2";
            assert!(said.starts_with(place), "{said}");
            assert!(!said.contains("GOLIVE"), "{said}");
        }
        for error in about(USER) {
            let said = error.to_string();
            let place = "ORB_DISCORD__GOLIVE_TOKENS: token number 1";
            assert!(said.starts_with(place), "{said}");
            assert!(!said.contains("ORB_DISCORD_TOKENS"), "{said}");
        }
    }

    #[test]
    fn nobody_is_told_to_mend_what_a_persons_account_does_not_have() {
        for close_code in [4010, 4011, 4013, 4014] {
            let said = Error::from_close_code(USER, close_code).to_string();
            assert!(!said.contains("bot") && !said.contains("shard"), "{said}");
            assert!(!said.contains("intents"), "{said}");
        }
    }
}
