//! A clock and a screen, and whoever sends.

use bytes::Bytes;
use orb_video::h264::Picture;
use orb_voice::OPUS_SILENCE;
use orb_worker_media::{FrameQueue, OpusFrame};

use super::super::*;
use crate::voice::Track;
use crate::voice::clock::{MediaClock, Next, TICK};

pub(super) const MS: Duration = Duration::from_millis(1);
/// Of a film of 25 pictures a second.
pub(super) const PICTURE_MS: u64 = 40;

/// Sends sound each 20 ms, and pictures when they are due.
pub(super) struct Bench {
    pub(super) clock: MediaClock,
    pub(super) screen: Screen,
    pub(super) start: Instant,
    pub(super) now: Instant,
    pub(super) ticks: u32,
    pub(super) connected: bool,
    /// `(media time, when it was sent, its due)`
    pub(super) pictures: Vec<(u64, Instant, Instant)>,
    /// `(media time, when it was due)`
    pub(super) sound: Vec<(u64, Instant)>,
}

/// A picture bears its media time.
pub(super) fn picture(pts_ms: u64, idr: bool, rung: Option<Rung>) -> QueuedPicture {
    QueuedPicture {
        pts_ms,
        picture: Picture {
            data: Bytes::copy_from_slice(&pts_ms.to_le_bytes()),
            entry: if idr { Entry::Idr } else { Entry::None },
            reference: true,
        },
        rung,
    }
}

/// A film from one media time to another, pictures from `picture_ms` on, an IDR picture each second.
pub(super) fn film(run: u64, from_ms: u64, picture_ms: u64, to_ms: u64) -> Track {
    let track = Track {
        frames: FrameQueue::new(Duration::from_mins(10)),
        pictures: Some(PictureQueue::new(1 << 20)),
        entry: run,
        run,
    };
    append_sound(&track, from_ms, to_ms);
    append_pictures(&track, picture_ms, to_ms);
    track
}

pub(super) fn append_sound(track: &Track, from_ms: u64, to_ms: u64) {
    for pts_ms in (from_ms..to_ms).step_by(20) {
        let data = Bytes::from_static(&OPUS_SILENCE);
        track.frames.push(OpusFrame { pts_ms, data }).unwrap();
    }
}

pub(super) fn append_pictures(track: &Track, from_ms: u64, to_ms: u64) {
    let queue = track.pictures.as_ref().unwrap();
    for pts_ms in (from_ms..to_ms).step_by(PICTURE_MS as usize) {
        let idr = pts_ms == from_ms || pts_ms % 1_000 < PICTURE_MS;
        queue.push(picture(pts_ms, idr, None)).unwrap();
    }
}

impl Bench {
    pub(super) fn new() -> Self {
        let start = Instant::now() + Duration::from_mins(1);
        Self {
            clock: MediaClock::default(),
            screen: Screen::default(),
            start,
            now: start,
            ticks: 0,
            connected: true,
            pictures: Vec::new(),
            sound: Vec::new(),
        }
    }

    pub(super) fn play(&mut self, track: &Track) {
        self.clock.play(track.clone(), false);
    }

    /// Time goes on, a millisecond at a time.
    pub(super) fn runs(&mut self, ms: u64) {
        for _ in 0..ms {
            let due = self.start + TICK * self.ticks;
            if self.now >= due {
                self.ticks += 1;
                if self.connected {
                    self.tick(due);
                }
            }
            if self.connected {
                self.show();
            }
            self.now += MS;
        }
    }

    pub(super) fn tick(&mut self, due: Instant) {
        if let (Next::Frame(_), _) = self.clock.next() {
            let _ = self.clock.sent(self.now, self.now - due);
            let media_ms = self.clock.read().position.unwrap().frame_ms();
            self.sound.push((media_ms, due));
        }
    }

    pub(super) fn show(&mut self) {
        while let NextPicture::Picture { data, due, .. } =
            self.screen.next(self.clock.film().as_ref(), self.now)
        {
            let pts_ms = u64::from_le_bytes(data[..].try_into().unwrap());
            self.pictures.push((pts_ms, self.now, due));
            self.screen.sent(self.now.saturating_duration_since(due));
        }
    }

    pub(super) fn shown(&self) -> Vec<u64> {
        self.pictures.iter().map(|(pts_ms, ..)| *pts_ms).collect()
    }

    /// Every picture against the sound that it lies in, or against that which came next: whatever stood in between.
    pub(super) fn is_in_step(&self) {
        for (pts_ms, _, due) in &self.pictures {
            let near = |sound_ms: u64| pts_ms + 20 >= sound_ms && *pts_ms < sound_ms + 20;
            let sound = self.sound.iter().filter(|(sound_ms, _)| near(*sound_ms));
            let skews = sound.map(|(sound_ms, sent)| {
                let decoded = *sent + Duration::from_micros(6_500);
                let shown = *due + Duration::from_millis(*sound_ms);
                let ideal = decoded + Duration::from_millis(*pts_ms);
                shown.max(ideal) - shown.min(ideal)
            });
            if let Some(skew) = skews.min() {
                assert!(skew <= MS, "{pts_ms} is off by {skew:?}");
            }
        }
        assert!(self.pictures.is_sorted_by(|a, b| a.2 < b.2), "times rise");
    }

    pub(super) fn is_prompt(&self, within: Duration) {
        for (pts_ms, at, due) in &self.pictures {
            assert!(*at - *due <= within, "{pts_ms}: {:?}", *at - *due);
        }
    }
}

pub(super) fn each(from_ms: u64, to_ms: u64) -> Vec<u64> {
    (from_ms..to_ms).step_by(PICTURE_MS as usize).collect()
}
