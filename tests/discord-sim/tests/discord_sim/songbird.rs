//! The real songbird driver against the simulator, and what the listening member hears of it.

use std::time::Instant;

use crate::common::{
    Bot, CHANNEL, GUILD, confirmed_seconds, driver, driver_with, heard_seconds,
    in_trusting_process, play_seconds, recorded, until,
};
use discord_sim::{DiscordSim, DiscordSimConfig, FirstCommit, RecordEvent, TransportMode};
use songbird::driver::CryptoMode;

fn without_dave() -> DiscordSimConfig {
    DiscordSimConfig {
        dave: false,
        ..DiscordSimConfig::default()
    }
}

/// Waits until the bot's group is in force.
async fn dave_runs(sim: &DiscordSim) {
    recorded(sim, "dave executed", |entry| {
        matches!(&entry.event, RecordEvent::Dave { step, .. } if step.starts_with("executed"))
    })
    .await;
}

#[test]
fn seconds_are_heard_without_dave() {
    in_trusting_process(
        "songbird::seconds_are_heard_without_dave",
        without_dave(),
        |sim| async move {
            let mut bot = Bot::login(&sim, sim.bot_token()).await;
            let mut driver = driver();
            driver.connect(bot.join(CHANNEL).await).await.unwrap();
            let begin = Instant::now();
            play_seconds(&mut driver, 7..12);
            heard_seconds(&sim, begin, 7..12).await;
            let heard = sim.heard(GUILD);
            let totals = heard.totals();
            assert_eq!(totals.dave_encrypted, 0);
            assert_eq!(totals.in_the_clear, 0, "nothing was negotiated");
            assert_eq!(totals.refused, 0);
            assert!(totals.packets >= 4 * 50);
            let report = heard.listen().unwrap();
            assert!(report.clicks.iter().filter(|click| click.tenth).count() == 1);
            sim.shutdown().await;
        },
    );
}

#[test]
fn both_transport_encryptions_work() {
    in_trusting_process(
        "songbird::both_transport_encryptions_work",
        DiscordSimConfig {
            modes: vec![
                TransportMode::Aes256GcmRtpSize,
                TransportMode::XChaCha20Poly1305RtpSize,
            ],
            ..without_dave()
        },
        |sim| async move {
            let mut bot = Bot::login(&sim, sim.bot_token()).await;
            for mode in [CryptoMode::XChaCha20Poly1305, CryptoMode::Aes256Gcm] {
                let mut driver = driver_with(mode);
                driver.connect(bot.join(CHANNEL).await).await.unwrap();
                let begin = Instant::now();
                play_seconds(&mut driver, 20..22);
                heard_seconds(&sim, begin, 20..22).await;
                let newest = sim.heard(GUILD).connections.pop().unwrap();
                assert_eq!(newest.counters.refused, 0);
                driver.leave();
            }
            sim.shutdown().await;
        },
    );
}

fn with_dave(test: &str, first_commit: FirstCommit) {
    let config = DiscordSimConfig {
        first_commit,
        ..DiscordSimConfig::default()
    };
    in_trusting_process(test, config, |sim| async move {
        let mut bot = Bot::login(&sim, sim.bot_token()).await;
        let mut driver = driver();
        driver.connect(bot.join(CHANNEL).await).await.unwrap();
        dave_runs(&sim).await;
        let begin = Instant::now();
        play_seconds(&mut driver, 3..7);
        heard_seconds(&sim, begin, 3..7).await;
        let heard = sim.heard_since(GUILD, begin);
        for packet in heard.packets() {
            assert!(packet.decrypted);
            assert!(packet.dave_encrypted || packet.silence, "{packet:?}");
        }
        assert!(heard.packets().len() >= 3 * 50);
        sim.shutdown().await;
    });
}

#[test]
fn seconds_are_heard_with_dave_founded_by_the_bot() {
    with_dave(
        "songbird::seconds_are_heard_with_dave_founded_by_the_bot",
        FirstCommit::Bot,
    );
}

#[test]
fn seconds_are_heard_with_dave_founded_by_the_member() {
    with_dave(
        "songbird::seconds_are_heard_with_dave_founded_by_the_member",
        FirstCommit::Member,
    );
}

/// songbird plays before its group stands. The record must show these packets as what they are.
#[test]
fn packets_in_the_clear_after_negotiation_are_shown() {
    in_trusting_process(
        "songbird::packets_in_the_clear_after_negotiation_are_shown",
        DiscordSimConfig::default(),
        |sim| async move {
            let mut bot = Bot::login(&sim, sim.bot_token()).await;
            let mut driver = driver();
            play_seconds(&mut driver, 0..30); // playing already when it connects
            driver.connect(bot.join(CHANNEL).await).await.unwrap();
            dave_runs(&sim).await;
            until("encrypted packets", || {
                (sim.heard(GUILD).totals().dave_encrypted > 20).then_some(())
            })
            .await;
            let heard = sim.heard(GUILD);
            let listed = heard
                .packets()
                .iter()
                .filter(|one| one.in_the_clear)
                .count();
            assert_eq!(heard.totals().in_the_clear, listed as u64);
            let clear_media = heard
                .packets()
                .iter()
                .filter(|one| !one.dave_encrypted && !one.silence)
                .count();
            assert_eq!(listed, clear_media);
            println!("in the clear: {listed} of {}", heard.packets().len());
            sim.shutdown().await;
        },
    );
}

#[test]
fn two_bots_and_the_member_share_one_group() {
    in_trusting_process(
        "songbird::two_bots_and_the_member_share_one_group",
        DiscordSimConfig::default(),
        |sim| async move {
            let mut first = Bot::login(&sim, "first.bot.token").await;
            let mut second = Bot::login(&sim, "second.bot.token").await;
            let (mut one, mut two) = (driver(), driver());
            one.connect(first.join(CHANNEL).await).await.unwrap();
            dave_runs(&sim).await;
            two.connect(second.join(CHANNEL).await).await.unwrap();
            recorded(&sim, "second bot added", |entry| {
                matches!(&entry.event, RecordEvent::Dave { step, .. }
                    if step == "executed transition 2")
            })
            .await;
            play_seconds(&mut one, 50..54);
            play_seconds(&mut two, 80..84);
            for (token, expected) in [("first.bot.token", 50..54), ("second.bot.token", 80..84)] {
                let user = discord_sim::user_of(token);
                confirmed_seconds(&sim, || sim.heard(GUILD).of_user(user), expected).await;
            }
            assert_eq!(sim.heard(GUILD).totals().undecryptable, 0);
            sim.shutdown().await;
        },
    );
}
