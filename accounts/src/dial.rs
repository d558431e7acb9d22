//! Which gateway URLs may be dialled.
//!
//! The URL comes from REST, and the one for RESUME from READY or the store. Two things must not
//! happen: a token going over the network in the clear, and a test or demo that is pointed at a
//! simulator reaching the real Discord after all.

use std::net::IpAddr;

use url::{Host, Url};

/// Domains of the real Discord.
const DISCORD: [&str; 3] = ["discord.gg", "discord.com", "discord.media"];

/// The rule for one account.
#[derive(Clone, Debug, Default)]
pub(crate) struct DialRule {
    /// Host of the configured API, and whether it is spoken to in the clear.
    api: Option<(String, bool)>,
}

impl DialRule {
    pub(crate) fn new(api_url: Option<&str>) -> Self {
        let url = api_url.and_then(|text| Url::parse(text).ok());
        Self {
            api: url.and_then(|url| Some((url.host_str()?.to_owned(), url.scheme() == "http"))),
        }
    }

    /// The URL without a trailing `/` (twilight appends `/?v=`), or why it is not dialled.
    pub(crate) fn check<'a>(&self, text: &'a str) -> Result<&'a str, &'static str> {
        let url = Url::parse(text).map_err(|_| "it is no url")?;
        let host = url.host_str().ok_or("it has no host")?;
        if self.api.is_some() && is_discord(host) {
            return Err("ORB_DISCORD_API_URL is set, but the url is the real Discord's");
        }
        match url.scheme() {
            "wss" => {}
            // Where REST already goes in the clear, the token is as public as it can get.
            "ws" if is_loopback(&url) || self.api == Some((host.to_owned(), true)) => {}
            "ws" => return Err("it is not encrypted (ws) and leads to another host"),
            _ => return Err("it is neither wss nor ws"),
        }
        Ok(text.trim_end_matches('/'))
    }
}

fn is_discord(host: &str) -> bool {
    let host = host.trim_end_matches('.');
    DISCORD.iter().any(|domain| {
        host.strip_suffix(domain)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    })
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => IpAddr::V6(ip).is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dialled() {
        let real = None;
        let local = Some("http://127.0.0.1:4000");
        let compose = Some("http://discord-sim:4000");
        let table = [
            (real, "wss://gateway.discord.gg", true),
            (real, "wss://gateway-us-east1-b.discord.gg/", true),
            (real, "ws://gateway.discord.gg", false),
            (real, "http://gateway.discord.gg", false),
            (real, "gateway.discord.gg", false),
            (local, "ws://127.0.0.1:4001", true),
            (local, "ws://localhost:4001", true),
            (local, "ws://[::1]:4001", true),
            (local, "wss://gateway.discord.gg", false),
            (local, "wss://GATEWAY.DISCORD.GG.", false),
            (local, "wss://notdiscord.gg", true),
            (local, "ws://192.168.1.1:4001", false),
            (compose, "ws://discord-sim:4001", true),
            (compose, "ws://elsewhere:4001", false),
        ];
        for (api, url, allowed) in table {
            let result = DialRule::new(api).check(url);
            assert_eq!(result.is_ok(), allowed, "{api:?} {url}: {result:?}");
        }
        assert_eq!(DialRule::new(None).check("wss://a.b/"), Ok("wss://a.b"));
    }
}
