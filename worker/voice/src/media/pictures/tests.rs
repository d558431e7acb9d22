#![allow(clippy::unwrap_used)]

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use orb_video::ladder::Wants;

mod in_the_middle;

use super::{super::ANNOUNCED_BEFORE, *};
use crate::{
    LineReport, Media, NextFrame, PictureFormat,
    dave::OnDowngrade,
    packet::{IncomingFrame, PacketError, PathState},
    wire::Speaking,
};

const MS: Duration = Duration::from_millis(1);

/// What the layer is like, and what it was given.
#[derive(Default)]
struct Log {
    state: Option<PathState>,
    refuses: bool,
    is_full: bool,
    waiting: usize,
    sent: Vec<(MediaKind, u32, Duration, Vec<u8>)>,
    report: Option<LineReport>,
    probed: Option<u64>,
    deadline: Option<Instant>,
    deadlines_done: u32,
}

struct Layer {
    log: Arc<Mutex<Log>>,
    start: Instant,
}

impl PacketLayer for Layer {
    fn send(
        &mut self,
        frame: OutgoingFrame<'_>,
        now: Instant,
        _: &mut dyn FnMut(&[u8]),
    ) -> Result<(), PacketError> {
        let mut log = self.log.lock().unwrap();
        if log.refuses {
            return Err(PacketError::TooMuchWaiting { bytes: 1 });
        }
        assert!(frame.wallclock <= now);
        let moment = frame.wallclock - self.start;
        log.sent
            .push((frame.kind, frame.rtp_time, moment, frame.payload.to_vec()));
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
        self.log.lock().unwrap().deadline
    }

    fn on_deadline(&mut self, _: Instant, _: &mut dyn FnMut(&[u8])) {
        let mut log = self.log.lock().unwrap();
        log.deadline = None;
        log.deadlines_done += 1;
    }

    fn state(&self) -> PathState {
        self.log.lock().unwrap().state.unwrap_or(PathState::Open)
    }

    fn has_room(&mut self) -> bool {
        !self.log.lock().unwrap().is_full
    }

    fn bytes_waiting(&mut self) -> usize {
        self.log.lock().unwrap().waiting
    }

    fn take_feedback(&mut self, _: Instant) -> Option<LineReport> {
        self.log.lock().unwrap().report.take()
    }

    fn set_probe_target(&mut self, bits_per_second: u64) {
        self.log.lock().unwrap().probed = Some(bits_per_second);
    }
}

/// Pictures in a row, and what was said of them.
#[derive(Default)]
struct Film {
    next: Mutex<VecDeque<NextPicture>>,
    asked: Mutex<u32>,
    sent: Mutex<Vec<Duration>>,
    reports: Mutex<Vec<LineReport>>,
}

impl Film {
    fn asked(&self) -> u32 {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

impl PictureSource for Film {
    fn next(&self, _: Instant) -> NextPicture {
        *self.asked.lock().unwrap() += 1;
        let next = self.next.lock().unwrap().pop_front();
        next.unwrap_or(NextPicture::Idle)
    }

    fn sent(&self, _: Instant, late: Duration) {
        self.sent.lock().unwrap().push(late);
    }

    fn line(&self, report: &LineReport) -> u64 {
        self.reports.lock().unwrap().push(*report);
        3_000_000
    }

    fn format(&self) -> Option<PictureFormat> {
        None
    }
}

struct Stage {
    media: Media,
    dave: Dave,
    film: Film,
    log: Arc<Mutex<Log>>,
    start: Instant,
}

impl Stage {
    /// A path that is open and announced, in a call without DAVE.
    fn new() -> Self {
        Self::begun_at(Instant::now())
    }

    fn begun_at(start: Instant) -> Self {
        let log = Arc::<Mutex<Log>>::default();
        let layer = Layer {
            log: Arc::clone(&log),
            start,
        };
        let mut media = Media::for_stream(Box::new(layer), [1000, 2000], start);
        log.lock().unwrap().state = Some(PathState::Opening);
        media.announce(true, start);
        log.lock().unwrap().state = Some(PathState::Open);
        let mut dave = Dave::new(1, 2, OnDowngrade::Follow);
        dave.begin(0);
        Self {
            media,
            dave,
            film: Film::default(),
            log,
            start,
        }
    }

    fn give(&self, next: impl IntoIterator<Item = NextPicture>) {
        self.film.next.lock().unwrap().extend(next);
    }

    /// `name`, due at `ms`.
    fn picture(&self, name: &'static str, ms: u32, idr: bool) -> NextPicture {
        NextPicture::Picture {
            data: Bytes::from_static(name.as_bytes()),
            due: self.start + ms * MS,
            idr,
        }
    }

    /// When it wants the next turn, since the start.
    fn turn(&mut self, ms: u32) -> Option<Duration> {
        let now = self.start + ms * MS;
        let next = self.media.turn(
            now,
            &mut self.dave,
            Some(&self.film),
            Wants::default(),
            &mut |_| {},
        );
        next.map(|next| next - self.start)
    }

    fn log(&self) -> std::sync::MutexGuard<'_, Log> {
        self.log.lock().unwrap()
    }

    fn sent(&self) -> Vec<String> {
        let sent = std::mem::take(&mut self.log().sent);
        let names = sent.into_iter();
        names
            .map(|(_, _, _, payload)| String::from_utf8(payload).unwrap())
            .collect()
    }
}

#[test]
fn pictures_go_out_at_their_times_on_the_clock_that_sound_has() {
    let mut stage = Stage::new();
    stage.give([
        stage.picture("a", 40, true),
        NextPicture::At(stage.start + 82 * MS),
    ]);
    assert_eq!(stage.turn(43), Some(82 * MS));
    let due = stage.start + 60 * MS;
    let sound = NextFrame::Opus(Bytes::from_static(b"sound"));
    let ticked = stage
        .media
        .tick(due, due, &mut stage.dave, || sound, &mut |_| {});
    assert_eq!(ticked.speaking, Some(Speaking::Soundshare));
    stage.give([stage.picture("b", 82, false)]);
    assert_eq!(stage.turn(82), Some(182 * MS), "news of the line");
    let expected = [
        (MediaKind::Video, 2000 + 40 * 90, 40 * MS, b"a".to_vec()),
        (MediaKind::Audio, 1000 + 60 * 48, 60 * MS, b"sound".to_vec()),
        (MediaKind::Video, 2000 + 82 * 90, 82 * MS, b"b".to_vec()),
    ];
    assert_eq!(stage.log().sent, expected);
    assert_eq!(*stage.film.sent.lock().unwrap(), [3 * MS, Duration::ZERO]);
    assert_eq!(stage.media.counts().pictures, 2);
}

#[test]
fn nothing_is_taken_before_it_was_announced_or_while_held_or_while_the_path_is_shut() {
    let mut stage = Stage::new();
    stage.media.announce(false, stage.start);
    stage.turn(1);
    stage.media.announce(true, stage.start);
    assert_eq!(stage.turn(1), Some(ANNOUNCED_BEFORE), "it has to arrive");
    stage.media.announce(false, stage.start);
    stage.log().state = Some(PathState::Opening);
    stage.media.announce(true, stage.start);
    stage.log().state = Some(PathState::Open);
    stage.media.hold();
    stage.turn(2);
    stage.media.release();
    for state in [PathState::Opening, PathState::Lost] {
        stage.log().state = Some(state);
        stage.turn(3);
        let due = stage.start + 20 * MS;
        let asked = || panic!("sound was taken that cannot be sent");
        stage
            .media
            .tick(due, due, &mut stage.dave, asked, &mut |_| {});
    }
    assert_eq!(stage.film.asked(), 0);
    stage.log().state = Some(PathState::Open);
    stage.turn(4);
    assert_eq!(stage.film.asked(), 1);
}

#[test]
fn a_new_path_begins_with_an_idr_picture() {
    let mut stage = Stage::new();
    stage.give(
        [("a", false), ("b", false), ("c", true), ("d", false)]
            .map(|(name, idr)| stage.picture(name, 10, idr)),
    );
    stage.turn(10);
    assert_eq!(stage.sent(), ["c", "d"]);
    let counts = stage.media.counts();
    assert_eq!((counts.pictures, counts.pictures_dropped), (2, 2));
    assert_eq!(stage.film.sent.lock().unwrap().len(), 2);
}

#[test]
fn without_a_key_no_picture_is_taken_and_none_is_lost() {
    let mut stage = Stage::new();
    stage.give([stage.picture("a", 1, true)]);
    stage.turn(1);
    assert_eq!(stage.sent(), ["a"]);
    stage.film.asked();
    stage.dave.begin(1);
    stage.give([stage.picture("b", 2, false), stage.picture("c", 3, true)]);
    stage.turn(2);
    assert_eq!(stage.film.asked(), 0);
    stage.dave.begin(0);
    stage.turn(3);
    assert_eq!(stage.sent(), ["b", "c"]);
}

#[test]
fn what_the_layer_refuses_breaks_the_chain_until_the_next_idr_picture() {
    let mut stage = Stage::new();
    stage.give([stage.picture("a", 1, true)]);
    stage.turn(1);
    stage.log().refuses = true;
    stage.give([stage.picture("b", 2, false)]);
    stage.turn(2);
    stage.log().refuses = false;
    stage.give([stage.picture("c", 3, false), stage.picture("d", 4, true)]);
    stage.turn(4);
    assert_eq!(stage.sent(), ["a", "d"]);
    let counts = stage.media.counts();
    assert_eq!((counts.pictures_refused, counts.pictures_dropped), (1, 1));
}

#[test]
fn while_much_waits_for_the_line_pictures_stay_with_their_source() {
    let mut stage = Stage::new();
    stage.give([stage.picture("a", 1, true), stage.picture("b", 2, false)]);
    stage.log().is_full = true;
    assert_eq!(stage.turn(2), Some(2 * MS + NO_ROOM));
    assert_eq!(stage.film.asked(), 0);
    stage.log().is_full = false;
    stage.turn(7);
    assert_eq!(stage.sent(), ["a", "b"]);
}

#[test]
fn a_hold_costs_no_picture() {
    let mut stage = Stage::new();
    stage.give([stage.picture("a", 1, true), NextPicture::Idle]);
    stage.turn(1);
    stage.media.hold();
    stage.give([stage.picture("b", 2, false)]);
    stage.turn(2);
    stage.media.release();
    stage.turn(50);
    assert_eq!(stage.sent(), ["a", "b"]);
}

#[test]
fn a_crowd_of_pictures_is_taken_by_turns_and_no_two_have_one_time() {
    let mut stage = Stage::new();
    stage.give((0..20).map(|_| stage.picture("a", 5, true)));
    assert_eq!(stage.turn(5), Some(5 * MS), "at once again");
    assert_eq!(stage.film.asked(), MOST_AT_ONCE);
    while stage.turn(5) == Some(5 * MS) {}
    let times: Vec<u32> = stage.log().sent.iter().map(|(_, time, ..)| *time).collect();
    assert_eq!(times.len(), 20);
    assert!(times.windows(2).all(|pair| pair[0] < pair[1]), "{times:?}");
}

#[test]
fn news_of_the_line_reach_the_source_and_its_answer_the_layer() {
    let mut stage = Stage::new();
    let report = LineReport {
        estimate: Some(5),
        sent: 4,
        loss: 0.5,
        queue_delay: MS,
        rtt: None,
        wants: Wants::default(),
    };
    stage.log().report = Some(report);
    let wants = Wants {
        pixels: Some(230_400),
        ..Wants::default()
    };
    stage.media.turn(
        stage.start,
        &mut stage.dave,
        Some(&stage.film),
        wants,
        &mut |_| {},
    );
    assert_eq!(
        *stage.film.reports.lock().unwrap(),
        [LineReport { wants, ..report }]
    );
    assert_eq!(stage.log().probed, Some(3_000_000));
}

#[test]
fn the_layer_has_its_deadlines_in_any_state() {
    let mut stage = Stage::new();
    stage.log().state = Some(PathState::Opening);
    stage.log().deadline = Some(stage.start + 7 * MS);
    assert_eq!(stage.turn(3), Some(7 * MS));
    assert_eq!(stage.log().deadlines_done, 0);
    assert_eq!(stage.turn(7), None);
    assert_eq!(stage.log().deadlines_done, 1);
    let alone = stage.media.turn(
        stage.start,
        &mut stage.dave,
        None,
        Wants::default(),
        &mut |_| {},
    );
    assert_eq!(alone, None, "a stream without pictures");
}
