//! This machine's clock against another's. Certificates and watch links have times in them; nothing else here depends
//! on wall clocks.

use std::time::{Duration, SystemTime};

use reqwest::header::DATE;

use super::{Subject, discord, http};
use crate::{Finding, Role};

const CHECK: &str = "clock";

/// The `Date` of an answer is cut to seconds, and was on its way. A watch link lives for an hour.
const TOLERATED: Duration = Duration::from_secs(30);

pub(super) async fn check(subject: &Subject) -> Vec<Finding> {
    let config = &subject.config;
    let asks_discord =
        subject.is(&[Role::Up, Role::Scheduler]) && !config.discord.tokens.is_empty();
    let (who, url) = match &config.jellyfin.url {
        _ if asks_discord => (
            "Discord",
            format!("{}/api/v10/gateway", discord::base(config)),
        ),
        Some(url) => ("Jellyfin", format!("{}/System/Info/Public", url.base())),
        None => {
            return vec![Finding::skipped(
                CHECK,
                "nobody is configured whom to compare it with",
            )];
        }
    };
    let theirs = match http::client(config.discord.ca.as_deref()) {
        Ok(client) => client.get(url).send().await.ok().and_then(|response| {
            let date = response.headers().get(DATE)?.to_str().ok()?;
            httpdate::parse_http_date(date).ok()
        }),
        Err(_) => None,
    };
    let Some(theirs) = theirs else {
        return vec![Finding::skipped(
            CHECK,
            format!("{who} did not say what time it is"),
        )];
    };
    vec![judge(who, theirs, SystemTime::now())]
}

fn judge(who: &str, theirs: SystemTime, ours: SystemTime) -> Finding {
    let apart = ours
        .duration_since(theirs)
        .unwrap_or_else(|ahead| ahead.duration());
    if apart <= TOLERATED {
        return Finding::ok(CHECK, format!("as {who}'s"));
    }
    let found = format!(
        "{} s apart from {who}'s: certificates and watch links may be taken for expired",
        apart.as_secs()
    );
    Finding::warning(
        CHECK,
        found,
        "set the clock, and keep it by NTP (such as systemd-timesyncd)",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Outcome;

    #[test]
    fn either_way_apart_is_apart() {
        let now = SystemTime::now();
        let outcome = |theirs| judge("x", theirs, now).outcome;
        assert_eq!(outcome(now - Duration::from_secs(20)), Outcome::Ok);
        assert_eq!(outcome(now - Duration::from_mins(1)), Outcome::Warning);
        assert_eq!(outcome(now + Duration::from_mins(1)), Outcome::Warning);
    }
}
