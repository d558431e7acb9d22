//! End-to-end encryption through everything that a group goes through: no frame in the clear, and what it costs.

use std::time::{Duration, Instant};

use discord_sim::{DaveFault, DiscordSimConfig, Fault, FirstCommit, Spoil};
use orb_voice::{CallEvent, Encryption};

use crate::{faults::GUILD_ID, stage::Stage};

/// Both ways in which a group's commits can be made.
fn committers() -> [DiscordSimConfig; 2] {
    [FirstCommit::Member, FirstCommit::Bot].map(|who| DiscordSimConfig {
        first_commit: who,
        later_commits: who,
        ..DiscordSimConfig::default()
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_come_and_go() {
    for config in committers() {
        let who = config.later_commits;
        let stage = Stage::playing(config).await;
        let since = Instant::now();
        for members in 2..5_u16 {
            stage.member_joins(members.into());
            stage.heard_by(members).await;
        }
        println!(
            "measured: three members join ({who:?} commits): longest gap {:?}",
            stage.longest_gap(since)
        );
        let since = Instant::now();
        for members in (1..4_u16).rev() {
            stage.member_leaves(u64::from(members) + 1);
            stage.heard_by(members).await;
        }
        println!(
            "measured: three members leave ({who:?} commits): longest gap {:?}",
            stage.longest_gap(since)
        );
        stage.assert_whole_and_encrypted();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_made_anew_costs_no_frame_in_the_clear() {
    for config in committers() {
        let who = config.first_commit;
        let stage = Stage::playing(config).await;
        for _ in 0..3 {
            let since = Instant::now();
            stage.fault(&Fault::RecreateGroup { guild: GUILD_ID });
            stage.group_in_force(since).await;
            stage.heard_by(1).await;
            println!(
                "measured: group made anew ({who:?} commits): longest gap {:?}",
                stage.longest_gap(since)
            );
        }
        stage.assert_encrypted();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_downgrade_holds_the_film_until_the_upgrade() {
    let mut stage = Stage::playing(DiscordSimConfig::default()).await;
    stage
        .event_like(|event| *event == CallEvent::Encryption(Encryption::EndToEnd))
        .await;
    let upgraded = stage.is_downgraded_and_upgraded().await;
    let heard = stage.hears_a_frame_after(upgraded).await;
    println!(
        "measured: upgrade: first frame after {:?}",
        heard - upgraded
    );
    stage.heard_by(1).await;
    stage.assert_whole_and_encrypted();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invalid_commit_or_welcome_is_answered_and_mended() {
    for how in [Spoil::Bytes, Spoil::Epoch] {
        let stage = Stage::playing(DiscordSimConfig::default()).await;
        let since = Instant::now();
        stage.mends_a_spoiled_commit(how).await;
        println!(
            "measured: invalid commit ({how:?}): longest gap {:?}",
            stage.longest_gap(since)
        );
        stage.assert_encrypted();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invalid_welcome_at_the_join_is_mended_before_anything_is_sent() {
    let mut stage = Stage::new(DiscordSimConfig {
        first_commit: FirstCommit::Member,
        ..DiscordSimConfig::default()
    })
    .await;
    // A call has to be there to be spoiled: somebody else is in it first.
    let (_other, _heard, _told) =
        stage.listener(99, std::sync::Arc::new(crate::stage::Counted::default()));
    stage.group_in_force(stage.begun).await;
    stage.dave(DaveFault::SpoilNext {
        user: Some(crate::stage::USER.into()),
        how: Spoil::Bytes,
    });
    stage.connect();
    stage.hears_a_frame_after(Instant::now()).await;
    stage.plays_for(Duration::from_millis(200)).await;
    assert!(stage.driver.stats().snapshot().invalid_commits > 0);
    stage.assert_encrypted();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mischief_changes_nothing() {
    let stage = Stage::playing(DiscordSimConfig::default()).await;
    let since = Instant::now();
    for mischief in [
        DaveFault::ProposeStranger,
        DaveFault::ProposeAndRevoke,
        DaveFault::StrayExecute,
        DaveFault::StrayCommit,
    ] {
        stage.dave(mischief);
        stage.plays_for(Duration::from_millis(300)).await;
    }
    stage.member_joins(501);
    stage.heard_by(2).await;
    println!(
        "measured: mischief and a join: longest gap {:?}",
        stage.longest_gap(since)
    );
    stage.assert_encrypted();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transition_zero_takes_effect_at_once() {
    let stage = Stage::playing(DiscordSimConfig::default()).await;
    let since = Instant::now();
    stage.dave(DaveFault::NextAtOnce);
    stage.member_joins(501);
    stage.heard_by(2).await;
    println!(
        "measured: join in transition 0: longest gap {:?}",
        stage.longest_gap(since)
    );
    let since = Instant::now();
    stage.dave(DaveFault::Reset);
    stage.group_in_force(since).await;
    stage.heard_by(2).await;
    stage.plays_for(Duration::from_millis(100)).await;
    println!(
        "measured: reset, old keys gone: longest gap {:?}",
        stage.longest_gap(since)
    );
    stage.assert_encrypted();
}
