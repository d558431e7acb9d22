//! Jellyfin: reachable, new enough, and the key is good. Every role asks it: gateways for the library, schedulers to tell
//! how far somebody watched, workers for the media.

use orb_jellyfin::client::{JellyfinClient, JellyfinConfig};
use secrecy::SecretString;

use super::Subject;
use crate::Finding;

const CHECK: &str = "jellyfin";

pub(super) async fn check(subject: &Subject) -> Vec<Finding> {
    let settings = &subject.config.jellyfin;
    let Some(url) = &settings.url else {
        let found =
            "ORB_JELLYFIN_URL is not set: there is no library, and nothing of one may be played";
        return vec![Finding::warning(
            CHECK,
            found,
            "set it to the server's address, such as http://jellyfin:8096",
        )];
    };
    let key = settings.api_key.clone();
    let has_key = key.is_some();
    let client = JellyfinConfig::new(
        url.as_str(),
        key.unwrap_or_else(|| SecretString::from(String::new())),
    )
    .map(|mut asked| {
        asked.user.clone_from(&settings.user);
        asked
    })
    .and_then(JellyfinClient::new);
    let client = match client {
        Ok(client) => client,
        Err(error) => return vec![Finding::of_error(CHECK, &error)],
    };
    let server = match client.version().await {
        Ok(server) => server,
        Err(error) => return vec![Finding::of_error(CHECK, &error)],
    };
    let found = format!("{} at {url}, version {}", server.name, server.version);
    if !has_key {
        let found = format!("{found}, but no API key is set");
        let fix =
            "make one in Jellyfin's dashboard under API Keys and set ORB_JELLYFIN_API_KEY to it";
        return vec![Finding::warning(CHECK, found, fix)];
    }
    vec![match client.user().await {
        Ok(user) => Finding::ok(
            CHECK,
            format!("{found}; the key works, for the library of {}", user.name),
        ),
        Err(error) => Finding::of_error(CHECK, &error),
    }]
}
