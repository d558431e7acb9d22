//! The runs of one session, as they lie on disk, and their joint playlist.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use tokio::{fs::File, io::AsyncReadExt, time::Instant};

use super::{
    media_time::Track,
    playlist::{Segment, Timeline},
};
use crate::Error;

/// How long a request for a playlist waits for the first segment: a start or a seek takes about that long, and a
/// player that is told "not yet" waits longer before it asks again.
const FIRST_SEGMENT_WAIT: Duration = Duration::from_secs(2);

/// How often it looks meanwhile.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Runs whose files are served: the one that plays, and those that a viewer may still be reading.
const RUNS_KEPT: usize = 8;

/// A `moof` box of ten seconds has some 20 kB.
const SEGMENT_HEAD: u64 = 256 * 1024;

/// The watch output of one session.
pub struct WatchRuns {
    /// The media clock in ms, when it is known.
    position: Box<dyn Fn() -> Option<u64> + Send + Sync>,
    state: Mutex<State>,
    /// Held while files are read, so that two requests do not both append a segment.
    reading: tokio::sync::Mutex<()>,
}

struct State {
    timeline: Timeline,
    runs: Vec<Run>,
}

#[derive(Clone)]
struct Run {
    name: Arc<str>,
    dir: Arc<Path>,
    generation: u64,
    progress: Progress,
}

/// What has been read of a run.
#[derive(Clone, Copy, Default)]
struct Progress {
    /// Size and time of ffmpeg's playlist when it was last read.
    stamp: Option<(u64, SystemTime)>,
    track: Option<Track>,
    /// ffmpeg's number of the next segment to list.
    next: u64,
    complete: bool,
}

/// What one reading brought.
struct News {
    progress: Progress,
    segments: Vec<Segment>,
    /// ffmpeg's number of the oldest segment that it still keeps.
    oldest: u64,
}

impl WatchRuns {
    /// The output of a session leased under `token`; `position` gives the media clock in ms, when it is known.
    ///
    /// A newer lease has a higher token, so the playlist's numbers rise across a take-over, too.
    pub fn new(
        token: u64,
        position: impl Fn() -> Option<u64> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            position: Box::new(position),
            state: Mutex::new(State {
                timeline: Timeline::new(token),
                runs: Vec::new(),
            }),
            reading: tokio::sync::Mutex::default(),
        })
    }

    /// ffmpeg begins to write `index.m3u8`, `init.mp4` and `seg-<n>.m4s` to `dir`.
    ///
    /// `name` becomes part of the segments' addresses, which are cached for ever: letters, digits, `-` and `_`, and
    /// never the same one twice. A new `generation` is a seek or another item; the same one again is an encoder that
    /// was restarted.
    pub fn begin_run(&self, name: &str, dir: PathBuf, generation: u64) -> Result<(), Error> {
        if !is_plain(name) {
            return Err(Error::RunName);
        }
        let mut state = self.state();
        if state.runs.iter().any(|run| *run.name == *name) {
            return Err(Error::RunName);
        }
        state.timeline.begin_run(generation);
        if state.runs.len() == RUNS_KEPT {
            state.runs.remove(0);
        }
        let (name, dir) = (name.into(), dir.into());
        state.runs.push(Run {
            name,
            dir,
            generation,
            progress: Progress::default(),
        });
        Ok(())
    }

    /// Whether another item comes after the present one: then the playlist does not end with it.
    pub fn is_followed(&self, followed: bool) {
        self.state().timeline.followed(followed);
    }

    /// The playlist as it is now; waits up to two seconds for the first segment. `None`: there is none yet.
    pub async fn playlist(&self) -> Option<String> {
        let deadline = Instant::now() + FIRST_SEGMENT_WAIT;
        loop {
            if let Some(playlist) = self.read_and_render().await {
                return Some(playlist);
            }
            if Instant::now() >= deadline {
                return None;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Where a file of a run lies, if it is one that may be served.
    pub fn file(&self, run: &str, file: &str) -> Option<PathBuf> {
        if file != "init.mp4" && segment_number(file).is_none() {
            return None;
        }
        let state = self.state();
        let run = state.runs.iter().find(|known| *known.name == *run)?;
        Some(run.dir.join(file))
    }

    async fn read_and_render(&self) -> Option<String> {
        let _turn = self.reading.lock().await;
        // All runs of the generation, the oldest first: a run that was cut off by a restart is read to its end before
        // its successor's first segment closes it.
        let runs: Vec<Run> = {
            let state = self.state();
            let current = state.runs.last().map(|run| run.generation);
            state
                .runs
                .iter()
                .filter(|run| Some(run.generation) == current)
                .cloned()
                .collect()
        };
        for run in runs {
            match read(&run).await {
                Ok(Some(news)) => self.append(&run, news),
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(run = %run.name, code = error.code(), %error, "HLS run not readable");
                }
            }
        }
        let mut state = self.state();
        if let Some(position_ms) = (self.position)() {
            state.timeline.forget_before(position_ms);
        }
        state.timeline.render()
    }

    fn append(&self, run: &Run, news: News) {
        let mut state = self.state();
        // A seek may have come while the files were read.
        let Some(newest) = state.runs.last() else {
            return;
        };
        let (current, is_newest) = (newest.generation == run.generation, newest.name == run.name);
        let Some(known) = state.runs.iter_mut().find(|known| known.name == run.name) else {
            return;
        };
        if !current {
            return;
        }
        known.progress = news.progress;
        state.timeline.extend(&run.name, news.segments);
        state.timeline.forget_deleted(&run.name, news.oldest);
        if is_newest && news.progress.complete {
            state.timeline.complete();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for WatchRuns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WatchRuns")
            .field("runs", &self.state().runs.len())
            .finish_non_exhaustive()
    }
}

/// Reads what is new in a run; `None` when ffmpeg's playlist is not there or has not changed.
async fn read(run: &Run) -> Result<Option<News>, Error> {
    let mut progress = run.progress;
    let index = run.dir.join("index.m3u8");
    let stamp = match tokio::fs::metadata(&index).await {
        Ok(metadata) => Some((metadata.len(), metadata.modified()?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    if progress.stamp == stamp {
        return Ok(None);
    }
    let text = tokio::fs::read(&index).await?;
    let Ok(playlist) = m3u8_rs::parse_media_playlist_res(&text) else {
        // Caught while it was being written; the stamp is not kept, so the next reading tries again.
        return Ok(None);
    };
    let track = match progress.track {
        Some(track) => track,
        None => Track::of_init(&tokio::fs::read(run.dir.join("init.mp4")).await?)?,
    };
    progress.track = Some(track);
    let mut segments = Vec::new();
    for (number, listed) in (playlist.media_sequence..).zip(&playlist.segments) {
        if number >= progress.next {
            if segment_number(&listed.uri).is_none() {
                return Err(Error::HlsMalformed("a segment's name is not seg-<n>.m4s"));
            }
            let head = read_head(&run.dir.join(&listed.uri)).await?;
            segments.push(Segment {
                number,
                file: listed.uri.clone(),
                start_ms: track.segment_start_ms(&head)?,
                duration: listed.duration,
            });
            progress.next = number + 1;
        }
    }
    progress.stamp = stamp;
    progress.complete = playlist.end_list;
    Ok(Some(News {
        progress,
        segments,
        oldest: playlist.media_sequence,
    }))
}

async fn read_head(path: &Path) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    File::open(path)
        .await?
        .take(SEGMENT_HEAD)
        .read_to_end(&mut head)
        .await?;
    Ok(head)
}

/// The `<n>` of `seg-<n>.m4s`, and with it the proof that the name is nothing else.
fn segment_number(file: &str) -> Option<u64> {
    let digits = file.strip_prefix("seg-")?.strip_suffix(".m4s")?;
    digits
        .bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| digits.parse().ok())?
}

fn is_plain(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    !name.is_empty() && name.len() <= 64 && name.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_names_that_ffmpeg_writes_are_files() {
        assert_eq!(segment_number("seg-12.m4s"), Some(12));
        for name in [
            "seg-.m4s",
            "seg-+1.m4s",
            "seg-1.m4s/..",
            "../seg-1.m4s",
            "seg-1.mp4",
            "seg-99999999999999999999.m4s",
        ] {
            assert_eq!(segment_number(name), None, "{name}");
        }
    }

    #[test]
    fn a_run_has_a_plain_name_and_only_once() {
        let runs = WatchRuns::new(1, || None);
        for name in ["", "..", "a/b", "a b", "ä"] {
            assert!(runs.begin_run(name, PathBuf::new(), 1).is_err(), "{name}");
        }
        assert!(runs.begin_run("r-1_1", PathBuf::new(), 1).is_ok());
        assert!(runs.begin_run("r-1_1", PathBuf::new(), 2).is_err());
    }

    #[test]
    fn old_runs_are_forgotten_in_order() {
        let runs = WatchRuns::new(1, || None);
        for run in 0..20 {
            runs.begin_run(&format!("r{run}"), PathBuf::from("/runs"), run)
                .expect("a new name");
        }
        assert_eq!(runs.file("r11", "init.mp4"), None);
        assert_eq!(
            runs.file("r12", "init.mp4"),
            Some(PathBuf::from("/runs/init.mp4"))
        );
        assert_eq!(
            runs.file("r12", "index.m3u8"),
            None,
            "ffmpeg's own playlist is not ours"
        );
    }
}
