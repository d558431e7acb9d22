//! From credentials to frames that a member decrypts.

use std::{sync::Arc, time::Duration, time::Instant};

use discord_sim::{DiscordSimConfig, FirstCommit, RecordEvent, TransportMode};
use orb_voice::{CallEvent, Encryption, FRAME, Step};

use crate::stage::{Counted, Stage, USER, number};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_frame_is_heard_in_order_and_encrypted_with_either_cipher_and_either_founder() {
    for mode in [
        TransportMode::Aes256GcmRtpSize,
        TransportMode::XChaCha20Poly1305RtpSize,
    ] {
        for first_commit in [FirstCommit::Bot, FirstCommit::Member] {
            let stage = Stage::playing(DiscordSimConfig {
                modes: vec![mode],
                first_commit,
                ..DiscordSimConfig::default()
            })
            .await;
            stage.plays_for(Duration::from_millis(500)).await;
            stage.assert_whole_and_encrypted();
            assert_eq!(
                stage.frames()[0].1,
                0,
                "nothing was taken before it could be sent"
            );
            assert_eq!(stage.gate.asked(), [Step::Dial, Step::Identify]);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_owner_is_told_in_order() {
    let mut stage = Stage::new(DiscordSimConfig::default()).await;
    stage.connect();
    let mut told = Vec::new();
    while told.len() < 3 {
        told.push(stage.event_like(|_| true).await);
    }
    assert!(
        told.contains(&CallEvent::Connected { resumed: false }),
        "{told:?}"
    );
    let encryption: Vec<_> = told
        .into_iter()
        .filter(|event| matches!(event, CallEvent::Encryption(_)))
        .collect();
    assert_eq!(
        encryption,
        [
            CallEvent::Encryption(Encryption::Waiting),
            CallEvent::Encryption(Encryption::EndToEnd)
        ]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_without_dave_plays_under_transport_encryption() {
    let stage = Stage::playing(DiscordSimConfig {
        dave: false,
        ..DiscordSimConfig::default()
    })
    .await;
    stage.plays_for(Duration::from_millis(300)).await;
    stage.assert_whole_and_encrypted();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pause_ends_with_five_silences_costs_no_frame_and_is_in_the_timestamps() {
    let stage = Stage::playing(DiscordSimConfig::default()).await;
    stage.plays_for(Duration::from_millis(200)).await;
    stage.source.pause(true);
    let tail = stage
        .until("five silences were heard", |stage| {
            let packets = stage.packets();
            let silent = packets.iter().rev().take_while(|packet| packet.silence);
            (silent.count() == 5).then(Instant::now)
        })
        .await;
    let spoke = |stage: &Stage, bits| {
        stage.sim.record().iter().any(|entry| {
            matches!(entry.event, RecordEvent::VoiceSpeaking { speaking, .. } if speaking == bits)
        })
    };
    stage
        .until("the speaking flag is cleared", |stage| {
            spoke(stage, 0).then_some(())
        })
        .await;
    assert!(spoke(&stage, 1));
    let quiet_until = tail + Duration::from_millis(300);
    tokio::time::sleep_until(quiet_until.into()).await;
    let last = stage.packets().last().unwrap().at;
    assert!(last + Duration::from_millis(200) < quiet_until);

    stage.source.pause(false);
    stage.call.wake();
    stage.hears_a_frame_after(quiet_until).await;
    stage.plays_for(Duration::from_millis(100)).await;
    stage.assert_whole_and_encrypted();
    let packets = stage.packets();
    let timestamps_follow = packets.windows(2).all(|pair| {
        let by_clock = (pair[1].at - pair[0].at).as_secs_f64() * 48_000.0;
        let by_rtp = f64::from(pair[1].timestamp.wrapping_sub(pair[0].timestamp));
        // A loaded machine delivers late; a pause that was left out would be 14,400 off.
        by_rtp >= 960.0 && (by_rtp - by_clock).abs() < 9_600.0
    });
    assert!(timestamps_follow);
    let sequences_follow = packets
        .windows(2)
        .all(|pair| pair[1].sequence == pair[0].sequence.wrapping_add(1));
    assert!(sequences_follow);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_members_hear_each_other_to_the_byte() {
    let stage = Stage::playing(DiscordSimConfig::default()).await;
    let mute = Arc::new(Counted::default());
    mute.pause(true);
    let (_listener, mut heard, _told) = stage.listener(99, mute);
    let mut last = None;
    for _ in 0..50 {
        let packet = loop {
            let packet = tokio::time::timeout(Duration::from_secs(30), heard.recv()).await;
            let packet = packet.expect("a packet").expect("the call lives");
            // The first ones come before the welcome.
            if packet.user == USER && packet.opus.is_some() {
                break packet;
            }
        };
        let Some(this) = number(&packet.opus.unwrap()) else {
            panic!("not what was sent")
        };
        assert!(
            last.is_none_or(|last| this == last + 1),
            "{last:?} then {this}"
        );
        last = Some(this);
    }
    stage.assert_encrypted();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_said_to_be_sent_is_on_the_wire_at_the_pace_of_the_clock() {
    let stage = Stage::playing(DiscordSimConfig::default()).await;
    let (before, since) = (stage.source.sent(), Instant::now());
    stage.plays_for(Duration::from_secs(2)).await;
    let (sent, took) = (stage.source.sent() - before, since.elapsed());
    let expected = took.as_secs_f64() / FRAME.as_secs_f64();
    assert!(
        (f64::from(sent) - expected).abs() < 10.0,
        "{sent} of {expected}"
    );
    let told = stage.source.sent();
    stage
        .until("all that was sent is heard", |stage| {
            let frames = stage.frames();
            (frames.last()?.1 + 1 >= told).then_some(())
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn disconnect_is_silence_at_once_and_says_nothing() {
    let mut stage = Stage::playing(DiscordSimConfig::default()).await;
    while stage.events.try_recv().is_ok() {}
    let sent = stage.source.sent();
    stage.call.disconnect();
    let after = stage.source.sent();
    let since = Instant::now();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(
        stage.source.sent(),
        after,
        "nothing after the call has returned"
    );
    assert!(after - sent <= 1);
    assert_eq!(stage.attempts(since), (0, 0, 0));
    assert!(stage.events.try_recv().is_err());
}
