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
use crate::demux::{DemuxEnd, demux};
use crate::frames::FrameQueue;
use crate::stderr::Tail;
use crate::{Failure, code, timing};

/// When ffmpeg last gave something.
#[derive(Debug)]
struct Activity {
    base: Instant,
    last_ms: AtomicU64,
}

impl Activity {
    fn touch(&self) {
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
    /// Higher than that of every run before it.
    pub(crate) lane: u64,
}

/// A running ffmpeg. Dropping it kills the child; its pipe then ends, and with it the thread.
pub(crate) struct Run {
    process: Process,
    ended: oneshot::Receiver<DemuxEnd>,
    stderr: Option<AbortOnDropHandle<Tail>>,
    activity: Arc<Activity>,
}

impl Run {
    /// Starts it. Its frames go to `frames`; `first` gets the media time of the pipeline's first.
    pub(crate) async fn start(
        spawner: &Spawner,
        spec: RunSpec,
        frames: Arc<FrameQueue>,
        first: watch::Sender<Option<u64>>,
    ) -> Result<Self, Failure> {
        let RunSpec {
            session,
            program,
            args,
            dir,
            limits,
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
        let pipe = File::from(process.take_stdout().map_err(cannot_start)?);
        let stderr = process.take_stderr().map(|stderr| {
            AbortOnDropHandle::new(tokio::spawn(Tail::read(stderr, session.clone())))
        });
        let activity = Arc::new(Activity {
            base: Instant::now(),
            last_ms: AtomicU64::new(0),
        });
        let (end, ended) = oneshot::channel();
        let seen = Arc::clone(&activity);
        thread::Builder::new()
            .name(thread_name(&session))
            .spawn(move || {
                let outcome = demux(pipe, |frame| {
                    seen.touch();
                    let pts_ms = frame.pts_ms;
                    frames.push_from(lane, frame)?;
                    // Also touched here: the push may have waited for minutes.
                    seen.touch();
                    first.send_if_modified(|first| {
                        let is_first = first.is_none();
                        first.get_or_insert(pts_ms);
                        is_first
                    });
                    Ok(())
                });
                // Nobody listens to a run that was dropped.
                let _ = end.send(outcome);
            })
            .map_err(cannot_start)?;
        Ok(Self {
            process,
            ended,
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
