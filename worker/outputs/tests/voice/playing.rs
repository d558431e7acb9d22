use std::time::{Duration, Instant};

use orb_worker_media::FrameQueue;
use orb_worker_outputs::voice::{Snapshot, VoiceEvent};

use super::PROMPT;
use super::stage::{append, film, on_stage, plain, pts_of};

async fn every_frame_arrives_once_unchanged_in_order_and_in_step(mut stage: Stage) {
    stage.join().await;
    let frames = film(90_000, 93_000);
    frames.finish();
    stage.voice.play(frames, false);
    stage
        .expect(&VoiceEvent::FirstFrame { pts_ms: 90_000 })
        .await;
    stage.expect(&VoiceEvent::Drained).await;
    let heard = stage.hear(150).await;
    let pts: Vec<u64> = heard.iter().map(pts_of).collect();
    assert!(
        pts.iter().copied().eq((90_000..93_000).step_by(20)),
        "{pts:?}"
    );

    let span = heard[149].at - heard[0].at;
    assert!(
        span.abs_diff(Duration::from_millis(149 * 20)) < PROMPT,
        "{span:?}"
    );
    assert!(
        heard
            .windows(2)
            .all(|pair| pair[1].sequence == pair[0].sequence.wrapping_add(1))
    );
    let Snapshot {
        position_ms,
        frames_sent,
        frames_nulled,
        playing,
        ..
    } = stage.voice.snapshot();
    assert_eq!(
        (position_ms, frames_sent, frames_nulled, playing),
        (Some(93_000), 150, 0, false)
    );
    stage
        .until("speaking is cleared", || stage.speaking() == Some(0))
        .await;
}

async fn pause_is_silence_at_once_and_resume_goes_on_at_the_next_frame(mut stage: Stage) {
    stage.join().await;
    stage.voice.play(film(0, 60_000), false);
    for round in 1..=3 {
        stage.hear(round * 20).await;
        let asked = Instant::now();
        stage.voice.pause();
        stage.until("parked", || stage.speaking() == Some(0)).await;
        let heard = stage.frames();
        let last = heard.last().unwrap();
        let tail = last.at.saturating_duration_since(asked);
        assert!(tail < PROMPT, "sound for {tail:?} after the pause");
        assert_eq!(stage.voice.snapshot().position_ms, Some(pts_of(last) + 20));

        let asked = Instant::now();
        stage.voice.resume();
        let heard = stage.hear(heard.len() + 1).await;
        let wake = heard[heard.len() - 1].at - asked;
        println!(
            "round {round}: sound for {tail:?} after pause, again {wake:?} after resume"
        );
        assert!(wake < PROMPT, "first packet {wake:?} after the resume");
    }
    let pts = stage.heard_pts();
    assert!(
        pts.iter()
            .copied()
            .eq((0..pts.len() as u64).map(|i| i * 20)),
        "{pts:?}"
    );
    assert_eq!(stage.voice.snapshot().frames_nulled, 0);
}

async fn a_new_source_replaces_the_old_without_a_gap(mut stage: Stage) {
    stage.join().await;
    stage.voice.play(film(0, 60_000), false);
    stage.hear(20).await;
    let asked = Instant::now();
    stage.voice.play(film(3_600_000, 3_660_000), false);
    stage
        .until("the new place is heard", || {
            stage.heard_pts().last() > Some(&3_600_000)
        })
        .await;
    let heard = stage.frames();
    let at = heard
        .iter()
        .position(|packet| pts_of(packet) == 3_600_000)
        .expect("the first frame");
    println!("new source heard {:?} after the call", heard[at].at - asked);
    assert!(heard[at].at - asked < PROMPT);
    assert_eq!(
        heard[at].sequence,
        heard[at - 1].sequence.wrapping_add(1),
        "no packet between"
    );
}

async fn an_empty_queue_is_silence_and_costs_no_frame(mut stage: Stage) {
    stage.join().await;
    let frames = FrameQueue::new(Duration::from_mins(1));
    stage.voice.play(frames.clone(), false);
    append(&frames, 0, 400);
    stage.expect(&VoiceEvent::FirstFrame { pts_ms: 0 }).await;
    stage.expect(&VoiceEvent::Starved).await;
    assert!(!stage.voice.snapshot().playing);
    append(&frames, 400, 800);
    stage.expect(&VoiceEvent::Refilled).await;
    assert!(
        stage
            .hear(40)
            .await
            .iter()
            .map(pts_of)
            .eq((0..800).step_by(20))
    );
    assert!(stage.voice.snapshot().frames_nulled > 0);
}
