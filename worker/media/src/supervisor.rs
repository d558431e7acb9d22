//! Who keeps a film playing: probes, plans, starts ffmpeg, and starts it again.
//!
//! ```text
//! for each source:   probe ─▶ plan ─▶ run ─▶ end? ── complete ─▶ Finished
//!                                      ▲      │
//!                                      │      ├─ passing fault ─▶ Restarted ─▶ back, at the last frame
//!                                      └──────┘
//!                                             └─ final or too often ─▶ SwitchedSource, or Failed
//! ```
//!
//! A change of the picture's encoding runs [`beside`] all that. The whole of it is one future; dropping it ends all it started, at whatever point it is.

mod beside;
mod open;
mod playing;
mod start;

use std::sync::Arc;
use std::time::{Duration, Instant};

use orb_jellyfin::SourceUrl;
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::known::Source;
use crate::lanes::Queues;
use crate::media::Shared;
use crate::pipeline::{PipelineEvent as Event, RungChange};
use crate::plan::VideoPlan;
use crate::probe::Probe;
use crate::proxy::{Patience, RouteGuard};
use crate::restarts::Restarts;
use crate::spool::Runs;
use crate::{Failure, OpenSpec, Plan, code, timing};

/// The state of one pipeline.
pub(crate) struct Supervisor {
    shared: Arc<Shared>,
    spec: OpenSpec,
    queues: Queues,
    events: mpsc::Sender<Event>,
    changes: watch::Receiver<Option<RungChange>>,
    /// The change that is under way.
    wanted: Option<RungChange>,
    /// Media time of the first frame, from whichever run gives it.
    first: watch::Sender<Option<u64>>,
    first_reported: bool,
    runs: Option<Runs>,
    lane: u64,
}

/// A source that was opened and understood.
struct Opened {
    route: RouteGuard,
    plan: Plan,
    probe: Probe,
    /// Another worker's word: the film may have been replaced since.
    is_told: bool,
    source: Source,
    duration_ms: Option<u64>,
    /// The run before the next one gave the film's own pictures.
    copied_before: bool,
}

impl Supervisor {
    pub(crate) fn new(
        shared: Arc<Shared>,
        spec: OpenSpec,
        queues: Queues,
        events: mpsc::Sender<Event>,
        changes: watch::Receiver<Option<RungChange>>,
    ) -> Self {
        Self {
            runs: spec.watch.clone().map(Runs::new),
            shared,
            spec,
            queues,
            events,
            changes,
            wanted: None,
            first: watch::Sender::new(None),
            first_reported: false,
            lane: 0,
        }
    }

    /// Plays until the pipeline is dropped (`cancel`), then cleans up after a grace, which ends
    /// when the worker does (`shutdown`).
    pub(crate) async fn run(mut self, cancel: CancellationToken, shutdown: CancellationToken) {
        let queues = self.queues.clone();
        let runs = tokio::select! {
            biased;
            () = cancel.cancelled() => self.runs,
            () = self.play() => {
                // What was written and queued is still being watched and heard.
                cancel.cancelled().await;
                self.runs
            }
        };
        queues.frames.close();
        if let Some(pictures) = queues.pictures {
            pictures.close();
        }
        if let Some(runs) = runs.filter(|runs| !runs.is_empty()) {
            let _ = timeout(timing::SPOOL_GRACE, shutdown.cancelled()).await;
            // Hundreds of megabytes may go, which is not a matter of microseconds.
            let _ = tokio::task::spawn_blocking(move || runs.remove_all()).await;
        }
    }

    async fn play(&mut self) {
        let sources = self.spec.sources.clone();
        let alone = Patience {
            open: timing::OPEN_BUDGET,
            outage: timing::OUTAGE_BUDGET,
        };
        let patience = match sources.download {
            Some(_) => Patience {
                open: timing::OPEN_BUDGET / 2,
                outage: timing::OUTAGE_BUDGET_WITH_FALLBACK,
            },
            None => alone,
        };
        let Err(first) = self
            .play_source((Source::Stream, &sources.stream), patience)
            .await
        else {
            return;
        };
        let last = match sources.download {
            None => first,
            Some(download) => {
                self.tell(Event::SwitchedSource {
                    cause: first.clone(),
                })
                .await;
                let last = Patience {
                    open: patience.open,
                    ..alone
                };
                let Err(second) = self.play_source((Source::Download, &download), last).await
                else {
                    return;
                };
                both(&first, &second)
            }
        };
        self.queues.frames.break_off();
        if let Some(pictures) = &self.queues.pictures {
            pictures.break_off();
        }
        self.tell(Event::Failed(last)).await;
    }

    async fn finished(&mut self) {
        let (queues, lane) = (self.queues.clone(), self.lane);
        if let Some(pictures) = self.queues.pictures.clone() {
            // May wait for room; ends when the pipeline is dropped, which closes the queue.
            let filled = move || queues.sound_to_the_last_picture(lane);
            let _ = tokio::task::spawn_blocking(filled).await;
            pictures.finish();
        }
        self.queues.frames.finish();
        self.tell(Event::Finished).await;
    }

    /// Plays one source to the end of the film and tells that, or says why it is given up.
    async fn play_source(
        &mut self,
        source: (Source, &SourceUrl),
        patience: Patience,
    ) -> Result<(), Failure> {
        let mut restarts = Restarts::default();
        let mut opened = self.open(source, patience).await?;
        loop {
            let before = self.queues.frames.last_pts_ms();
            let outcome = self.play_once(&mut opened).await;
            let progressed = self.queues.frames.last_pts_ms() != before;
            let cause = match outcome {
                Ok(beside) => match self.missing(&opened, progressed) {
                    None => {
                        self.finished().await;
                        if opened.plan.picture.is_some() {
                            self.play_out(&mut opened, beside).await;
                        }
                        return Ok(());
                    }
                    Some(cause) => cause,
                },
                Err(cause) => cause,
            };
            if self.is_uncopyable(&opened, &cause, progressed) {
                // Nothing broke, and it cannot happen twice.
                self.keep_refusal(&mut opened, &cause);
                opened.plan = Plan::new(&opened.probe, self.abilities());
                self.planned(&opened).await;
                continue;
            }
            tracing::info!(
                session = self.spec.session,
                code = cause.code,
                "ffmpeg ended early"
            );
            // Of a film that is not what it was, nothing is final before it was looked at.
            let outdated = opened.is_told && !progressed;
            if cause.is_final_for_source() && !outdated {
                return Err(cause);
            }
            let abilities = self.abilities();
            if let Some(plan) = opened.plan.without_copy(&opened.probe, abilities, &cause) {
                opened.plan = plan;
                self.planned(&opened).await;
            }
            let Some(delay) = restarts.next(Instant::now()) else {
                return Err(cause);
            };
            let changed = cause.code == code::SOURCE_CHANGED || outdated;
            self.tell(Event::Restarted { cause }).await;
            sleep(delay).await;
            if changed {
                self.shared.forget_probe(source.1);
                self.spec.known = None;
                opened = self.open(source, patience).await?;
            }
        }
    }

    /// What is wrong with an end that looked good: the exit code is no proof.
    fn missing(&self, opened: &Opened, progressed: bool) -> Option<Failure> {
        let sound = opened.probe.audio.as_ref().and_then(|audio| audio.end_ms);
        let end = opened.duration_ms?.min(sound.unwrap_or(u64::MAX));
        let missing = end.saturating_sub(self.position_ms());
        let missing = Duration::from_millis(missing);
        if missing <= timing::END_TOLERANCE {
            return None;
        }
        let message = format!("the film ended {} s early", missing.as_secs());
        if progressed {
            return Some(Failure::new(code::FFMPEG_ENDED_EARLY, message));
        }
        // Asked again at the same place, there was nothing: either the sound is shorter than the
        // picture, or the file is cut off.
        (missing > timing::SHORT_SOUND).then(|| Failure::new(code::SOURCE_INCOMPLETE, message))
    }

    /// Whether a copy for a voice channel failed for what the film's packets are: one was refused, or none came at all.
    fn is_uncopyable(&self, opened: &Opened, cause: &Failure, progressed: bool) -> bool {
        let pictures = self.queues.pictures.as_ref();
        let copies = matches!(opened.plan.video, VideoPlan::Copy { .. });
        if !copies || opened.plan.picture.is_none() {
            return false;
        }
        let none_came = !progressed && pictures.is_some_and(|p| p.last_pts_ms().is_none());
        let may_be_the_copy = [
            code::SOURCE_UNDECODABLE,
            code::SOURCE_INCOMPLETE,
            code::FFMPEG_GARBLED,
            code::FFMPEG_OUTPUT_FAILED,
        ]
        .contains(&cause.code);
        code::is_picture_refused(cause.code) || none_came && may_be_the_copy && !opened.is_told
    }

    async fn tell(&mut self, event: Event) {
        // A receiver that is gone is a pipeline that is being dropped.
        let _ = self.events.send(event).await;
    }
}

/// One failure of two: the first source's code, both sentences.
fn both(first: &Failure, second: &Failure) -> Failure {
    let message = if first.message == second.message {
        format!("{} (both sources)", first.message)
    } else {
        format!("{}; second source: {}", first.message, second.message)
    };
    Failure::new(first.code, message)
}
