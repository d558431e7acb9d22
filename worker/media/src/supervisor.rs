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
//! The whole of it is one future; dropping it ends all it started, at whatever point it is.

use std::sync::Arc;
use std::time::{Duration, Instant};

use orb_jellyfin::SourceUrl;
use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::child::{Limits, Spawn};
use crate::command;
use crate::frames::FRAME_MS;
use crate::known::{Known, Source};
use crate::media::Shared;
use crate::pipeline::PipelineEvent as Event;
use crate::plan::{Abilities, VideoPlan};
use crate::probe::Probe;
use crate::proxy::{Patience, Route, RouteGuard};
use crate::restarts::Restarts;
use crate::run::{Run, RunSpec};
use crate::spool::Runs;
use crate::{Failure, FrameQueue, OpenSpec, Plan, code, timing};

/// The state of one pipeline.
pub(crate) struct Supervisor {
    shared: Arc<Shared>,
    spec: OpenSpec,
    frames: Arc<FrameQueue>,
    events: mpsc::Sender<Event>,
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
}

impl Supervisor {
    pub(crate) fn new(
        shared: Arc<Shared>,
        spec: OpenSpec,
        frames: Arc<FrameQueue>,
        events: mpsc::Sender<Event>,
        first: watch::Sender<Option<u64>>,
    ) -> Self {
        Self {
            runs: spec.watch.clone().map(Runs::new),
            shared,
            spec,
            frames,
            events,
            first,
            first_reported: false,
            lane: 0,
        }
    }

    /// Plays until the pipeline is dropped (`cancel`), then cleans up after a grace, which ends
    /// when the worker does (`shutdown`).
    pub(crate) async fn run(mut self, cancel: CancellationToken, shutdown: CancellationToken) {
        let frames = Arc::clone(&self.frames);
        let runs = tokio::select! {
            biased;
            () = cancel.cancelled() => self.runs,
            () = self.play() => {
                // What was written and queued is still being watched and heard.
                cancel.cancelled().await;
                self.runs
            }
        };
        frames.close();
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
            return self.finished().await;
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
                    return self.finished().await;
                };
                both(&first, &second)
            }
        };
        self.frames.break_off();
        self.tell(Event::Failed(last)).await;
    }

    async fn finished(&mut self) {
        self.frames.finish();
        self.tell(Event::Finished).await;
    }

    /// Plays one source to the end of the film, or says why it is given up.
    async fn play_source(
        &mut self,
        source: (Source, &SourceUrl),
        patience: Patience,
    ) -> Result<(), Failure> {
        let mut restarts = Restarts::default();
        let mut opened = self.open(source, patience).await?;
        loop {
            let before = self.frames.last_pts_ms();
            let outcome = self.play_once(&opened).await;
            let progressed = self.frames.last_pts_ms() != before;
            let cause = match outcome {
                Ok(()) => match self.missing(&opened, progressed) {
                    None => return Ok(()),
                    Some(cause) => cause,
                },
                Err(cause) => cause,
            };
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

    /// Probes, unless that was done minutes ago, here or by the worker that played it before, and plans.
    async fn open(
        &mut self,
        (which, source): (Source, &SourceUrl),
        patience: Patience,
    ) -> Result<Opened, Failure> {
        let cached = self.shared.cached_probe(source);
        let route = Route::new(source.clone(), patience, cached.is_some());
        let route = self.shared.proxy.add(route);
        let told = self.spec.known.as_deref();
        let told = told.and_then(|known| Known::probe_of(which, known));
        let is_told = cached.is_none() && told.is_some();
        let probe = if let Some(probe) = cached.or(told) {
            probe
        } else {
            let probe = self.probe(&route).await?;
            self.shared.keep_probe(source, probe.clone());
            probe
        };
        let opened = Opened {
            route,
            plan: Plan::new(&probe, self.abilities()),
            duration_ms: probe.duration_ms.or(self.spec.duration_ms),
            probe,
            is_told,
            source: which,
        };
        self.planned(&opened).await;
        Ok(opened)
    }

    async fn probe(&self, route: &RouteGuard) -> Result<Probe, Failure> {
        let spawn = Spawn {
            program: self.shared.ffprobe.clone(),
            args: command::ffprobe(route.url()),
            dir: None,
            limits: Limits {
                niceness: 0,
                ..self.shared.limits
            },
        };
        let ask = async {
            let process = self.shared.spawner.spawn(spawn).await?;
            process.output(self.spec.session.clone()).await
        };
        let answer = tokio::select! {
            biased;
            // Known before ffprobe has printed it.
            failure = route.route().failed() => return Err(failure),
            answer = timeout(timing::PROBE, ask) => answer,
        };
        let (json, tail, status) = match answer {
            Err(_) => {
                let message = "the source is too slow to be understood";
                return Err(Failure::new(code::SOURCE_UNREACHABLE, message));
            }
            Ok(Err(error)) => {
                let message = format!("ffprobe cannot be started: {}", error.kind());
                return Err(Failure::new(code::FFMPEG_NOT_STARTED, message));
            }
            Ok(Ok(answer)) => answer,
        };
        if status.is_some_and(|status| status.success()) {
            return Probe::parse(&json);
        }
        Err(route
            .route()
            .failure()
            .or(tail.reason())
            .unwrap_or_else(|| {
                Failure::new(
                    code::SOURCE_UNDECODABLE,
                    "the source is not a film that ffmpeg can decode",
                )
            }))
    }

    /// One run of ffmpeg from the media position to its end. `Ok` is an end without a fault, which
    /// need not be the end of the film.
    async fn play_once(&mut self, opened: &Opened) -> Result<(), Failure> {
        let before = self.frames.last_pts_ms();
        let start_ms = self.position_ms();
        let route = opened.route.route();
        let mut head = self.head_start(opened).await;
        let mut run = self.start(opened, &opened.plan, true).await?;
        let main_lane = self.lane;
        let mut first = self.first.subscribe();
        let mut watchdog = interval(timing::WATCHDOG_TICK);
        watchdog.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let end = loop {
            tokio::select! {
                biased;
                failure = route.failed() => return Err(failure),
                pts_ms = first_pts(&mut first), if !self.first_reported => {
                    self.first_reported = true;
                    route.establish();
                    self.tell(Event::FirstFrame { pts_ms }).await;
                }
                end = run.ended() => break end,
                _ = watchdog.tick() => {
                    if self.frames.last_pts_ms() != before {
                        route.establish();
                    }
                    if self.frames.lane() >= main_lane {
                        head = None;
                    }
                    if self.shows_nothing(opened, start_ms) {
                        let message = "copying the picture gave viewers nothing, its key frames may be too far apart";
                        return Err(Failure::new(code::PICTURE_MISSING, message));
                    }
                    if self.frames.is_full() || route.in_trouble() {
                        run.excuse();
                    } else if run.idle() > timing::FFMPEG_STALL {
                        return Err(Failure::new(code::FFMPEG_STALLED, "ffmpeg gave nothing any more"));
                    }
                }
            }
        };
        drop(head);
        let progressed = self.frames.last_pts_ms() != before;
        let verdict = run.verdict(end, progressed).await;
        // What the source did explains what ffmpeg did.
        verdict.map_err(|failure| route.failure().unwrap_or(failure))
    }

    /// Sound at once while a transcode still works its way from the key frame to the asked place:
    /// an ffmpeg without picture, which the main run's first frame ends.
    async fn head_start(&mut self, opened: &Opened) -> Option<Run> {
        let transcodes = matches!(opened.plan.video, VideoPlan::Transcode { .. });
        if !transcodes || self.frames.buffered() >= timing::HEAD_START_BELOW {
            return None;
        }
        let plan = opened.plan.sound_only();
        self.start(opened, &plan, false).await.ok()
    }

    async fn start(&mut self, opened: &Opened, plan: &Plan, watch: bool) -> Result<Run, Failure> {
        let mut dir = None;
        if let Some(runs) = self.runs.as_mut().filter(|_| watch) {
            let begun = runs.begin(Instant::now(), timing::OLD_RUN_KEPT);
            let (path, name) = begun.map_err(|error| {
                let message = format!("the spool folder cannot be written: {}", error.kind());
                Failure::new(code::SPOOL_UNUSABLE, message)
            })?;
            dir = Some(path.clone());
            self.tell(Event::WatchRun { dir: path, name }).await;
        }
        self.lane += 1;
        let args = command::ffmpeg(&command::Run {
            url: opened.route.url(),
            plan,
            start_ms: self.position_ms(),
            duration_ms: opened.duration_ms,
            hls: dir.is_some(),
        });
        let spec = RunSpec {
            session: self.spec.session.clone(),
            program: self.shared.ffmpeg.clone(),
            args,
            dir,
            limits: Limits {
                // Only encoding a picture can be in anybody's way; all else is small and wanted
                // at once, a head start beside its own transcode above all.
                niceness: match plan.video {
                    VideoPlan::Transcode { .. } => self.shared.limits.niceness,
                    VideoPlan::Copy { .. } | VideoPlan::None => 0,
                },
                ..self.shared.limits
            },
            lane: self.lane,
        };
        let frames = Arc::clone(&self.frames);
        Run::start(&self.shared.spawner, spec, frames, self.first.clone()).await
    }

    /// Whether a copy that began at `start_ms` should have given viewers a segment, and has not.
    fn shows_nothing(&self, opened: &Opened, start_ms: u64) -> bool {
        let copies = matches!(opened.plan.video, VideoPlan::Copy { .. });
        let played = Duration::from_millis(self.position_ms().saturating_sub(start_ms));
        let run = self.runs.as_ref().and_then(Runs::newest);
        copies
            && played > timing::FIRST_SEGMENT
            && run.is_some_and(|dir| !dir.join(command::PLAYLIST).exists())
    }

    /// Media time of the next frame that is needed.
    fn position_ms(&self) -> u64 {
        self.frames
            .last_pts_ms()
            .map_or(self.spec.start_ms, |last| last + FRAME_MS)
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

    fn abilities(&self) -> Abilities {
        Abilities {
            tone_map: self.shared.tone_map,
            watched: self.spec.watch.is_some(),
        }
    }

    async fn planned(&mut self, opened: &Opened) {
        let plan = opened.plan.clone();
        self.tell(Event::Planned {
            cost_millicores: plan.cost_millicores,
            duration_ms: opened.duration_ms,
            plan,
            known: Known::text(opened.source, &opened.probe),
        })
        .await;
    }

    async fn tell(&mut self, event: Event) {
        // A receiver that is gone is a pipeline that is being dropped.
        let _ = self.events.send(event).await;
    }
}

/// Waits for the pipeline's first frame.
async fn first_pts(first: &mut watch::Receiver<Option<u64>>) -> u64 {
    let seen = first.wait_for(Option::is_some).await.map(|pts| *pts);
    match seen {
        Ok(Some(pts_ms)) => pts_ms,
        // The supervisor has a sender itself.
        _ => std::future::pending().await,
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
