#![allow(clippy::unwrap_used)]
use std::sync::Arc;

use orb_worker_media::{FrameQueue, OpusFrame};

use super::*;
use crate::voice::clock::TICK;

/// A tap that is joined and past the silence at the start, with a clock that the test moves.
struct Bench {
    tap: Arc<Tap>,
    link: u64,
    talk: u64,
    now: Instant,
}

impl Bench {
    fn playing(frames: &Arc<FrameQueue>) -> Self {
        let now = Instant::now();
        let tap = Tap::new(Arc::default());
        let link = tap.new_link(1);
        tap.on_connected(link, 11, now);
        tap.deck.clock().play(Arc::clone(frames).into(), false);
        let now = now + DAVE_SETTLE;
        let talk = tap.begin_talk(now).unwrap();
        let bench = Self {
            tap,
            link,
            talk,
            now,
        };
        assert_eq!(bench.events(), [VoiceEvent::Connected { revision: 1 }]);
        bench
    }

    fn tick(&mut self) -> Pull {
        let pull = self.tap.pull(self.talk, self.now);
        self.now += TICK;
        pull
    }

    fn position(&self) -> Option<u64> {
        let position = self.tap.deck.clock().read().position;
        position.map(|position| position.media_ms)
    }

    fn sent_at(&self) -> Option<Instant> {
        let position = self.tap.deck.clock().read().position;
        position.map(|position| position.sent_at)
    }

    fn events(&self) -> Vec<VoiceEvent> {
        std::iter::from_fn(|| self.tap.deck.outbox.take()).collect()
    }
}

fn queue(pts_ms: impl IntoIterator<Item = u64>) -> Arc<FrameQueue> {
    let queue = FrameQueue::new(Duration::from_secs(10));
    pts_ms
        .into_iter()
        .for_each(|pts_ms| queue.push(frame(pts_ms)).unwrap());
    queue
}

fn frame(pts_ms: u64) -> OpusFrame {
    OpusFrame {
        pts_ms,
        data: packet(pts_ms),
    }
}

fn packet(pts_ms: u64) -> Bytes {
    let mut packet = vec![0xf8];
    packet.extend_from_slice(&pts_ms.to_le_bytes());
    packet.into()
}

fn sent(pts_ms: u64) -> Pull {
    Pull::Frame(packet(pts_ms))
}

#[test]
fn the_position_moves_when_a_frame_has_been_sent_not_when_it_was_taken() {
    let mut bench = Bench::playing(&queue([5_000, 5_020]));
    assert_eq!(bench.tick(), sent(5_000));
    assert_eq!((bench.position(), bench.events()), (None, vec![]));
    assert_eq!(bench.tick(), sent(5_020));
    assert_eq!(bench.position(), Some(5_020));
    assert_eq!(bench.events(), [VoiceEvent::FirstFrame { pts_ms: 5_000 }]);
    assert_eq!(bench.tick(), Pull::Silence);
    assert_eq!(bench.position(), Some(5_040));
    assert_eq!(bench.sent_at(), bench.now.checked_sub(TICK));
}

#[test]
fn a_pause_ends_the_talk_and_a_resume_begins_another_at_the_next_frame() {
    let mut bench = Bench::playing(&queue([0, 20, 40]));
    bench.tick();
    bench.tap.deck.clock().pause();
    assert_eq!(bench.tick(), Pull::End);
    assert_eq!(bench.position(), Some(20));
    assert_eq!(bench.tap.begin_talk(bench.now), None);
    bench.tap.deck.clock().resume();
    bench.now += Duration::from_mins(1);
    bench.talk = bench.tap.begin_talk(bench.now).unwrap();
    assert_eq!(bench.tick(), sent(20));
    assert_eq!(bench.tick(), sent(40));
    assert_eq!(
        bench.tap.deck.clock().read().total.late,
        0,
        "a pause is no lateness"
    );
}

#[test]
fn a_resume_before_the_pause_was_noticed_needs_no_new_talk() {
    let mut bench = Bench::playing(&queue([0, 20]));
    bench.tick();
    bench.tap.deck.clock().pause();
    bench.tap.deck.clock().resume();
    assert_eq!(bench.tap.begin_talk(bench.now), None);
    assert_eq!(bench.tick(), sent(20));
}

#[test]
fn a_new_source_is_heard_at_the_next_tick_and_the_old_one_moves_no_clock() {
    let mut bench = Bench::playing(&queue([0, 20]));
    bench.tick();
    bench
        .tap
        .deck
        .clock()
        .play(queue([90_000, 90_020]).into(), false);
    assert_eq!(bench.tap.begin_talk(bench.now), None, "the talk goes on");
    assert_eq!(bench.position(), None);
    assert_eq!(bench.tick(), sent(90_000));
    assert_eq!(
        bench.position(),
        None,
        "the frame that went out was the old source's"
    );
    bench.tick();
    assert_eq!(bench.position(), Some(90_020));
    assert_eq!(bench.events(), [VoiceEvent::FirstFrame { pts_ms: 90_000 }]);
    assert_eq!(bench.tap.deck.clock().read().total.sent, 2);
}

#[test]
fn silence_fills_the_wait_for_the_first_frame_and_any_gap() {
    let frames = queue([]);
    let mut bench = Bench::playing(&frames);
    assert_eq!(bench.tick(), Pull::Silence, "the talk goes on");
    frames.push(frame(0)).unwrap();
    assert_eq!(bench.tick(), sent(0));
    assert_eq!(bench.tick(), Pull::Silence);
    frames.push(frame(20)).unwrap();
    assert_eq!(bench.tick(), sent(20));
}

#[test]
fn drained_is_said_when_the_last_frame_has_gone_out() {
    let frames = queue([0]);
    let mut bench = Bench::playing(&frames);
    bench.tick();
    frames.finish();
    assert_eq!(bench.tick(), Pull::End);
    assert_eq!(bench.position(), Some(20));
    assert_eq!(
        bench.events(),
        [VoiceEvent::FirstFrame { pts_ms: 0 }, VoiceEvent::Drained]
    );
    assert_eq!(
        bench.tap.begin_talk(bench.now),
        None,
        "it is over, not paused"
    );
}

#[test]
fn nothing_but_silence_before_dave_can_be_ready() {
    let tap = Tap::new(Arc::default());
    let link = tap.new_link(1);
    tap.deck.clock().play(queue([0]).into(), false);
    let mut now = Instant::now();
    let talk = tap.begin_talk(now).unwrap();
    assert_eq!(tap.pull(talk, now), Pull::Silence, "not connected");
    tap.on_connected(link, 11, now);
    for _ in 0..DAVE_SETTLE.as_millis() / TICK.as_millis() {
        assert_eq!(tap.pull(talk, now), Pull::Silence);
        now += TICK;
    }
    assert_eq!(tap.pull(talk, now), sent(0));
}

#[test]
fn a_resumed_websocket_is_not_heard_but_a_new_transport_waits_for_dave_again() {
    let mut bench = Bench::playing(&queue([0, 20, 40]));
    bench.tick();
    bench.tap.on_connected(bench.link, 11, bench.now);
    assert_eq!(bench.tick(), sent(20), "RESUMEd: media never stopped");
    bench.tap.on_connected(bench.link, 12, bench.now);
    assert_eq!(bench.tick(), Pull::Silence);
    bench.now += DAVE_SETTLE;
    assert_eq!(
        bench.position(),
        Some(20),
        "the frame under way when the transport went is not counted"
    );
    // Nobody ticked meanwhile, which looks like a stall.
    assert_eq!([bench.tick(), bench.tick()], [Pull::Silence, Pull::Silence]);
    assert_eq!(bench.tick(), sent(40));
}

#[test]
fn after_a_stall_there_is_silence_until_the_event_can_be_there() {
    let mut bench = Bench::playing(&queue([0, 20]));
    bench.tick();
    bench.now += STALL;
    assert_eq!([bench.tick(), bench.tick()], [Pull::Silence, Pull::Silence]);
    assert_eq!(bench.tick(), sent(20));
}

#[test]
fn a_short_hiccup_of_the_machine_costs_nothing() {
    let mut bench = Bench::playing(&queue([0, 20]));
    bench.tick();
    bench.now += Duration::from_millis(150);
    assert_eq!(bench.tick(), sent(20));
}

#[test]
fn a_stall_is_reported_once_and_so_is_its_end() {
    let mut bench = Bench::playing(&queue([0]));
    bench.tick();
    bench.events();
    bench.now += Duration::from_secs(1);
    bench.tap.watch_for_stall(bench.now);
    bench.tap.watch_for_stall(bench.now);
    assert_eq!(bench.events(), [VoiceEvent::Reconnecting { revision: 1 }]);
    assert!(!bench.tap.status().connected);
    bench.tick();
    bench.tap.watch_for_stall(bench.now);
    assert!(
        bench
            .events()
            .contains(&VoiceEvent::Connected { revision: 1 })
    );
}

#[test]
fn an_older_connection_can_neither_take_frames_nor_report() {
    let mut bench = Bench::playing(&queue([0, 20, 40]));
    bench.tick();
    let newer = bench.tap.new_link(2);
    assert_eq!(bench.tick(), Pull::End);
    bench.tap.on_lost(bench.link, Some(4006), "late".into());
    bench.tap.on_connected(bench.link, 11, bench.now);
    assert_eq!(bench.events(), []);
    bench.tap.on_connected(newer, 12, bench.now);
    assert_eq!(bench.events(), [VoiceEvent::Connected { revision: 2 }]);
    bench.now += DAVE_SETTLE;
    bench.talk = bench.tap.begin_talk(bench.now).unwrap();
    assert_eq!(bench.tick(), sent(20), "the clock stood and goes on");
}

#[test]
fn lost_names_the_revision_and_the_code() {
    let bench = Bench::playing(&queue([0]));
    bench.tap.on_lost(bench.link, Some(4014), "moved".into());
    let lost = VoiceEvent::Lost {
        stream: false,
        revision: 1,
        close_code: Some(4014),
        reason: "moved".into(),
    };
    assert_eq!(bench.events(), [lost]);
    assert!(!bench.tap.status().connected && !bench.tap.status().sends);
}
