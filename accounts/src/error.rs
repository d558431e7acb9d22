//! What can go wrong with an account, and what to do about it.

use crate::{AccountId, AccountKind};

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
        /// The token's place in the list, from 1.
        number: usize,
    },
    /// The same for a person's account.
    #[error(
        "ORB_DISCORD__GOLIVE_TOKENS: token number {number} (bots' and users' counted together) was refused by Discord; \
         it was changed, or the account was banned, for discord's terms forbid to automate it: take it out"
    )]
    UserTokenRefused {
        /// The token's place among all accounts, from 1.
        number: usize,
    },
    /// Two tokens of one account: each would end the other's gateway session.
    #[error(
        "ORB_DISCORD_TOKENS: tokens number {first} and {second} are of the same account; keep one"
    )]
    SameAccount {
        /// Place of the first.
        first: usize,
        /// Place of the second.
        second: usize,
    },
    /// A URL that the gateway connection cannot or must not be made to.
    #[error("the gateway url that Discord gave for token number {number} is not used: {reason}")]
    GatewayUrl {
        /// The token's place in the list, from 1.
        number: usize,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// REST did not answer, or answered with a server error.
    #[error(
        "discord cannot be reached for token number {number} ({reason}); it is worth trying again"
    )]
    Unreachable {
        /// The token's place in the list, from 1.
        number: usize,
        /// What happened.
        reason: String,
    },
    /// The gateway closed for good, for a reason that the token's owner has to mend.
    #[error(
        "discord closed the gateway of token number {number} for good with code {close_code}: {advice}"
    )]
    GatewayClosed {
        /// The token's place in the list, from 1.
        number: usize,
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
        "account {0} is a bot, and discord lets no bot go live; configure a person's account for that, \
         and read first what the README says about discord's terms"
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
    pub(crate) fn token_refused(number: usize, kind: AccountKind) -> Self {
        match kind {
            AccountKind::Bot => Self::TokenRefused { number },
            AccountKind::User => Self::UserTokenRefused { number },
        }
    }

    /// The close codes after which Discord documents that a client must not reconnect
    /// (Gateway close event codes, "Reconnect: false").
    pub(crate) fn from_close_code(number: usize, kind: AccountKind, close_code: u16) -> Self {
        let advice = match close_code {
            4004 => return Self::token_refused(number, kind),
            4010 => "the shard number is invalid; this is a fault of this program",
            4011 => {
                "the bot is in too many guilds for so few shards; start again to get as many as discord recommends"
            }
            4012 => "the gateway version is gone; update this program",
            4013 => "the intents are invalid; this is a fault of this program",
            4014 => "the intents are not allowed; enable them for the bot in the developer portal",
            _ => "it must not be reconnected; see Discord's list of gateway close codes",
        };
        Self::GatewayClosed {
            number,
            close_code,
            advice,
        }
    }
}
