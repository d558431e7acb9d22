//! One run of ffmpeg: the child, the thread that demuxes its pipe, and the reader of its errors.

use std::ffi::OsString;
use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::{oneshot, watch};
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use crate::child::{Limits, Process, Spawn, Spawner};
use crate::demux::{Bears, DemuxEnd, demux};
use crate::lanes::{Lane, LaneSink, Queues};
use crate::stderr::Tail;
use crate::{Failure, code, timing};

/// When ffmpeg last gave something.
#[derive(Debug)]
pub(crate) struct Activity {
    base: Instant,
    last_ms: AtomicU64,
}

impl Activity {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            base: Instant::now(),
            last_ms: AtomicU64::new(0),
        })
    }

    pub(crate) fn touch(&self) {
        let now = self.base.elapsed().as_millis() as u64;
        self.last_ms.store(now, Ordering::Relaxed);
    }

    fn idle(&self) -> Duration {
        let last = Duration::from_millis(self.last_ms.load(Ordering::Relaxed));
        self.base.elapsed().saturating_sub(last)
    }
}

/// What a run needs.
pub(crate) struct RunSpec {
    pub(crate) session: String,
    pub(crate) program: PathBuf,
    pub(crate) args: Vec<OsString>,
    pub(crate) dir: Option<PathBuf>,
    pub(crate) limits: Limits,
    pub(crate) bears: Bears,
    pub(crate) lane: Lane,
}

/// A running ffmpeg. Dropping it kills the child; its pipe then ends, and with it the thread.
pub(crate) struct Run {
    process: Process,
    ended: oneshot::Receiver<DemuxEnd>,
    joined: oneshot::Receiver<()>,
    stderr: Option<AbortOnDropHandle<Tail>>,
    activity: Arc<Activity>,
}

impl Run {
    /// Starts it. What it gives goes to `queues`; `first` gets the media time of the pipeline's first frame.
    pub(crate) async fn start(
        spawner: &Spawner,
        spec: RunSpec,
        queues: Queues,
        first: watch::Sender<Option<u64>>,
    ) -> Result<Self, Failure> {
        let RunSpec {
            session,
            program,
            args,
            dir,
            limits,
            bears,
            lane,
        } = spec;
        let cannot_start = |error: std::io::Error| {
            Failure::new(
                code::FFMPEG_NOT_STARTED,
                format!("ffmpeg cannot be started: {}", error.kind()),
            )
        };
        let spawn = Spawn {
            program,
            args,
            dir,
            limits,
        };
        let mut process = spawner.spawn(spawn).await.map_err(cannot_start)?;
        let pipe = process
            .take_stdout(pipe_bytes(bears))
            .map_err(cannot_start)?;
        let pipe = File::from(pipe);
        let stderr = process.take_stderr().map(|stderr| {
            AbortOnDropHandle::new(tokio::spawn(Tail::read(stderr, session.clone())))
        });
        let activity = Activity::new();
        let (end, ended) = oneshot::channel();
        let (on_join, joined) = oneshot::channel();
        let mut sink = LaneSink::new(lane, queues, Arc::clone(&activity), first, on_join);
        thread::Builder::new()
            .name(thread_name(&session))
            .spawn(move || {
                let outcome = demux(pipe, bears, lane.start_ms, &mut sink);
                // Nobody listens to a run that was dropped.
                let _ = end.send(outcome);
            })
            .map_err(cannot_start)?;
        Ok(Self {
            process,
            ended,
            joined,
            stderr,
            activity,
        })
    }

    /// Waits until nothing more comes out of the pipe. Cancel-safe.
    pub(crate) async fn ended(&mut self) -> DemuxEnd {
        // A demux thread that panicked drops the sender.
        (&mut self.ended)
            .await
            .unwrap_or_else(|_| DemuxEnd::Malformed("the demux thread panicked".into()))
    }

    /// Waits until its pictures follow those of the run before (none), or until nothing more comes out of the pipe without
    /// that having happened. Cancel-safe.
    pub(crate) async fn joined_or_ended(&mut self) -> Option<DemuxEnd> {
        match (&mut self.joined).await {
            Ok(()) => None,
            // The demux thread drops it when it ends.
            Err(_) => Some(self.ended().await),
        }
    }

    /// Says that silence is not ffmpeg's fault now.
    pub(crate) fn excuse(&self) {
        self.activity.touch();
    }

    /// How long ffmpeg has given nothing.
    pub(crate) fn idle(&self) -> Duration {
        self.activity.idle()
    }

    /// Reaps the child after its pipe ended, and judges.
    pub(crate) async fn verdict(mut self, end: DemuxEnd, progressed: bool) -> Result<(), Failure> {
        let status = self.process.finish().await;
        let tail = match self.stderr.take() {
            // The child is dead, so its stderr is at its end.
            Some(reader) => timeout(timing::EXIT, reader)
                .await
                .ok()
                .and_then(Result::ok)
                .unwrap_or_default(),
            None => Tail::default(),
        };
        judge(status, end, tail.reason(), progressed)
    }
}

/// One page is a quarter of a second of Opus; the default of 16 would add four seconds to the run-ahead. Pictures would
/// make ffmpeg wait for each page: theirs holds about a second of the smallest ones.
fn pipe_bytes(bears: Bears) -> usize {
    match bears {
        Bears::Sound => 4096,
        Bears::Copy | Bears::Encoded => 64 << 10,
    }
}

/// Linux keeps 15 bytes.
fn thread_name(session: &str) -> String {
    let tail: String = session.chars().filter(char::is_ascii_graphic).collect();
    let tail = &tail[tail.len().saturating_sub(9)..];
    format!("demux-{tail}")
}

/// Why ffmpeg ended. What it printed counts only when it did not end well: it prints complaints
/// about every damaged frame of a film that plays on.
fn judge(
    status: Option<ExitStatus>,
    end: DemuxEnd,
    printed: Option<Failure>,
    progressed: bool,
) -> Result<(), Failure> {
    match (status, end) {
        (_, DemuxEnd::Refused(refused)) => Err(refused),
        (Some(status), DemuxEnd::Malformed(what)) if status.success() => Err(Failure::new(
            code::FFMPEG_GARBLED,
            format!("ffmpeg's output cannot be read ({what})"),
        )),
        (Some(status), _) if status.success() => Ok(()),
        (Some(status), _) if status.signal().is_some() => {
            let signal = status.signal().unwrap_or_default();
            let message = format!("ffmpeg was killed by signal {signal}");
            Err(Failure::new(code::FFMPEG_CRASHED, message))
        }
        (status, _) => Err(match printed {
            // A source that played a while can be decoded, so this is a passing fault.
            Some(reason) if !(progressed && reason.code == code::SOURCE_UNDECODABLE) => reason,
            _ => {
                let code = status.and_then(|s| s.code()).unwrap_or(-1);
                Failure::new(
                    code::FFMPEG_FAILED,
                    format!("ffmpeg ended with code {code}"),
                )
            }
        }),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn verdicts() {
        let undecodable = || Some(Failure::new("source_undecodable", "x"));
        let status = |raw| Some(ExitStatus::from_raw(raw));
        let code = |s, printed, progressed| {
            judge(s, DemuxEnd::Eof, printed, progressed).map_err(|f| f.code)
        };
        assert_eq!(code(status(0), undecodable(), true), Ok(()));
        assert_eq!(code(status(9), None, true), Err("ffmpeg_crashed"));
        assert_eq!(
            code(status(1 << 8), undecodable(), false),
            Err("source_undecodable")
        );
        assert_eq!(
            code(status(1 << 8), undecodable(), true),
            Err("ffmpeg_failed")
        );
        assert_eq!(code(status(1 << 8), None, false), Err("ffmpeg_failed"));
        let garbled = judge(status(0), DemuxEnd::Malformed("x".into()), None, true);
        assert_eq!(garbled.unwrap_err().code, "ffmpeg_garbled");
    }

    #[test]
    fn thread_names_keep_the_end_of_the_session() {
        assert_eq!(thread_name("party-1234567890"), "demux-234567890");
        assert_eq!(thread_name("é1"), "demux-1");
    }
}
