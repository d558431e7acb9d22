//! Where one run of ffmpeg puts its sound and its pictures, so that neither waits for the other for good.
//!
//! # Why nothing locks up
//!
//! Both come through one pipe, so a full queue of one of them keeps the other one waiting. The sound is what the
//! channel's clock goes by, hence:
//!
//! * A full sound queue empties by itself.
//! * A full picture queue empties as long as there is sound. Where there is [hardly any](FED), pictures may use
//!   [more room](MOST_BYTES).
//! * A picture [long](SOUND_LAG) behind which there was no sound means that there is none there: silence is put in its
//!   place, so that the clock goes on. The same happens when all of that room is used and nothing moves.
//! * Pictures that nobody takes while the sound goes on are thrown away.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use orb_video::h264::{Entry, Picture};
use orb_video::ladder::Rung;
use tokio::sync::{oneshot, watch};

use crate::demux::Sink;
use crate::frames::{Closed, FRAME_MS, FrameQueue, OpusFrame};
use crate::pictures::{PictureQueue, QueuedPicture};
use crate::run::Activity;

/// Bytes of pictures that are read ahead: 16 s at 4 Mbit/s.
pub(crate) const PICTURE_BYTES: usize = 8 << 20;
/// The same while sound is wanted: more than 20 s of the fastest film that is copied, whose pictures may begin a key
/// frame's distance before its sound.
const MOST_BYTES: usize = 32 << 20;
/// With this much sound in the queue, pictures may wait for room.
const FED: Duration = Duration::from_millis(500);
/// ffmpeg keeps sound and picture together within 0.1 s as they come from the film, and films within 1 or 2 s.
const SOUND_LAG: u64 = 4_000;
/// Pictures this far behind the sound are not wanted by anybody.
const STALE: u64 = 2_000;
/// How often a run that waits looks whether it still has to.
const POLL: Duration = Duration::from_millis(100);
/// Sound that a run beside another one may have in hand before its first key frame: 30 s, more than the longest
/// distance of key frames that is copied.
const MOST_PENDING: usize = 1500;

/// 20 ms of silence, as Opus encoders write it.
const SILENCE: &[u8] = &[0xf8, 0xff, 0xfe];

/// The two queues of a pipeline.
#[derive(Clone)]
pub(crate) struct Queues {
    pub(crate) frames: Arc<FrameQueue>,
    pub(crate) pictures: Option<Arc<PictureQueue>>,
}

/// How a run's pictures follow those of the run before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Join {
    /// At the first IDR picture after what was given out.
    AtIdr,
    /// They are the same packets: where the last run ended.
    GoOn,
    /// As `AtIdr`, while the other run still plays: not before that one has come so far, and until then its sound counts.
    Beside,
}

/// What a run needs to know of its place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lane {
    /// Higher than that of every run before it.
    pub(crate) number: u64,
    pub(crate) join: Join,
    /// The encoding of its pictures.
    pub(crate) rung: Option<Rung>,
    /// Media time that its sound begins at.
    pub(crate) start_ms: u64,
}

/// One run's way into the queues.
pub(crate) struct LaneSink {
    lane: Lane,
    queues: Queues,
    joined: bool,
    pending: Vec<OpusFrame>,
    activity: Arc<Activity>,
    first: watch::Sender<Option<u64>>,
    on_join: Option<oneshot::Sender<()>>,
}

impl LaneSink {
    /// `first` gets the media time of the pipeline's first frame, `on_join` a word once the run's pictures have joined.
    pub(crate) fn new(
        lane: Lane,
        queues: Queues,
        activity: Arc<Activity>,
        first: watch::Sender<Option<u64>>,
        on_join: oneshot::Sender<()>,
    ) -> Self {
        Self {
            lane,
            queues,
            joined: false,
            pending: Vec::new(),
            activity,
            first,
            on_join: Some(on_join),
        }
    }

    fn push_sound(&self, frame: OpusFrame) -> Result<(), Closed> {
        let pts_ms = frame.pts_ms;
        self.queues.frames.push_from(self.lane.number, frame)?;
        // The push may have waited for minutes.
        self.activity.touch();
        self.first.send_if_modified(|first| {
            let is_first = first.is_none();
            first.get_or_insert(pts_ms);
            is_first
        });
        Ok(())
    }

    /// Media time of the next sound that is missing.
    fn sound_end_ms(&self) -> u64 {
        let last = self.queues.frames.last_pts_ms();
        last.map_or(self.lane.start_ms, |last| last + FRAME_MS)
    }

    /// Silence up to a media time. Sound that comes for it later is known already, and left out.
    fn fill_silence(&self, until_ms: u64) -> Result<(), Closed> {
        silence(self.sound_end_ms(), until_ms).try_for_each(|frame| self.push_sound(frame))
    }

    /// Whether the picture was the one to join at, and is in the queue.
    fn join(&mut self, pictures: &PictureQueue, picture: &QueuedPicture) -> Result<bool, Closed> {
        let number = self.lane.number;
        let patience = match self.lane.join {
            Join::GoOn => {
                pictures.go_on_as(number);
                self.joined = true;
                return Ok(false);
            }
            Join::AtIdr => None,
            Join::Beside => Some(POLL),
        };
        if picture.picture.entry != Entry::Idr {
            return Ok(false);
        }
        self.joined = loop {
            self.activity.touch();
            let heard = self.queues.frames.given_until_ms();
            let due = heard.is_some_and(|heard| picture.pts_ms <= heard);
            if let Some(joined) = pictures.take_over(number, picture, patience, due)? {
                break joined;
            }
        };
        if self.joined {
            // A supervisor that is gone is a pipeline that is being dropped.
            let _ = self.on_join.take().map(|told| told.send(()));
            for frame in std::mem::take(&mut self.pending) {
                self.push_sound(frame)?;
            }
        }
        Ok(self.joined)
    }

    fn push_picture(&self, pictures: &PictureQueue, picture: QueuedPicture) -> Result<(), Closed> {
        let frames = &self.queues.frames;
        let mut rest = Some(picture);
        while let Some(picture) = rest {
            let fed = frames.buffered() >= FED || frames.is_over();
            let most = if fed { PICTURE_BYTES } else { MOST_BYTES };
            let newest = picture.pts_ms;
            rest = pictures.push_within(self.lane.number, picture, most, POLL)?;
            self.activity.touch();
            if rest.is_none() {
                break;
            }
            let Some(oldest) = pictures.oldest_ms() else {
                continue;
            };
            let heard = frames.given_until_ms();
            if let Some(heard) = heard.filter(|heard| oldest + STALE < *heard) {
                pictures.drop_stale(heard);
            } else if !fed && frames.buffered().is_zero() && oldest >= self.sound_end_ms() {
                self.fill_silence(newest)?;
            }
        }
        Ok(())
    }
}

impl Sink for LaneSink {
    fn sound(&mut self, frame: OpusFrame) -> Result<(), Closed> {
        self.activity.touch();
        if self.lane.join != Join::Beside || self.joined {
            return self.push_sound(frame);
        }
        self.pending.push(frame);
        if let Some(known) = self.queues.frames.last_pts_ms() {
            self.pending.retain(|frame| frame.pts_ms > known);
        }
        if self.pending.len() > MOST_PENDING {
            return Err(Closed);
        }
        Ok(())
    }

    fn picture(&mut self, pts_ms: u64, picture: Picture) -> Result<(), Closed> {
        self.activity.touch();
        let Some(pictures) = self.queues.pictures.clone() else {
            return Ok(());
        };
        let picture = QueuedPicture {
            pts_ms,
            picture,
            rung: self.lane.rung,
        };
        if !self.joined {
            let is_in = self.join(&pictures, &picture)?;
            if is_in || !self.joined {
                return Ok(());
            }
        }
        self.fill_silence(pts_ms.saturating_sub(SOUND_LAG))?;
        self.push_picture(&pictures, picture)
    }
}

impl Queues {
    /// The sound as long as the pictures, for a film that was read to its end: the clock goes by the sound. Blocks
    /// while the queue is full.
    pub(crate) fn sound_to_the_last_picture(&self, lane: u64) -> Result<(), Closed> {
        let last_picture = self.pictures.as_ref().and_then(|p| p.last_pts_ms());
        let (Some(last_picture), Some(last)) = (last_picture, self.frames.last_pts_ms()) else {
            return Ok(());
        };
        silence(last + FRAME_MS, last_picture + 2 * FRAME_MS)
            .try_for_each(|frame| self.frames.push_from(lane, frame))
    }
}

/// Frames of it from one media time to another.
fn silence(from_ms: u64, until_ms: u64) -> impl Iterator<Item = OpusFrame> {
    let begins = (from_ms..).step_by(FRAME_MS as usize);
    begins
        .take_while(move |at| at + FRAME_MS <= until_ms)
        .map(|pts_ms| OpusFrame {
            pts_ms,
            data: Bytes::from_static(SILENCE),
        })
}

#[cfg(test)]
mod tests;
