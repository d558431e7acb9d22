//! The picture into voice channels: off, or whole.

use orb_config::Config;

use crate::{Check, judged};

const GOLIVE: (&str, &str) = ("ORB_GOLIVE", "accept-account-risk");
const GOLIVE_TOKENS: (&str, &str) = ("ORB_DISCORD__GOLIVE_TOKENS", "user");

#[test]
fn a_picture_takes_all_that_belongs_to_it_or_nothing() {
    let default = ("ORB_PARTY__GO_LIVE", "true");
    let roles: [Check; 2] = [Config::for_up, Config::for_scheduler];
    for role in roles {
        judged(role, &[GOLIVE, GOLIVE_TOKENS, default]).unwrap();
        for (wrong, key, fix) in [
            (
                &[GOLIVE_TOKENS][..],
                "ORB_DISCORD__GOLIVE_TOKENS (discord.golive_tokens",
                "set ORB_GOLIVE=accept-account-risk, or take the tokens away",
            ),
            (
                &[default],
                "ORB_PARTY__GO_LIVE (party.go_live",
                "set ORB_GOLIVE=accept-account-risk, or set this to false",
            ),
            (
                &[GOLIVE],
                "ORB_DISCORD__GOLIVE_TOKENS (discord.golive_tokens",
                "give the token of a user account, or unset ORB_GOLIVE",
            ),
            (
                &[GOLIVE, ("ORB_DISCORD__GOLIVE_TOKENS", "user, b")],
                "ORB_DISCORD__GOLIVE_TOKENS (discord.golive_tokens",
                "a bot's token goes there and a user account's here",
            ),
        ] {
            let refused = judged(role, wrong).unwrap_err();
            assert!(
                refused.contains(key) && refused.contains(fix),
                "{wrong:?} gave {refused}"
            );
        }
    }
}

#[test]
fn only_the_projects_own_driver_sends_pictures() {
    let songbird = ("ORB_VOICE_DRIVER", "songbird");
    let scheduler = ("ORB_SCHEDULER_URL", "http://scheduler:50051");
    let roles: [Check; 3] = [Config::for_up, Config::for_demo, Config::for_worker];
    for role in roles {
        judged(role, &[songbird, scheduler]).unwrap();
        judged(role, &[GOLIVE, GOLIVE_TOKENS, scheduler]).unwrap();
        let all = [GOLIVE, GOLIVE_TOKENS, songbird, scheduler];
        let refused = judged(role, &all).unwrap_err();
        assert!(
            refused.contains("ORB_VOICE_DRIVER (worker.voice_driver"),
            "{refused}"
        );
    }
    // Of a worker alone: the accounts are the scheduler's.
    judged(Config::for_worker, &[GOLIVE, scheduler]).unwrap();
}
