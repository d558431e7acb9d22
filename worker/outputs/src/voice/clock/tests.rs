#![allow(clippy::unwrap_used)]

use orb_worker_media::FrameQueue;

mod bench;

use self::bench::{Bench, Step};
use super::*;
use Step::{
    At, Breaks, Closes, Ends, Flows, Follow, Forget, Lose, Missing, NotYet, Nothing, Nulled, Pause,
    Play, PlayPaused, Push, PushLong, Resume, Says, Sends, Sent, Stop, Takes,
};

const TABLE: &[(&str, &[Step])] = &[
    (
        "the position moves when a frame was sent, not when it was taken",
        &[
            Play,
            Push(5_000),
            Takes(5_000),
            At(None),
            Sent,
            At(Some(5_020)),
            Says(VoiceEvent::FirstFrame { pts_ms: 5_000 }),
            Push(5_020),
            Sends(5_020),
            At(Some(5_040)),
        ],
    ),
    (
        "nothing was ever played",
        &[Nothing, At(None), Flows(false), Resume, Nothing, Stop],
    ),
    (
        "waiting for the first frame is a start, not starvation",
        &[
            Play,
            NotYet,
            NotYet,
            Nulled(0),
            Flows(false),
            Push(0),
            Sends(0),
            Flows(true),
            Says(VoiceEvent::FirstFrame { pts_ms: 0 }),
        ],
    ),
    (
        "a pause holds the film and loses no frame",
        &[
            Play,
            Push(0),
            Push(20),
            Sends(0),
            Says(VoiceEvent::FirstFrame { pts_ms: 0 }),
            Pause,
            Nothing,
            Flows(false),
            At(Some(20)),
            Resume,
            Flows(true),
            Sends(20),
            At(Some(40)),
            Nulled(0),
        ],
    ),
    (
        "a frame that was under way when the pause came still counts",
        &[
            Play,
            Push(0),
            Takes(0),
            Pause,
            Sent,
            At(Some(20)),
            Says(VoiceEvent::FirstFrame { pts_ms: 0 }),
            Nothing,
        ],
    ),
    (
        "paused from the start",
        &[
            PlayPaused,
            Push(0),
            Nothing,
            At(None),
            Resume,
            Sends(0),
            Says(VoiceEvent::FirstFrame { pts_ms: 0 }),
        ],
    ),
    (
        "a new source comes next, and the old one moves no clock",
        &[
            Play,
            Push(0),
            Push(20),
            Sends(0),
            Says(VoiceEvent::FirstFrame { pts_ms: 0 }),
            Takes(20),
            Play,
            At(None),
            Sent,
            At(None),
            NotYet,
            Push(90_000),
            Sends(90_000),
            At(Some(90_020)),
            Says(VoiceEvent::FirstFrame { pts_ms: 90_000 }),
        ],
    ),
    (
        "a source may be replaced before it gave anything",
        &[
            Play,
            NotYet,
            Play,
            Push(7),
            Sends(7),
            Says(VoiceEvent::FirstFrame { pts_ms: 7 }),
        ],
    ),
    (
        "an empty queue later is starvation, said once, and no frame is skipped",
        &[
            Play,
            Push(0),
            Sends(0),
            Says(VoiceEvent::FirstFrame { pts_ms: 0 }),
            Missing,
            Says(VoiceEvent::Starved),
            Missing,
            Nulled(2),
            Flows(false),
            At(Some(20)),
            Push(20),
            Sends(20),
            Says(VoiceEvent::Refilled),
            Flows(true),
            Missing,
            Says(VoiceEvent::Starved),
        ],
    ),
    (
        "drained is said once, after the last frame, and it is over then, not paused",
        &[
            Play,
            Push(0),
            Ends,
            Sends(0),
            Says(VoiceEvent::FirstFrame { pts_ms: 0 }),
            Flows(true),
            Nothing,
            Says(VoiceEvent::Drained),
            At(Some(20)),
            Flows(false),
            Resume,
            Nothing,
        ],
    ),
    (
        "a source that ends without a frame is drained",
        &[Play, Ends, Nothing, Says(VoiceEvent::Drained), At(None)],
    ),
    (
        "an end while starved is drained, not refilled",
        &[
            Play,
            Push(0),
            Sends(0),
            Says(VoiceEvent::FirstFrame { pts_ms: 0 }),
            Missing,
            Says(VoiceEvent::Starved),
            Ends,
            Nothing,
            Says(VoiceEvent::Drained),
        ],
    ),
    (
        "a packet that is not one frame becomes silence and is counted",
        &[
            Play,
            PushLong(0),
            Push(20),
            Missing,
            Nulled(1),
            At(None),
            Sends(20),
            Says(VoiceEvent::FirstFrame { pts_ms: 20 }),
        ],
    ),
    (
        "stop forgets the film",
        &[
            Play,
            Push(0),
            Push(20),
            Sends(0),
            Says(VoiceEvent::FirstFrame { pts_ms: 0 }),
            Takes(20),
            Stop,
            Sent,
            At(None),
            Nothing,
        ],
    ),
    (
        "a frame that went with its connection moves no clock and is no fault",
        &[
            Play,
            Push(0),
            Push(20),
            Takes(0),
            Lose,
            Sent,
            At(None),
            Takes(20),
            Nulled(0),
            Sent,
            At(Some(40)),
            Says(VoiceEvent::FirstFrame { pts_ms: 20 }),
        ],
    ),
    (
        "a frame that its taker could not send is counted",
        &[
            Play,
            Push(0),
            Push(20),
            Takes(0),
            Sends(20),
            Nulled(1),
            At(Some(40)),
            Says(VoiceEvent::FirstFrame { pts_ms: 20 }),
        ],
    ),
    (
        "what follows by itself is in the tick after the last frame",
        &[
            Play,
            Push(90_000),
            Push(90_020),
            Ends,
            Follow(0),
            Sends(90_000),
            Says(VoiceEvent::FirstFrame { pts_ms: 90_000 }),
            Sends(90_020),
            Flows(true),
            Takes(0),
            At(None),
            Flows(true),
            Sent,
            At(Some(20)),
            Says(JOINED),
            Nulled(0),
        ],
    ),
    (
        "a track that has not ended is not left, however empty it is",
        &[
            Play,
            Push(0),
            Follow(7),
            Sends(0),
            Says(VoiceEvent::FirstFrame { pts_ms: 0 }),
            Missing,
            Says(VoiceEvent::Starved),
            At(Some(20)),
        ],
    ),
    (
        "a track that broke off is followed by nothing",
        &[
            Play,
            Push(0),
            Breaks,
            Follow(7),
            Sends(0),
            Says(VoiceEvent::FirstFrame { pts_ms: 0 }),
            Nothing,
            Says(VoiceEvent::Drained),
            Nothing,
        ],
    ),
    (
        "what was to follow is forgotten, by a stop and by another source, too",
        &[
            Play,
            Push(0),
            Ends,
            Follow(7),
            Forget,
            Sends(0),
            Says(VoiceEvent::FirstFrame { pts_ms: 0 }),
            Nothing,
            Says(VoiceEvent::Drained),
            Play,
            Follow(7),
            Play,
            Ends,
            Nothing,
            Says(VoiceEvent::Drained),
            Play,
            Follow(7),
            Stop,
            Nothing,
        ],
    ),
    (
        "what is over is not followed any more",
        &[
            Play,
            Ends,
            Nothing,
            Says(VoiceEvent::Drained),
            Follow(7),
            Nothing,
        ],
    ),
    (
        "a pause at the end holds what follows, and goes on with its first frame",
        &[
            Play,
            Push(0),
            Ends,
            Follow(7),
            Sends(0),
            Says(VoiceEvent::FirstFrame { pts_ms: 0 }),
            Pause,
            Nothing,
            At(Some(20)),
            Resume,
            Sends(7),
            Says(JOINED),
            At(Some(27)),
        ],
    ),
    (
        "what follows and was closed meanwhile is an end",
        &[
            Play,
            Push(0),
            Ends,
            Follow(7),
            Closes,
            Sends(0),
            Says(VoiceEvent::FirstFrame { pts_ms: 0 }),
            Nothing,
            Says(VoiceEvent::Drained),
        ],
    ),
];

const JOINED: VoiceEvent = VoiceEvent::Joined { run: 2 };

#[test]
fn the_clock_does_what_the_table_says() {
    for (what, steps) in TABLE {
        let mut bench = Bench::default();
        for (number, step) in steps.iter().enumerate() {
            bench.walk(step, &format!("{what}; step {number}: {step:?}"));
        }
        assert!(bench.events.is_empty(), "{what}: {:?}", bench.events);
    }
}

#[test]
fn lateness_is_as_the_sender_says_and_counts_for_sent_frames_only() {
    let mut bench = Bench::default();
    bench.walk(&Play, "");
    for (pts_ms, late_ms) in [(0, 1), (20, 30), (40, 3)] {
        bench.walk(&Push(pts_ms), "");
        bench.walk(&Takes(pts_ms), "");
        let _ = bench.clock.sent(bench.now, Duration::from_millis(late_ms));
        let _ = bench.clock.sent(bench.now, Duration::from_secs(9));
    }
    let reading = bench.clock.read();
    assert_eq!((reading.total.sent, reading.total.late), (3, 1));
    let percentiles = (reading.lateness_p50_ms, reading.lateness_p99_ms);
    assert_eq!(percentiles, (3, 30));
}

#[test]
fn counters_begin_anew_with_another_entry_and_the_totals_go_on() {
    let mut bench = Bench::default();
    let late = |bench: &mut Bench, pts_ms| {
        bench.walk(&Takes(pts_ms), "");
        let _ = bench.clock.sent(bench.now, Duration::from_millis(30));
    };
    for step in [Play, Push(0), Push(20), Ends, Follow(7)] {
        bench.walk(&step, "");
    }
    late(&mut bench, 0);
    late(&mut bench, 20);
    late(&mut bench, 7);
    let reading = bench.clock.read();
    let one = Counts {
        sent: 1,
        nulled: 0,
        late: 1,
    };
    assert_eq!((reading.run, reading.entry), (2, one));
    assert_eq!((reading.total.sent, reading.total.late), (3, 3));
    assert_eq!(reading.followed_ms, Some(40), "where the other one ended");
    bench.frames = Some(FrameQueue::new(Duration::from_secs(10)));
    bench.clock.play(bench.track(2), false);
    let reading = bench.clock.read();
    assert_eq!(reading.entry, one, "a seek is the same entry");
    assert_eq!(reading.followed_ms, None);
}

#[test]
fn when_the_last_frame_went_out_is_known() {
    let mut bench = Bench::default();
    for step in [Play, Push(0), Push(20)] {
        bench.walk(&step, "");
    }
    for pts_ms in [0, 20] {
        bench.walk(&Sends(pts_ms), "");
        let at = bench.clock.read().position.unwrap().sent_at;
        assert_eq!(at + TICK, bench.now);
    }
}
