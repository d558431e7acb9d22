//! The last gate before anything is printed.

use orb_config::Config;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::Finding;

/// What stands in place of a secret.
const HIDDEN: &str = "***";

/// Shorter ones would be found in every other word; nobody has such.
const SHORTEST: usize = 4;

/// What the configuration holds and nobody may see.
pub(crate) struct Secrets(Vec<SecretString>);

impl Secrets {
    pub(crate) fn none() -> Self {
        Self(Vec::new())
    }

    pub(crate) fn of(config: &Config) -> Self {
        let discord = &config.discord;
        let accounts = discord.tokens.iter().chain(&discord.golive_tokens);
        let tokens = config.http.tokens.iter().chain(accounts);
        let single = [&config.jellyfin.api_key, &config.scheduler.token];
        let mut secrets: Vec<SecretString> = tokens
            .chain(single.into_iter().flatten())
            .cloned()
            .collect();
        let database = Url::parse(config.database.url.expose_secret()).ok();
        if let Some(password) = database.as_ref().and_then(Url::password) {
            secrets.push(SecretString::from(password.to_owned()));
        }
        secrets.retain(|secret| secret.expose_secret().len() >= SHORTEST);
        // The longer ones first: one may be the beginning of another.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.expose_secret().len()));
        Self(secrets)
    }

    /// The finding without any of them.
    pub(crate) fn clean(&self, finding: Finding) -> Finding {
        Finding {
            found: self.hide(finding.found),
            fix: finding.fix.map(|fix| self.hide(fix)),
            ..finding
        }
    }

    fn hide(&self, text: String) -> String {
        self.0.iter().fold(text, |text, secret| {
            text.replace(secret.expose_secret(), HIDDEN)
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn whatever_is_secret_is_taken_out() {
        let set = [
            ("ORB_API_TOKENS", "api-one,api-one-longer"),
            ("ORB_DISCORD_TOKENS", "bot.token"),
            ("ORB_DISCORD__GOLIVE_TOKENS", "user.token"),
            ("ORB_JELLYFIN_API_KEY", "jellyfin-key"),
            ("ORB_SCHEDULER__TOKEN", "internal-token"),
            ("ORB_DATABASE_URL", "postgres://me:pass-word@host/orb"),
        ];
        let set = set.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let secrets = Secrets::of(&orb_config::Config::load(None, set).unwrap().config);
        let said = "api-one api-one-longer bot.token user.token jellyfin-key internal-token pass-word host";
        let finding = secrets.clean(Finding::failed("x", said, said));
        assert_eq!(finding.found, "*** *** *** *** *** *** *** host");
        assert_eq!(
            finding.fix.as_deref(),
            Some("*** *** *** *** *** *** *** host")
        );
    }
}
