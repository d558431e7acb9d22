#![allow(clippy::unwrap_used)]
use std::thread;
use std::time::Instant;

use super::*;
use crate::frames::Pop;

/// What a consumer waits for at most.
const PATIENCE: Duration = Duration::from_secs(20);

enum Packet {
    Sound(u64),
    Picture(u64, usize),
}
use Packet::{Picture as P, Sound as S};

fn queues() -> Queues {
    Queues {
        frames: FrameQueue::new(Duration::from_secs(4)),
        pictures: Some(PictureQueue::new(PICTURE_BYTES)),
    }
}

fn sink(queues: &Queues, number: u64, join: Join) -> LaneSink {
    let lane = Lane {
        number,
        join,
        rung: None,
        start_ms: 0,
    };
    let first = watch::Sender::new(None);
    LaneSink::new(
        lane,
        queues.clone(),
        Activity::new(),
        first,
        oneshot::channel().0,
    )
}

fn give(sink: &mut LaneSink, packets: impl IntoIterator<Item = Packet>) -> Result<(), Closed> {
    for packet in packets {
        match packet {
            S(pts_ms) => sink.sound(OpusFrame {
                pts_ms,
                data: Bytes::from_static(&[0xfc]),
            })?,
            P(pts_ms, bytes) => {
                let entry = if pts_ms % 1000 == 0 {
                    Entry::Idr
                } else {
                    Entry::None
                };
                let picture = Picture {
                    data: vec![0; bytes].into(),
                    entry,
                    reference: true,
                };
                sink.picture(pts_ms, picture)?;
            }
        }
    }
    Ok(())
}

fn sounds(from: u64, until: u64) -> impl Iterator<Item = Packet> {
    (from..until).step_by(20).map(S)
}

fn pictures(from: u64, until: u64, bytes: usize) -> impl Iterator<Item = Packet> {
    (from..until).step_by(40).map(move |at| P(at, bytes))
}

fn together(from: u64, until: u64, bytes: usize) -> impl Iterator<Item = Packet> {
    (from..until)
        .step_by(40)
        .flat_map(move |at| [S(at), S(at + 20), P(at, bytes)])
}

/// What a channel gets whose clock is the sound: media times of pictures, of sound, and of sound that is not silence.
#[derive(Default)]
struct Shown {
    pictures: Vec<u64>,
    sound: Vec<u64>,
    heard: Vec<u64>,
}

fn show(queues: &Queues, takes_pictures: bool) -> Shown {
    let mut shown = Shown::default();
    let mut waited = Instant::now();
    loop {
        match queues.frames.pop() {
            Pop::Frame(frame) => {
                shown.sound.push(frame.pts_ms);
                if frame.data != SILENCE {
                    shown.heard.push(frame.pts_ms);
                }
                waited = Instant::now();
            }
            Pop::Drained => return shown,
            Pop::Empty => {
                assert!(
                    waited.elapsed() < PATIENCE,
                    "stuck after {:?}",
                    shown.sound.last()
                );
                thread::sleep(Duration::from_millis(1));
            }
        }
        let pictures = queues.pictures.as_ref().unwrap();
        let now = queues.frames.given_until_ms().unwrap_or_default();
        while takes_pictures && pictures.oldest_ms().is_some_and(|oldest| oldest < now) {
            shown.pictures.push(pictures.pop().unwrap().pts_ms);
        }
    }
}

/// Gives a film as ffmpeg's pipe might bear it, and shows it meanwhile.
fn play(packets: Vec<Packet>, takes_pictures: bool) -> Shown {
    let queues = queues();
    let given = queues.clone();
    let producer = thread::spawn(move || {
        give(&mut sink(&given, 1, Join::AtIdr), packets).unwrap();
        given.sound_to_the_last_picture(1).unwrap();
        given.pictures.as_ref().unwrap().finish();
        given.frames.finish();
    });
    let shown = show(&queues, takes_pictures);
    producer.join().unwrap();
    for pair in shown.sound.windows(2) {
        assert_eq!(pair[1], pair[0] + 20, "a gap or a repeat");
    }
    shown
}

/// Whatever a film lacks, and however its tracks lie, it is shown to its end.
#[test]
fn neither_track_waits_for_the_other_for_good() {
    const BIG: usize = 200_000;
    const SMALL: usize = 500;
    let all: Vec<u64> = (0..30_000).step_by(40).collect();
    for bytes in [SMALL, BIG] {
        type Film = Vec<Packet>;
        let films: [(&str, Film, bool); 6] = [
            ("both", together(0, 30_000, bytes).collect(), true),
            (
                "the sound ends first",
                together(0, 2_000, bytes)
                    .chain(pictures(2_000, 30_000, bytes))
                    .collect(),
                true,
            ),
            (
                "the sound begins late",
                pictures(0, 20_000, bytes)
                    .chain(sounds(0, 20_000))
                    .chain(together(20_000, 30_000, bytes))
                    .collect(),
                true,
            ),
            ("no sound", pictures(0, 30_000, bytes).collect(), true),
            (
                "the picture ends first",
                together(0, 2_000, bytes)
                    .chain(sounds(2_000, 30_000))
                    .collect(),
                false,
            ),
            (
                "the picture pauses",
                together(0, 2_000, bytes)
                    .chain(sounds(2_000, 25_000))
                    .chain(together(25_000, 30_000, bytes))
                    .collect(),
                false,
            ),
        ];
        for (what, packets, has_all_pictures) in films {
            let shown = play(packets, true);
            assert!(*shown.sound.last().unwrap() >= 29_900, "{what} {bytes}");
            if has_all_pictures {
                assert_eq!(shown.pictures, all, "{what} {bytes}");
            }
        }
    }
}

#[test]
fn tracks_that_lie_two_seconds_apart_lose_nothing() {
    for bytes in [500, 60_000] {
        let second = |at: u64| pictures(at, at + 2000, bytes).chain(sounds(at, at + 2000));
        let shown = play((0..30_000).step_by(2000).flat_map(second).collect(), true);
        assert_eq!(shown.heard.len(), 1500);
        assert_eq!(shown.pictures.len(), 750);
    }
}

#[test]
fn pictures_that_nobody_takes_do_not_end_the_sound() {
    let shown = play(together(0, 30_000, 200_000).collect(), false);
    assert_eq!(shown.heard.len(), 1500);
}

/// Ten seconds of picture before the first sound: a copy after a seek into a long GOP.
#[test]
fn a_copy_has_its_pictures_before_its_sound() {
    let queues = queues();
    let mut producer = LaneSink {
        lane: Lane {
            start_ms: 9_900,
            ..sink(&queues, 1, Join::AtIdr).lane
        },
        ..sink(&queues, 1, Join::AtIdr)
    };
    give(&mut producer, pictures(0, 9_900, 60_000)).unwrap();
    assert!(
        queues.frames.buffered().is_zero(),
        "no silence in its place"
    );
    assert_eq!(queues.pictures.as_ref().unwrap().oldest_ms(), Some(0));
}

#[test]
fn a_run_beside_another_is_not_heard_before_it_is_seen() {
    let queues = queues();
    let (mut old, mut new) = (
        sink(&queues, 1, Join::AtIdr),
        sink(&queues, 2, Join::Beside),
    );
    give(&mut old, together(0, 2_000, 500)).unwrap();
    give(&mut new, together(1_200, 1_800, 600)).unwrap();
    give(&mut old, together(2_000, 2_400, 500)).unwrap();
    assert_eq!(queues.frames.last_pts_ms(), Some(2_380));
    give(&mut new, together(1_800, 2_600, 600)).unwrap();
    assert_eq!(give(&mut old, together(2_400, 2_600, 500)), Err(Closed));
    give(&mut new, together(2_600, 3_000, 600)).unwrap();
    queues.frames.finish();
    let shown = show(&queues, true);
    assert_eq!(shown.heard, (0..3_000).step_by(20).collect::<Vec<_>>());
    assert_eq!(shown.pictures, (0..3_000).step_by(40).collect::<Vec<_>>());
}

/// A consumer that has heard all there was gets what the successor had in hand.
#[test]
fn no_sound_is_lost_when_the_old_run_has_given_too_little() {
    let queues = queues();
    let (mut old, mut new) = (
        sink(&queues, 1, Join::AtIdr),
        sink(&queues, 2, Join::Beside),
    );
    give(&mut old, together(0, 400, 500)).unwrap();
    give(&mut new, sounds(400, 1_000)).unwrap();
    queues.pictures.as_ref().unwrap().finish();
    give(&mut new, together(1_000, 1_400, 500)).unwrap();
    queues.frames.finish();
    let shown = show(&queues, true);
    assert_eq!(shown.heard, (0..1_400).step_by(20).collect::<Vec<_>>());
}

#[test]
fn a_run_that_gives_sound_alone_is_given_up() {
    let queues = queues();
    let mut new = sink(&queues, 2, Join::Beside);
    assert_eq!(give(&mut new, sounds(0, 40_000)), Err(Closed));
}
