#![allow(clippy::unwrap_used)]

use std::sync::{Arc, Mutex};

use bytes::Bytes;

use super::*;
use crate::{
    dave::OnDowngrade,
    packet::{IncomingFrame, PacketError},
};

type Sent = Arc<Mutex<Vec<(u32, Vec<u8>)>>>;

/// Keeps what it is given.
struct Recorder(Sent);

impl PacketLayer for Recorder {
    fn send(
        &mut self,
        frame: OutgoingFrame<'_>,
        _: Instant,
        wire: &mut dyn FnMut(&[u8]),
    ) -> Result<(), PacketError> {
        let sent = (frame.rtp_time, frame.payload.to_vec());
        self.0.lock().unwrap().push(sent);
        wire(frame.payload);
        Ok(())
    }

    fn receive<'p>(
        &mut self,
        _: &'p mut [u8],
        _: Instant,
        _: &mut dyn FnMut(&[u8]),
    ) -> Result<Option<IncomingFrame<'p>>, PacketError> {
        Ok(None)
    }

    fn next_deadline(&self) -> Option<Instant> {
        None
    }

    fn on_deadline(&mut self, _: Instant, _: &mut dyn FnMut(&[u8])) {}
}

struct Stage {
    media: Media,
    dave: Dave,
    sent: Sent,
    start: Instant,
}

impl Stage {
    fn new(dave_version: u16) -> Self {
        let sent = Sent::default();
        let start = Instant::now();
        let mut dave = Dave::new(1, 2, OnDowngrade::Hold);
        dave.begin(dave_version);
        Self {
            media: Media::new(Box::new(Recorder(Arc::clone(&sent))), 1000, start),
            dave,
            sent,
            start,
        }
    }

    fn tick(&mut self, number: u32, next: NextFrame) -> Ticked {
        let due = self.start + FRAME * number;
        self.media
            .tick(due, due, &mut self.dave, || next, &mut |_| {})
    }

    fn sent(&self) -> Vec<(u32, Vec<u8>)> {
        std::mem::take(&mut self.sent.lock().unwrap())
    }
}

fn frame() -> NextFrame {
    NextFrame::Opus(Bytes::from_static(&[0xfc, 1, 2]))
}

#[test]
fn sound_begins_with_the_speaking_flag_and_ends_with_five_silences() {
    let mut stage = Stage::new(0);
    assert_eq!(stage.tick(1, frame()).speaking, Some(Speaking::Microphone));
    assert_eq!(stage.tick(2, frame()).speaking, None);
    stage.sent();
    let tail: Vec<Ticked> = (3..8).map(|n| stage.tick(n, NextFrame::Idle)).collect();
    assert!(
        tail[..4]
            .iter()
            .all(|one| !one.idle && one.speaking.is_none())
    );
    assert_eq!(tail[4].speaking, Some(Speaking::Not));
    assert!(tail[4].idle);
    let sent = stage.sent();
    assert_eq!(sent.len(), 5);
    assert!(sent.iter().all(|(_, payload)| payload == &OPUS_SILENCE));
    assert!(stage.tick(8, NextFrame::Idle).idle);
    assert!(stage.sent().is_empty());
}

#[test]
fn timestamps_follow_the_clock_over_a_pause() {
    let mut stage = Stage::new(0);
    for number in [1, 2, 100, 101] {
        stage.tick(number, frame());
    }
    let times: Vec<u32> = stage.sent().iter().map(|(time, _)| *time).collect();
    assert_eq!(times, [1, 2, 100, 101].map(|n| 1000 + n * 960));
}

#[test]
fn frames_made_up_for_at_once_have_timestamps_of_their_own() {
    let mut stage = Stage::new(0);
    for number in [5, 5, 5, 6] {
        stage.tick(number, frame());
    }
    let times: Vec<u32> = stage.sent().iter().map(|(time, _)| *time).collect();
    assert_eq!(times, [5, 6, 7, 8].map(|n| 1000 + n * 960));
}

#[test]
fn without_a_key_no_frame_is_even_taken() {
    let mut stage = Stage::new(1);
    let due = stage.start + FRAME;
    let ticked = stage.media.tick(
        due,
        due,
        &mut stage.dave,
        || panic!("a frame was taken that cannot be sent"),
        &mut |_| {},
    );
    assert!(ticked.idle && !ticked.sent_frame);
    assert!(stage.sent().is_empty());
}

#[test]
fn a_hold_stops_at_once_and_forgets_the_tail() {
    let mut stage = Stage::new(0);
    stage.tick(1, frame());
    stage.media.hold();
    assert_eq!(stage.tick(2, frame()).speaking, Some(Speaking::Not));
    assert_eq!(stage.sent().len(), 1);
    stage.media.release();
    assert!(stage.tick(3, frame()).sent_frame);
}

#[test]
fn a_missing_frame_is_one_silence_and_the_next_tick_asks_again() {
    let mut stage = Stage::new(0);
    stage.tick(1, frame());
    for number in 2..20 {
        assert!(!stage.tick(number, NextFrame::Missing).idle);
    }
    let silences = stage.sent().len() - 1;
    assert_eq!(silences, 18, "one for each tick");
    assert_eq!(stage.media.counts().missing, 18);
}
