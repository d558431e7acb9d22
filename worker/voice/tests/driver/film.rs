//! Pictures that say which they are, at the pace of the clock.

use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

use bytes::Bytes;
use orb_voice::{LineReport, NextPicture, PictureFormat, PictureSource};

/// Pictures a second, and from one IDR picture to the next.
pub(crate) const RATE: u32 = 24;

/// From a picture to the next.
pub(crate) const STEP: Duration = Duration::from_nanos(1_000_000_000 / RATE as u64);

/// A sequence parameter set of the baseline profile with four bits of `frame_num`, 320 x 180 or so.
const SPS: [u8; 9] = [0x67, 0x42, 0xc0, 0x1e, 0xda, 0x05, 0x07, 0xe8, 0x40];
const PPS: [u8; 4] = [0x68, 0xce, 0x3c, 0x80];
const START_CODE: [u8; 4] = [0, 0, 0, 1];

/// So many bytes of an IDR picture and of another: some twenty packets, and two.
const IDR_BYTES: usize = 24_000;
const BYTES: usize = 2_000;

/// One access unit: `frame_num` counts on, and the number stands in the slice.
fn picture(number: u32) -> Bytes {
    let (in_group, mut unit) = (number % RATE, Vec::new());
    // first_mb_in_slice 0 (one bit), slice_type 7 (I; seven bits) or 5 (P; five), pic_parameter_set_id 0 (one), frame_num
    // (four), anything.
    let frame_num = in_group % 16;
    let head: u16 = if in_group == 0 {
        0b1000_1000_1000_0111
    } else {
        0b1001_1010_0001_1111 | (frame_num as u16) << 5
    };
    if in_group == 0 {
        for set in [&SPS[..], &PPS] {
            unit.extend(START_CODE);
            unit.extend(set);
        }
    }
    let (kind, length) = if in_group == 0 {
        (0x65, IDR_BYTES)
    } else {
        (0x41, BYTES)
    };
    unit.extend(START_CODE);
    unit.push(kind);
    unit.extend(head.to_be_bytes());
    unit.extend(format!("#{number:010}#").bytes());
    unit.resize(length - 1, 0x55);
    unit.push(0x80);
    Bytes::from(unit)
}

/// Which one it is.
pub(crate) fn number(picture: &[u8]) -> Option<u32> {
    let at = picture.iter().rposition(|byte| *byte == b'#')?;
    let digits = picture.get(at.checked_sub(10)?..at)?;
    let number = std::str::from_utf8(digits).ok()?.parse().ok()?;
    (picture == self::picture(number)).then_some(number)
}

struct State {
    next: u32,
    due: Option<Instant>,
    paused: bool,
    format: Option<PictureFormat>,
    reports: Vec<LineReport>,
}

/// Without end.
pub(crate) struct Film(Mutex<State>);

pub(crate) fn format(height: u32) -> PictureFormat {
    PictureFormat {
        width: height * 16 / 9,
        height,
        frame_rate: f64::from(RATE),
        bits_per_second: 2_500_000,
    }
}

impl Default for Film {
    fn default() -> Self {
        Self(Mutex::new(State {
            next: 0,
            due: None,
            paused: false,
            format: Some(format(720)),
            reports: Vec::new(),
        }))
    }
}

impl Film {
    /// Pictures that were taken.
    pub(crate) fn taken(&self) -> u32 {
        self.0.lock().unwrap().next
    }

    pub(crate) fn pause(&self, paused: bool) {
        let mut state = self.0.lock().unwrap();
        state.paused = paused;
        state.due = None;
    }

    pub(crate) fn set_format(&self, format: Option<PictureFormat>) {
        self.0.lock().unwrap().format = format;
    }

    pub(crate) fn reports(&self) -> Vec<LineReport> {
        self.0.lock().unwrap().reports.clone()
    }
}

impl PictureSource for Film {
    fn next(&self, now: Instant) -> NextPicture {
        let mut state = self.0.lock().unwrap();
        if state.paused {
            return NextPicture::Idle;
        }
        // Nobody asked for a while: the film waited.
        let due = state
            .due
            .filter(|due| *due + Duration::from_millis(500) > now);
        let due = due.unwrap_or(now);
        if due > now {
            return NextPicture::At(due);
        }
        let number = state.next;
        state.next += 1;
        state.due = Some(due + STEP);
        NextPicture::Picture {
            data: picture(number),
            due,
            idr: number.is_multiple_of(RATE),
        }
    }

    fn sent(&self, _: Instant, _: Duration) {}

    fn line(&self, report: &LineReport) -> u64 {
        self.0.lock().unwrap().reports.push(*report);
        3_000_000
    }

    fn format(&self) -> Option<PictureFormat> {
        self.0.lock().unwrap().format
    }
}
