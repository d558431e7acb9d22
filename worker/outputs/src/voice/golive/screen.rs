//! The picture's side of a deck.

use std::time::{Duration, Instant};

use orb_video::h264::Entry;
use orb_video::ladder::Rung;
use orb_voice::{LineReport, NextPicture, PictureFormat};
use orb_worker_media::{PeekPicture, PicturePlan, PictureQueue, QueuedPicture};

use super::rate::{Ask, Rate};
use super::schedule::{SOUND_IS_AWAY, Schedule, Sound, When};
use super::sieve::{Candidate, Sieve};
use crate::voice::clock::Film;
use crate::voice::lateness::Lateness;

/// A picture that is so far behind the sound leads nowhere when a newer one can be begun with: pictures lay in the queue
/// while there was no stream to show them.
const FAR_BEHIND_MS: u64 = 500;

/// A line's report is about what was sent over the last second: while the sound has stood for longer, it says nothing.
const STANDS: Duration = Duration::from_secs(1);

/// Pictures by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PictureCounts {
    /// Handed to the network.
    pub sent: u64,
    /// Those more than 20 ms after their time.
    pub late: u64,
    /// Left out, because the line had to drain or does not bear them, or since what they need was left out.
    pub left_out: u64,
    /// Pictures of another size or rate than the one before, of the same pipeline.
    pub rung_changes: u64,
    /// Key frames that receivers asked for, as far as it was looked.
    pub key_frame_requests: u64,
}

impl PictureCounts {
    fn since(self, before: Self) -> Self {
        Self {
            sent: self.sent - before.sent,
            late: self.late - before.late,
            left_out: self.left_out - before.left_out,
            rung_changes: self.rung_changes - before.rung_changes,
            key_frame_requests: self.key_frame_requests - before.key_frame_requests,
        }
    }
}

/// How the picture of the present entry does.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PictureSnapshot {
    /// Of the present entry.
    pub entry: PictureCounts,
    /// 99 of 100 of its pictures were at most this late, in ms; 100 stands for that and more.
    pub lateness_p99_ms: u32,
    /// What is sent; none before that is known.
    pub format: Option<PictureFormat>,
    /// What the line takes, in bits a second, as it was estimated last.
    pub estimate: Option<u64>,
    /// Share of packets lost before retransmission over the last second, 0 to 1.
    pub loss: f32,
}

/// Shows the pictures of whatever film is played.
pub(in crate::voice) struct Screen {
    schedule: Schedule,
    sieve: Sieve,
    rate: Rate,
    run: u64,
    entry: u64,
    /// The last picture that was given out of this run.
    last: Option<Shown>,
    total: PictureCounts,
    /// `total` when the entry began.
    before_entry: PictureCounts,
    /// Of the entry.
    lateness: Lateness,
    /// As the server was told.
    format: Option<PictureFormat>,
    estimate: Option<u64>,
    loss: f32,
    /// Key frames that the present connection was asked for, when it was looked last.
    asked_for: u64,
}

#[derive(Clone, Copy)]
struct Shown {
    rung: Option<Rung>,
    /// It only leads up to the film, and has no time of its own.
    leads_in: bool,
}

impl Default for Screen {
    fn default() -> Self {
        Self {
            schedule: Schedule::default(),
            sieve: Sieve::default(),
            rate: Rate::new(Instant::now()),
            run: 0,
            entry: 0,
            last: None,
            total: PictureCounts::default(),
            before_entry: PictureCounts::default(),
            lateness: Lateness::default(),
            format: None,
            estimate: None,
            loss: 0.0,
            asked_for: 0,
        }
    }
}

impl Screen {
    /// What goes out next. Never idle while the film goes on: the sound brings the next one by itself.
    pub(in crate::voice) fn next(&mut self, film: Option<&Film<'_>>, now: Instant) -> NextPicture {
        let Some(film) = film.filter(|film| film.goes_on) else {
            return NextPicture::Idle;
        };
        self.follow(film);
        let Some(pictures) = &film.track.pictures else {
            return NextPicture::At(now + SOUND_IS_AWAY);
        };
        let sound = film.heard.map(|last| Sound {
            last,
            first_ms: film.first_ms,
        });
        loop {
            let PeekPicture::Pts(pts_ms) = peek(pictures, sound) else {
                return NextPicture::At(now + SOUND_IS_AWAY);
            };
            let (due, leads_in) = match self.schedule.when(sound, pts_ms, now) {
                When::At(at) => return NextPicture::At(at),
                When::Now { due, leads_in } => (due, leads_in),
            };
            // Only this side takes pictures out, but the queue may have been closed.
            let Some(QueuedPicture { picture, rung, .. }) = pictures.pop() else {
                return NextPicture::At(now + SOUND_IS_AWAY);
            };
            let idr = picture.entry == Entry::Idr;
            self.sieve.thin(self.rate.thins());
            if !self.sieve.passes(Candidate { idr, rung }, now) {
                self.total.left_out += 1;
                continue;
            }
            let last = self.last.replace(Shown { rung, leads_in });
            let changed = last.is_some_and(|last| last.rung != rung);
            if changed {
                self.total.rung_changes += 1;
                // The owner says so, too, but hears of it on another way than the picture came: what is told of the
                // picture is of the one that was sent.
                self.rate.changed(self.run, rung);
            }
            let data = picture.data;
            return NextPicture::Picture { data, due, idr };
        }
    }

    /// What was given out last is with the packet layer.
    pub(in crate::voice) fn sent(&mut self, late: Duration) {
        self.total.sent += 1;
        if self.last.is_some_and(|last| !last.leads_in) {
            self.total.late += u64::from(self.lateness.record(late));
        }
    }

    /// A report of the line; the answer is what to probe for, in bits a second, and what is to be changed, of which run.
    pub(in crate::voice) fn line(
        &mut self,
        film: Option<&Film<'_>>,
        report: &LineReport,
        now: Instant,
    ) -> (u64, Option<(u64, Option<Rung>)>) {
        self.estimate = report.estimate.or(self.estimate);
        self.loss = report.loss;
        let flows = |film: &&Film<'_>| {
            let flowed = film.heard.is_some_and(|last| now < last.sent_at + STANDS);
            film.goes_on && flowed && film.track.pictures.is_some()
        };
        let Some(film) = film.filter(flows) else {
            return (0, None);
        };
        self.follow(film);
        let ask = self.rate.report(self.run, report, now);
        let ask = ask.map(|Ask { rung, drain }| {
            self.sieve.drain(drain, rung, now);
            (self.run, rung)
        });
        (self.rate.probe_target(), ask)
    }

    /// See [`Voice::picture_planned`](crate::voice::Voice::picture_planned).
    pub(in crate::voice) fn planned(&mut self, run: u64, plan: Option<PicturePlan>) {
        self.rate.planned(run, plan);
    }

    /// See [`Voice::rung_changed`](crate::voice::Voice::rung_changed).
    pub(in crate::voice) fn rung_changed(&mut self, run: u64, rung: Option<Rung>) {
        self.rate.changed(run, rung);
    }

    /// See [`Voice::rung_failed`](crate::voice::Voice::rung_failed).
    pub(in crate::voice) fn rung_failed(&mut self, run: u64, now: Instant) {
        self.rate.failed(run, now);
        if run == self.run {
            self.sieve.no_new_encoder();
        }
    }

    /// See [`Voice::rung_refused`](crate::voice::Voice::rung_refused).
    pub(in crate::voice) fn rung_refused(&mut self, run: u64, now: Instant) {
        self.rate.refused(run, now);
        if run == self.run {
            self.sieve.no_new_encoder();
        }
    }

    /// What the line was found to bear, of the film of this run.
    pub(in crate::voice) fn rung(&self, run: u64) -> Option<Rung> {
        self.rate.rung(run)
    }

    /// What the pictures of a film are; none for a film that has none. Until its plan is known they pass for what was shown before: to be
    /// told that there are none, and then some again, costs the server's members a moment at each seek.
    pub(in crate::voice) fn format(&mut self, film: &Film<'_>) -> Option<PictureFormat> {
        film.track.pictures.as_ref()?;
        let run = film.track.run;
        let before = self.format.filter(|_| !self.rate.is_dark(run));
        self.format = self.rate.format(run).or(before);
        self.format
    }

    /// So many key frames the connection was asked for since it is up; another one counts from 0.
    pub(in crate::voice) fn key_frames_asked(&mut self, on_connection: u64) {
        let before = std::mem::replace(&mut self.asked_for, on_connection);
        let before = Some(before).filter(|before| *before <= on_connection);
        self.total.key_frame_requests += on_connection - before.unwrap_or(0);
    }

    /// Since the session began.
    pub(in crate::voice) fn total(&self) -> PictureCounts {
        self.total
    }

    /// Of the present entry; none while nothing with a picture is played.
    pub(in crate::voice) fn read(&mut self, film: &Film<'_>) -> Option<PictureSnapshot> {
        film.track.pictures.as_ref()?;
        self.follow(film);
        if self.rate.is_dark(self.run) {
            return None;
        }
        Some(PictureSnapshot {
            entry: self.total.since(self.before_entry),
            lateness_p99_ms: self.lateness.percentile_ms(99),
            format: self.rate.format(self.run),
            estimate: self.estimate,
            loss: self.loss,
        })
    }

    fn follow(&mut self, film: &Film<'_>) {
        let (run, entry) = (film.track.run, film.track.entry);
        if run != self.run {
            self.run = run;
            self.last = None;
            self.sieve.new_source();
        }
        if entry != self.entry {
            self.entry = entry;
            self.before_entry = self.total;
            self.lateness = Lateness::default();
        }
    }
}

/// The next picture, after those that no decoder needs any more were thrown away.
fn peek(pictures: &PictureQueue, sound: Option<Sound>) -> PeekPicture {
    let next = pictures.peek_pts();
    if let (PeekPicture::Pts(pts_ms), Some(sound)) = (next, sound)
        && pts_ms + FAR_BEHIND_MS < sound.last.frame_ms()
    {
        pictures.skip_to(sound.last.frame_ms());
        return pictures.peek_pts();
    }
    next
}

#[cfg(test)]
mod tests;
