//! The live playlist, as a pure state: segments in, text out.

use std::collections::VecDeque;

use chrono::DateTime;
use m3u8_rs::{ExtTag, Map, MediaPlaylist, MediaSegment};

/// How far behind the media clock a viewer may be and still find segments.
const WINDOW_BEHIND_MS: u64 = 30_000;

/// A segment that ends this little after what is listed adds nothing but a double.
const OVERLAP_MS: u64 = 100;

/// A session that goes from worker to worker keeps its numbers rising: each lease has this many to itself.
const SEQUENCES_PER_TOKEN: u64 = 1_000_000;

/// A complete segment of a run.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Segment {
    /// In ffmpeg's own numbers, which rise within a run.
    pub(super) number: u64,
    pub(super) file: String,
    pub(super) start_ms: u64,
    /// As ffmpeg's playlist has it, in seconds.
    pub(super) duration: f32,
}

impl Segment {
    fn end_ms(&self) -> u64 {
        self.start_ms + (f64::from(self.duration) * 1000.0).round() as u64
    }
}

/// Joins runs into one playlist.
///
/// `EXT-X-MEDIA-SEQUENCE` and `EXT-X-DISCONTINUITY-SEQUENCE` only rise (RFC 8216, 6.2.2), whatever comes and goes.
#[derive(Debug)]
pub(super) struct Timeline {
    generation: u64,
    listed: VecDeque<Listed>,
    next_sequence: u64,
    /// Number of the run of the segment listed last; counts runs that had any.
    discontinuity: u64,
    last_run: Option<String>,
    target_duration: u64,
    complete: bool,
    /// Something comes after the film.
    followed: bool,
}

#[derive(Debug)]
struct Listed {
    sequence: u64,
    discontinuity: u64,
    run: String,
    segment: Segment,
}

impl Timeline {
    /// An empty timeline under a lease's fencing token.
    pub(super) fn new(token: u64) -> Self {
        Self {
            generation: 0,
            listed: VecDeque::new(),
            next_sequence: token.saturating_mul(SEQUENCES_PER_TOKEN),
            discontinuity: token.saturating_mul(SEQUENCES_PER_TOKEN),
            last_run: None,
            target_duration: 1,
            complete: false,
            followed: false,
        }
    }

    /// Whether something comes after the film: a player that read its end would not ask again.
    pub(super) fn followed(&mut self, followed: bool) {
        self.followed = followed;
    }

    /// A run begins. Of another generation (a seek, another item), what was listed is void; of the same one (the
    /// encoder was restarted), it goes on after what there is.
    pub(super) fn begin_run(&mut self, generation: u64) {
        if generation != self.generation {
            self.generation = generation;
            self.listed.clear();
        }
        self.complete = false;
    }

    /// Appends segments of a run, in order. What a restarted encoder made a second time is left out.
    pub(super) fn extend(&mut self, run: &str, segments: impl IntoIterator<Item = Segment>) {
        for segment in segments {
            let known_until = self.listed.back().map_or(0, |last| last.segment.end_ms());
            if segment.end_ms() <= known_until + OVERLAP_MS && !self.listed.is_empty() {
                continue;
            }
            if self.last_run.as_deref() != Some(run) {
                self.discontinuity += u64::from(self.last_run.is_some());
                self.last_run = Some(run.to_owned());
            }
            self.target_duration = self.target_duration.max(segment.duration.ceil() as u64);
            self.listed.push_back(Listed {
                sequence: self.next_sequence,
                discontinuity: self.discontinuity,
                run: run.to_owned(),
                segment,
            });
            self.next_sequence += 1;
        }
    }

    /// The newest run has all of the film's rest.
    pub(super) fn complete(&mut self) {
        self.complete = true;
    }

    /// Forgets what lies too far behind the media clock.
    ///
    /// The encoder is always ahead of the clock. A clock ahead of the encoder is one that has not heard of a seek yet.
    pub(super) fn forget_before(&mut self, position_ms: u64) {
        if self
            .listed
            .back()
            .is_none_or(|last| last.segment.end_ms() < position_ms)
        {
            return;
        }
        let keep_from = position_ms.saturating_sub(WINDOW_BEHIND_MS);
        while self
            .listed
            .front()
            .is_some_and(|first| first.segment.end_ms() < keep_from)
        {
            self.listed.pop_front();
        }
    }

    /// Forgets the segments of `run` before ffmpeg's `number`: it deletes their files.
    pub(super) fn forget_deleted(&mut self, run: &str, number: u64) {
        let deleted = |listed: &Listed| listed.run == run && listed.segment.number < number;
        while self.listed.front().is_some_and(deleted) {
            self.listed.pop_front();
        }
    }

    /// The playlist, or `None` while there is no segment.
    pub(super) fn render(&self) -> Option<String> {
        let first = self.listed.front()?;
        let mut before: Option<&Listed> = None;
        let segments = self
            .listed
            .iter()
            .map(|listed| written(listed, before.replace(listed), self.generation))
            .collect();
        let playlist = MediaPlaylist {
            version: Some(7),
            independent_segments: true,
            target_duration: self.target_duration,
            media_sequence: first.sequence,
            discontinuity_sequence: first.discontinuity,
            segments,
            end_list: self.complete && !self.followed,
            ..MediaPlaylist::default()
        };
        let mut text = Vec::new();
        playlist.write_to(&mut text).ok()?;
        String::from_utf8(text).ok()
    }
}

fn written(listed: &Listed, before: Option<&Listed>, generation: u64) -> MediaSegment {
    let Listed { run, segment, .. } = listed;
    let new_run = before.is_none_or(|before| before.run != *run);
    let map = new_run.then(|| Map {
        uri: format!("{run}/init.mp4"),
        ..Map::default()
    });
    let tag = ExtTag {
        tag: "X-ORB-GENERATION".into(),
        rest: Some(generation.to_string()),
    };
    MediaSegment {
        uri: format!("{run}/{}", segment.file),
        duration: segment.duration,
        discontinuity: new_run && before.is_some(),
        map,
        program_date_time: date(segment.start_ms),
        // Once is enough, and the library has no place for a tag of our own before the first segment.
        unknown_tags: if before.is_none() {
            vec![tag]
        } else {
            Vec::new()
        },
        ..MediaSegment::default()
    }
}

/// Media time as a date: the film starts with 1970.
fn date(media_ms: u64) -> Option<DateTime<chrono::FixedOffset>> {
    DateTime::from_timestamp_millis(i64::try_from(media_ms).ok()?).map(|date| date.fixed_offset())
}

#[cfg(test)]
mod tests;
