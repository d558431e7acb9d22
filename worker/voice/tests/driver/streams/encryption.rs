//! End-to-end encryption of a stream through everything that a group goes through.

use std::time::{Duration, Instant};

use discord_sim::{DiscordSimConfig, Fault, FirstCommit, Spoil};
use orb_voice::{CallEvent, Encryption};

use crate::{faults::GUILD_ID, stage::Stage};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_come_and_go_and_the_picture_goes_on() {
    for who in [FirstCommit::Member, FirstCommit::Bot] {
        let stage = Stage::streaming(DiscordSimConfig {
            first_commit: who,
            later_commits: who,
            ..DiscordSimConfig::default()
        })
        .await;
        let since = Instant::now();
        for members in 2..5_u16 {
            stage.member_joins(members.into());
            stage.heard_by(members).await;
        }
        stage.measured(&format!("three members join ({who:?} commits)"), since);
        let since = Instant::now();
        for members in (1..4_u16).rev() {
            stage.member_leaves(u64::from(members) + 1);
            stage.heard_by(members).await;
        }
        stage.shows_for(Duration::from_millis(200)).await;
        stage.measured(&format!("three members leave ({who:?} commits)"), since);
        stage.assert_shown_whole();
        stage.assert_whole_and_encrypted();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_made_anew_costs_no_picture_in_the_clear() {
    let stage = Stage::streaming(DiscordSimConfig::default()).await;
    let since = Instant::now();
    stage.fault(&Fault::RecreateGroup { guild: GUILD_ID });
    stage.group_in_force(since).await;
    stage.heard_by(1).await;
    stage.shows_for(Duration::from_millis(300)).await;
    stage.measured("group made anew", since);
    stage.assert_shown_encrypted();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_downgrade_holds_the_film_until_the_upgrade() {
    let mut stage = Stage::of_stream(DiscordSimConfig::default()).await;
    stage.connect();
    stage
        .event_like(|event| *event == CallEvent::Encryption(Encryption::EndToEnd))
        .await;
    stage.sees_a_picture_after(Instant::now()).await;
    let upgraded = stage.is_downgraded_and_upgraded().await;
    let heard = stage.hears_a_frame_after(upgraded).await - upgraded;
    let seen = stage.sees_a_picture_after(upgraded).await - upgraded;
    println!("measured: stream: upgrade: sound after {heard:?}, picture after {seen:?}");
    stage.assert_shown_encrypted();
    stage.assert_whole_and_encrypted();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invalid_commit_is_answered_and_mended() {
    for how in [Spoil::Bytes, Spoil::Epoch] {
        let stage = Stage::streaming(DiscordSimConfig::default()).await;
        let since = Instant::now();
        stage.mends_a_spoiled_commit(how).await;
        stage.sees_a_picture_after(Instant::now()).await;
        stage.shows_for(Duration::from_millis(200)).await;
        stage.measured(&format!("invalid commit ({how:?})"), since);
        stage.assert_shown_encrypted();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_without_dave_plays_under_transport_encryption() {
    let stage = Stage::streaming(DiscordSimConfig {
        dave: false,
        ..DiscordSimConfig::default()
    })
    .await;
    stage.shows_for(Duration::from_millis(500)).await;
    stage.assert_shown_whole();
}
