use std::time::{Duration, Instant};

use orb_voice::Encryption;
use orb_worker_media::FrameQueue;
use orb_worker_outputs::voice::{Snapshot, Track, VoiceEvent};

use super::PROMPT;
use super::stage::{Over, Stage, append, dave, film, identifies, plain, pts_of};

on_stage! {
    both {
        every_frame_arrives_once_unchanged_in_order_and_in_step: plain(),
        pause_is_silence_at_once_and_resume_goes_on_at_the_next_frame: plain(),
        a_new_source_replaces_the_old_without_a_gap: plain(),
        the_next_item_follows_in_the_very_next_tick: plain(),
        a_pause_right_before_the_join_holds_it: plain(),
        a_seek_whose_first_frame_comes_later_keeps_the_connection: plain(),
        a_film_that_is_there_late_begins_at_once: plain(),
        an_empty_queue_is_silence_and_costs_no_frame: plain(),
        the_position_is_what_the_member_has_heard: plain(),
        encryption_is_shown_where_it_is_known: dave(),
    }
    orb {
        without_end_to_end_encryption_it_says_so: plain(),
    }
    songbird {}
}

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
        total,
        playing,
        ..
    } = stage.voice.snapshot();
    assert_eq!(
        (position_ms, total.sent, total.nulled, playing),
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
        println!("round {round}: sound for {tail:?} after pause, again {wake:?} after resume");
        assert!(wake < PROMPT, "first packet {wake:?} after the resume");
    }
    let pts = stage.heard_pts();
    assert!(
        pts.iter()
            .copied()
            .eq((0..pts.len() as u64).map(|i| i * 20)),
        "{pts:?}"
    );
    assert_eq!(stage.voice.snapshot().total.nulled, 0);
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
    assert!(stage.voice.snapshot().total.nulled > 0);
}

async fn the_next_item_follows_in_the_very_next_tick(mut stage: Stage) {
    stage.join().await;
    let first = Track {
        frames: film(90_000, 91_000),
        pictures: None,
        entry: 1,
        run: 1,
    };
    first.frames.finish();
    stage.voice.play(first, false);
    let second = Track {
        frames: film(0, 1_000),
        pictures: None,
        entry: 2,
        run: 2,
    };
    second.frames.finish();
    stage.voice.follow_with(second);
    stage
        .expect(&VoiceEvent::FirstFrame { pts_ms: 90_000 })
        .await;
    stage.expect(&VoiceEvent::Joined { run: 2 }).await;
    let heard = stage.hear(100).await;
    let pts: Vec<u64> = heard.iter().map(pts_of).collect();
    let both = (90_000..91_000).step_by(20).chain((0..1_000).step_by(20));
    assert!(pts.iter().copied().eq(both), "{pts:?}");
    // Not one packet between, silence or other, and the clock of the sound goes on.
    for pair in heard.windows(2) {
        assert_eq!(pair[1].sequence, pair[0].sequence.wrapping_add(1));
        assert_eq!(pair[1].timestamp, pair[0].timestamp.wrapping_add(960));
    }
    let gap = heard[50].at - heard[49].at;
    assert!(gap < PROMPT, "{gap:?}");
    assert_eq!(
        stage.flags_of_speaking(),
        [1],
        "it is spoken without a break"
    );
    let now = stage.voice.snapshot();
    let item = (now.run, now.entry.sent, now.followed_ms);
    assert_eq!(item, (2, 50, Some(91_000)));
    assert_eq!((now.total.sent, now.total.nulled), (100, 0));
}

async fn a_pause_right_before_the_join_holds_it(mut stage: Stage) {
    stage.join().await;
    let first = film(90_000, 91_000);
    first.finish();
    stage.voice.play(first, false);
    stage.voice.follow_with(film(0, 1_000).into());
    stage.hear(40).await;
    stage.voice.pause();
    stage.until("parked", || stage.speaking() == Some(0)).await;
    let before = stage.heard_pts();
    stage.voice.resume();
    let heard = stage.hear(100).await;
    let pts: Vec<u64> = heard.iter().map(pts_of).collect();
    assert_eq!(pts[..before.len()], before);
    let both = (90_000..91_000).step_by(20).chain((0..1_000).step_by(20));
    assert!(pts.iter().copied().eq(both), "{pts:?}");
}

async fn a_seek_whose_first_frame_comes_later_keeps_the_connection(mut stage: Stage) {
    stage.join().await;
    stage.voice.play(film(0, 60_000), false);
    stage.expect(&VoiceEvent::FirstFrame { pts_ms: 0 }).await;
    let heard = stage.hear(20).await.len();
    let frames = FrameQueue::new(Duration::from_mins(1));
    stage.voice.play(frames.clone(), false);
    assert_eq!(stage.voice.snapshot().position_ms, None);
    // As long as an encoder takes to start; over the own driver the call is parked by then.
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(stage.voice.snapshot().total.nulled, 0, "no fault, a start");
    append(&frames, 3_600_000, 3_660_000);
    let began = VoiceEvent::FirstFrame { pts_ms: 3_600_000 };
    stage.expect(&began).await;
    stage.hear(heard + 20).await;
    let pts = stage.heard_pts();
    let (before, after): (Vec<u64>, Vec<u64>) = pts.iter().partition(|pts| **pts < 3_600_000);
    assert!(
        before
            .iter()
            .copied()
            .eq((0..before.len() as u64).map(|i| i * 20))
    );
    assert!(
        after
            .iter()
            .copied()
            .eq((0..after.len() as u64).map(|i| 3_600_000 + i * 20))
    );
    assert_eq!(identifies(&stage), 1);
}

async fn a_film_that_is_there_late_begins_at_once(mut stage: Stage) {
    stage.join().await;
    let mut waits = Vec::new();
    for round in 0..5 {
        let frames = FrameQueue::new(Duration::from_mins(1));
        stage.voice.play(frames.clone(), false);
        let silent = stage.until("it is quiet", || stage.speaking() != Some(1));
        silent.await;
        let heard = stage.frames().len();
        let asked = Instant::now();
        append(&frames, round * 1_000, round * 1_000 + 100);
        let first = stage.hear(heard + 1).await[heard].at;
        waits.push(first - asked);
        frames.finish();
        while stage.event().await != VoiceEvent::Drained {}
    }
    println!("first frame to first packet: {waits:?}");
    let shortest = *waits.iter().min().unwrap();
    let bound = match stage.over {
        // Its pacer takes it in within 5 ms.
        Over::Orb => Duration::from_millis(15),
        Over::Songbird => PROMPT,
    };
    assert!(shortest < bound, "{waits:?}");
}

async fn the_position_is_what_the_member_has_heard(mut stage: Stage) {
    stage.join().await;
    stage.voice.play(film(0, 60_000), false);
    for round in 1..=20 {
        stage.hear(round * 7).await;
        // The member hears on while we look: from before to after.
        let before = stage.heard_pts().last().unwrap() + 20;
        let position = stage.voice.snapshot().position_ms.unwrap();
        stage
            .until("heard what was sent", || {
                stage.heard_pts().last().unwrap() + 20 >= position
            })
            .await;
        assert!(position + 20 >= before, "{position} with {before} heard");
    }
    stage.voice.pause();
    stage.until("parked", || stage.speaking() == Some(0)).await;
    let Snapshot {
        position_ms, total, ..
    } = stage.voice.snapshot();
    let heard = stage.heard_pts();
    assert_eq!(position_ms, heard.last().map(|pts| pts + 20));
    assert_eq!(total.sent, heard.len() as u64);
}

async fn encryption_is_shown_where_it_is_known(mut stage: Stage) {
    assert_eq!(stage.voice.snapshot().encryption, None);
    stage.voice.play(film(0, 60_000), false);
    stage.join().await;
    stage.hear(1).await;
    let known = (stage.over == Over::Orb).then_some(Encryption::EndToEnd);
    stage
        .until("it is known", || stage.voice.snapshot().encryption == known)
        .await;
    stage.voice.disconnect();
    assert_eq!(stage.voice.snapshot().encryption, None);
}

async fn without_end_to_end_encryption_it_says_so(mut stage: Stage) {
    stage.join().await;
    let known = stage.voice.snapshot().encryption;
    assert_eq!(known, Some(Encryption::TransportOnly));
}
