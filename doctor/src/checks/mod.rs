//! The checks, and which of them a role needs.

mod clock;
mod database;
mod discord;
mod etcd;
mod ffmpeg;
mod golive;
mod http;
mod jellyfin;
mod machine;
mod ports;
mod scheduler;
mod tls;

use std::future::ready;
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt, join_all};
use orb_config::{Config, Loaded};

use crate::{Finding, Role};

/// A check that takes longer has found out enough: whoever uses what it looks at would have given up, too. More than
/// the sum of the time-outs within any of them.
const TIME_OUT: Duration = Duration::from_secs(15);

/// What the checks look at.
struct Subject {
    role: Role,
    config: Config,
}

impl Subject {
    fn is(&self, roles: &[Role]) -> bool {
        roles.contains(&self.role)
    }

    /// Instead of a check that this role has no use for.
    fn not_needed(&self, check: &str) -> Vec<Finding> {
        vec![Finding::skipped(
            check,
            format!("`orb {}` does not need it", self.role.name()),
        )]
    }
}

/// All findings, in the order of the checks and not of their ends.
pub(crate) async fn all(role: Role, loaded: Loaded) -> Vec<Finding> {
    let mut findings = settings(role, &loaded);
    let subject = Subject {
        role,
        config: loaded.config,
    };
    let checks: [(&str, BoxFuture<'_, Vec<Finding>>); 11] = [
        ("ffmpeg", ffmpeg::check(&subject).boxed()),
        ("jellyfin", jellyfin::check(&subject).boxed()),
        ("discord", discord::check(&subject).boxed()),
        ("golive", golive::check(&subject).boxed()),
        ("database", database::check(&subject).boxed()),
        ("etcd", etcd::check(&subject).boxed()),
        ("scheduler", scheduler::check(&subject).boxed()),
        ("tls", ready(tls::check(&subject)).boxed()),
        ("ports", ports::check(&subject).boxed()),
        ("machine", ready(machine::check(&subject)).boxed()),
        ("clock", clock::check(&subject).boxed()),
    ];
    let timed = checks.map(async |(name, check)| {
        tokio::time::timeout(TIME_OUT, check)
            .await
            .unwrap_or_else(|_| {
                let found = format!("no answer within {} s", TIME_OUT.as_secs());
                vec![Finding::failed(
                    name,
                    found,
                    "see whether it hangs, or whether a network swallows packets",
                )]
            })
    });
    findings.extend(join_all(timed).await.into_iter().flatten());
    findings
}

const SETTINGS: &str = "settings";

/// What can be said of the settings alone.
fn settings(role: Role, loaded: &Loaded) -> Vec<Finding> {
    let config = &loaded.config;
    let complete = match role {
        Role::Up => config.for_up(),
        Role::Gateway => config.for_gateway(),
        Role::Scheduler => config.for_scheduler(),
        Role::Worker => config.for_worker(),
    };
    let mut findings = match complete {
        Ok(()) => vec![Finding::ok(SETTINGS, "complete")],
        Err(error) => wrong_settings(&error),
    };
    let warning = |text: &String| Finding::warning(SETTINGS, text, "correct or unset it");
    findings.extend(loaded.warnings.iter().map(warning));
    findings
}

/// Settings that no role can use, or not this one.
pub(crate) fn wrong_settings(error: &orb_config::Error) -> Vec<Finding> {
    let finding = |text: &dyn std::fmt::Display| {
        let finding = Finding::of_error(SETTINGS, &text);
        let fix = finding.fix.or_else(|| Some("correct it".to_owned()));
        Finding { fix, ..finding }
    };
    match error {
        orb_config::Error::Invalid { problems } => {
            problems.iter().map(|problem| finding(problem)).collect()
        }
        other => vec![finding(other)],
    }
}
