//! Which tokens exist, and who they are: bots, and users, whose tokens begin with `user.`.

use sha2::{Digest, Sha256};

use crate::UserId;

/// What the tokens of user accounts begin with. Discord's own bear no such mark.
const USER_TOKEN: &str = "user.";

/// A bot or user account, known by its token. The token itself is not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) user: UserId,
    /// The first twelve hex digits of the token's SHA-256: names a token without giving it away.
    pub(crate) token_digest: String,
    /// A person's account, and no bot: it may go live.
    pub(crate) is_user: bool,
}

impl Account {
    /// The account that `token` stands for.
    ///
    /// `allowed` empty: every non-empty token is an account. A `Bot ` prefix is dropped, for
    /// clients send it on the gateway as well (twilight does). A user's token with it is no token.
    pub(crate) fn authenticate(allowed: &[String], token: &str) -> Option<Self> {
        let (given, token) = (token, bare(token));
        let is_user = token.starts_with(USER_TOKEN);
        if is_user && given != token {
            return None;
        }
        let known = allowed.is_empty() || allowed.iter().any(|one| bare(one) == token);
        (known && !token.is_empty()).then(|| Self {
            user: user_of(token),
            token_digest: digest(token),
            is_user,
        })
    }

    /// The account of an `Authorization` header: `Bot <token>` for bots, the token alone for users.
    pub(crate) fn of_header(allowed: &[String], header: &str) -> Option<Self> {
        let account = Self::authenticate(allowed, header)?;
        (account.is_user != header.starts_with("Bot ")).then_some(account)
    }

    pub(crate) fn name(&self) -> String {
        format!("orb-{}", &self.token_digest[..4])
    }
}

/// The user id that belongs to a token: the same token is the same user in every run.
pub fn user_of(token: &str) -> UserId {
    let hash = Sha256::digest(bare(token).as_bytes());
    let mut id = [0; 8];
    id.copy_from_slice(&hash[..8]);
    // 59 bits: as many decimal digits as real ids have, and never above what a signed 64-bit holds.
    UserId(u64::from_be_bytes(id) >> 5 | 1 << 58)
}

/// Names a secret in the record without giving it away.
pub(crate) fn digest(secret: &str) -> String {
    hex::encode(&Sha256::digest(secret.as_bytes())[..6])
}

fn bare(token: &str) -> &str {
    token.strip_prefix("Bot ").unwrap_or(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_always_the_same_user_with_or_without_prefix() {
        let plain = Account::authenticate(&[], "one.two.three");
        assert_eq!(plain, Account::authenticate(&[], "Bot one.two.three"));
        assert_ne!(
            plain.map(|account| account.user),
            Some(user_of("one.two.four"))
        );
    }

    #[test]
    fn bots_and_users_authorize_in_their_own_ways() {
        let is_user = |header| Account::of_header(&[], header).map(|account| account.is_user);
        assert_eq!(is_user("Bot one.two"), Some(false));
        assert_eq!(is_user("user.two"), Some(true));
        assert_eq!(is_user("one.two"), None);
        assert_eq!(is_user("Bot user.two"), None);
        assert_eq!(
            Account::authenticate(&[], "Bot user.two"),
            None,
            "on the gateway"
        );
    }

    #[test]
    fn only_listed_tokens_are_accounts_when_there_is_a_list() {
        let allowed = ["a.b.c".to_owned()];
        assert!(Account::authenticate(&allowed, "a.b.c").is_some());
        assert!(Account::authenticate(&allowed, "a.b.d").is_none());
        assert!(Account::authenticate(&[], "").is_none());
    }
}
