//! Calls of several DAVE members over real sockets: songbird drivers and simulated members.

use std::time::{Duration, Instant};

use crate::common::{
    Bot, CHANNEL, GUILD, driver, heard_seconds, in_trusting_process, play_seconds, recorded, until,
};
use discord_sim::{
    DaveFault, DiscordSim, DiscordSimConfig, Fault, FirstCommit, HeardPacket, RecordEntry,
    RecordEvent, Spoil, UserId, user_of,
};
use songbird::Driver;

const GUEST: UserId = UserId(1000);

fn do_it(sim: &DiscordSim, what: DaveFault) -> usize {
    sim.fault(&Fault::Dave { guild: GUILD, what }).unwrap()
}

/// How often this step was recorded.
fn steps(sim: &DiscordSim, part: &str) -> usize {
    let record = sim.record();
    let has = |event: &RecordEvent| matches!(event, RecordEvent::Dave { step, .. } if step.contains(part));
    record.iter().filter(|entry| has(&entry.event)).count()
}

async fn step(sim: &DiscordSim, part: &str, times: usize) {
    until(part, || (steps(sim, part) >= times).then_some(())).await;
}

async fn joined(sim: &DiscordSim, token: &str) -> (Bot, Driver) {
    let mut bot = Bot::login(sim, token).await;
    let mut driver = driver();
    driver.connect(bot.join(CHANNEL).await).await.unwrap();
    (bot, driver)
}

/// Waits until all members, so many, decrypt a packet that came from now on.
async fn all_hear(sim: &DiscordSim, members: u16) {
    let begin = Instant::now();
    until("all members hear", || {
        let heard = sim.heard_since(GUILD, begin);
        let by_all = |packet: &HeardPacket| {
            packet.dave_encrypted && (packet.members, packet.decrypted_by) == (members, members)
        };
        let mut there = heard
            .connections
            .iter()
            .filter(|one| one.closed_at.is_none());
        there
            .all(|one| one.packets.iter().any(by_all))
            .then_some(())
    })
    .await;
}

#[test]
fn members_hear_two_bots_while_others_come_and_go() {
    let test = "dave_calls::members_hear_two_bots_while_others_come_and_go";
    in_trusting_process(test, DiscordSimConfig::default(), |sim| async move {
        let (_first, mut first) = joined(&sim, "one.one.one").await;
        step(&sim, "executed transition 1", 1).await;
        play_seconds(&mut first, 0..60);
        all_hear(&sim, 1).await;
        let user = Some(GUEST);
        assert_eq!(do_it(&sim, DaveFault::JoinMember { user }), 1);
        all_hear(&sim, 2).await;
        let (_second, mut second) = joined(&sim, "two.two.two").await;
        step(&sim, "executed transition 3", 1).await;
        play_seconds(&mut second, 0..60);
        all_hear(&sim, 2).await;
        assert_eq!(do_it(&sim, DaveFault::JoinMember { user: None }), 1);
        all_hear(&sim, 3).await;
        assert_eq!(do_it(&sim, DaveFault::LeaveMember { user }), 1);
        all_hear(&sim, 2).await;
        sim.leave_voice(GUILD, user_of("two.two.two"));
        step(&sim, "executed transition 6", 1).await;
        all_hear(&sim, 2).await;
        assert_eq!(do_it(&sim, DaveFault::LeaveMember { user: None }), 1);
        assert_eq!(do_it(&sim, DaveFault::LeaveMember { user: None }), 0);
        all_hear(&sim, 1).await;
        let totals = sim.heard(GUILD).totals();
        assert_eq!(totals.partly_decrypted, 0, "{totals:?}");
        assert_eq!(totals.undecryptable, 0, "{totals:?}");
        sim.shutdown().await;
    });
}

#[test]
fn three_bots_join_and_leave_one_by_one() {
    let test = "dave_calls::three_bots_join_and_leave_one_by_one";
    in_trusting_process(test, DiscordSimConfig::default(), |sim| async move {
        let tokens = ["one.one.one", "two.two.two", "three.three.three"];
        let mut there = Vec::new();
        for (n, token) in tokens.into_iter().enumerate() {
            let (bot, mut driver) = joined(&sim, token).await;
            step(&sim, &format!("executed transition {}", n + 1), 1).await;
            play_seconds(&mut driver, 0..60);
            there.push((bot, driver));
            all_hear(&sim, 1).await;
        }
        for (n, token) in tokens.into_iter().enumerate() {
            sim.leave_voice(GUILD, user_of(token));
            step(&sim, &format!("executed transition {}", n + 4), 1).await;
            if n < 2 {
                all_hear(&sim, 1).await;
            }
        }
        step(&sim, "reset: only the member is left", 1).await;
        let totals = sim.heard(GUILD).totals();
        assert_eq!(totals.undecryptable, 0, "{totals:?}");
        sim.shutdown().await;
    });
}

#[test]
fn bots_commit_for_members_and_each_other() {
    let test = "dave_calls::bots_commit_for_members_and_each_other";
    let config = DiscordSimConfig {
        later_commits: FirstCommit::Bot,
        ..DiscordSimConfig::default()
    };
    in_trusting_process(test, config, |sim| async move {
        let (_first, mut first) = joined(&sim, "one.one.one").await;
        step(&sim, "executed transition 1", 1).await;
        play_seconds(&mut first, 0..60);
        do_it(&sim, DaveFault::JoinMember { user: None });
        step(&sim, "committed by a client", 1).await;
        all_hear(&sim, 2).await;
        let _second = joined(&sim, "two.two.two").await;
        step(&sim, "committed by a client", 2).await;
        sim.leave_voice(GUILD, user_of("two.two.two"));
        step(&sim, "committed by a client: 0 added, 1 removed", 1).await;
        all_hear(&sim, 2).await;
        sim.shutdown().await;
    });
}

#[test]
fn a_bot_that_gets_an_invalid_commit_comes_back() {
    let test = "dave_calls::a_bot_that_gets_an_invalid_commit_comes_back";
    in_trusting_process(test, DiscordSimConfig::default(), |sim| async move {
        let (_bot, mut driver) = joined(&sim, "one.one.one").await;
        step(&sim, "executed transition 1", 1).await;
        for (n, how) in [Spoil::Bytes, Spoil::Epoch].into_iter().enumerate() {
            do_it(&sim, DaveFault::SpoilNext { user: None, how });
            do_it(&sim, DaveFault::JoinMember { user: None });
            step(&sim, "invalid commit or welcome", n + 1).await;
            // Out, and in again.
            step(&sim, "executed transition", 1 + 3 * (n + 1)).await;
        }
        let begin = Instant::now();
        play_seconds(&mut driver, 3..6);
        heard_seconds(&sim, begin, 3..6).await;
        all_hear(&sim, 3).await;
        sim.shutdown().await;
    });
}

#[test]
fn a_downgrade_and_an_upgrade_over_http() {
    let test = "dave_calls::a_downgrade_and_an_upgrade_over_http";
    in_trusting_process(test, DiscordSimConfig::default(), |sim| async move {
        let (_bot, mut driver) = joined(&sim, "one.one.one").await;
        step(&sim, "executed transition 1", 1).await;
        let url = format!("{}/_sim/fault", sim.api_url());
        let fault = async |what: &str| {
            let body = serde_json::json!({"kind": "dave", "guild": GUILD, "do": what});
            let answer = reqwest::Client::new().post(&url).json(&body).send();
            answer.await.unwrap().status().as_u16()
        };
        assert_eq!(fault("upgrade").await, 400, "there is nothing to upgrade");
        assert_eq!(fault("downgrade").await, 200);
        let downgraded = |entry: &RecordEntry| matches!(&entry.event, RecordEvent::Dave { step, .. } if step == "downgraded");
        let announced = recorded(&sim, "announced", |entry| {
            matches!(&entry.event, RecordEvent::Dave { step, .. }
                if step.starts_with("downgrade announced"))
        })
        .await;
        let downgraded = recorded(&sim, "downgraded", downgraded).await;
        let took = downgraded.at - announced.at;
        assert!(
            took < Duration::from_secs(1),
            "songbird says that it is ready"
        );
        assert_eq!(fault("upgrade").await, 200);
        step(&sim, "upgraded", 1).await;
        let begin = Instant::now();
        play_seconds(&mut driver, 3..6);
        heard_seconds(&sim, begin, 3..6).await;
        all_hear(&sim, 1).await;
        sim.shutdown().await;
    });
}
