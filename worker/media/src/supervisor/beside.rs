//! Another encoding of the picture, beside the one that plays, until it takes over or fails.
//!
//! ```text
//!  old run   ──sound, pictures──▶ queues           killed
//!                                   ▲              ▲
//!  new run   ── first IDR picture ──┘ takes over ──┘ RungChanged
//!               after what was given out
//! ```
//!
//! A run of the old encoding that ends by a fault meanwhile is started again, and the change after it. A seek is another
//! pipeline, which begins with the encoding that it is told to.

use std::path::PathBuf;
use std::time::Instant;

use orb_video::ladder::Rung;

use super::start::{Started, on_grid, spool_unusable};
use super::{Opened, Supervisor};
use crate::demux::DemuxEnd;
use crate::lanes::Join;
use crate::pipeline::{PipelineEvent as Event, RungChange};
use crate::plan::Abilities;
use crate::run::Run;
use crate::{Failure, PictureSpec, Plan, code, timing};

/// A run that has not taken over yet.
pub(super) struct Beside {
    pub(super) started: Started,
    pub(super) change: RungChange,
    plan: Plan,
    /// For viewers: its folder and that one's name.
    watch: Option<(PathBuf, String)>,
}

impl Supervisor {
    /// The next change that is asked for.
    pub(super) async fn asked(&mut self) -> RungChange {
        loop {
            if self.changes.changed().await.is_err() {
                // The pipeline is being dropped.
                std::future::pending::<()>().await;
            }
            if let Some(change) = *self.changes.borrow_and_update() {
                return change;
            }
        }
    }

    /// Starts what was asked for, in place of what was under way.
    pub(super) async fn begin_beside(
        &mut self,
        opened: &Opened,
        change: RungChange,
        under_way: &mut Option<Beside>,
    ) {
        drop(under_way.take());
        self.wanted = None;
        if let Some(runs) = self.runs.as_mut() {
            runs.abandon();
        }
        match self.try_beside(opened, change).await {
            Ok(None) => self.changed(opened, change.rung).await,
            Ok(beside) => {
                self.wanted = Some(change);
                *under_way = beside;
            }
            Err(cause) => self.rung_failed(change.rung, cause).await,
        }
    }

    /// None when it is what plays.
    async fn try_beside(
        &mut self,
        opened: &Opened,
        change: RungChange,
    ) -> Result<Option<Beside>, Failure> {
        let RungChange { rung, at_ms } = change;
        let unavailable = |message| Failure::new(code::RUNG_UNAVAILABLE, message);
        let (Some(picture), Some(spec)) = (&opened.plan.picture, self.spec.picture) else {
            return Err(unavailable("there is no picture to be sent"));
        };
        if picture.rung == rung {
            return Ok(None);
        }
        if rung.is_none() && !picture.copies {
            return Err(unavailable("this film's picture cannot be sent as it is"));
        }
        if rung.is_some_and(|rung| !is_sound(&rung)) {
            return Err(unavailable(
                "its size is not even, or its bit rate is nothing",
            ));
        }
        let abilities = Abilities {
            live: Some(PictureSpec {
                start_rung: rung,
                ..spec
            }),
            ..self.abilities()
        };
        let plan = Plan::new(&opened.probe, abilities);
        let watch = match self.runs.as_mut() {
            Some(runs) => Some(runs.prepare().map_err(|error| spool_unusable(&error))?),
            None => None,
        };
        let dir = watch.as_ref().map(|(dir, _)| dir.clone());
        let given = self.queues.frames.given_until_ms().unwrap_or_default();
        let start_ms = on_grid(self.position_ms(), at_ms.max(given));
        let started = self.start(opened, &plan, dir, Join::Beside, start_ms).await;
        if started.is_err()
            && let Some(runs) = self.runs.as_mut()
        {
            runs.abandon();
        }
        Ok(Some(Beside {
            started: started?,
            change,
            plan,
            watch,
        }))
    }

    /// It took over: from now on the film comes from it. What came before it is to be dropped.
    pub(super) async fn adopt(&mut self, opened: &mut Opened, beside: Beside) -> Started {
        let Beside {
            started,
            change,
            plan,
            watch,
        } = beside;
        self.wanted = None;
        opened.plan = plan;
        opened.copied_before = change.rung.is_none();
        if let Some(spec) = &mut self.spec.picture {
            spec.start_rung = change.rung;
        }
        if let (Some(runs), Some((dir, name))) = (self.runs.as_mut(), watch) {
            runs.adopt(Instant::now(), timing::OLD_RUN_KEPT);
            self.tell(Event::WatchRun { dir, name }).await;
        }
        self.changed(opened, change.rung).await;
        started
    }

    /// It ended without taking over, by this.
    pub(super) async fn beside_failed(
        &mut self,
        opened: &mut Opened,
        RungChange { rung, .. }: RungChange,
        cause: Failure,
    ) {
        self.wanted = None;
        if let Some(runs) = self.runs.as_mut() {
            runs.abandon();
        }
        if code::is_picture_refused(cause.code) {
            self.keep_refusal(opened, &cause);
            if let Some(spec) = self.spec.picture {
                let current = opened
                    .plan
                    .picture
                    .as_ref()
                    .and_then(|picture| picture.rung);
                self.spec.picture = Some(PictureSpec {
                    start_rung: current,
                    ..spec
                });
            }
            opened.plan = Plan::new(&opened.probe, self.abilities());
            self.planned(opened).await;
        }
        self.rung_failed(rung, cause).await;
    }

    /// Why a run beside another ended without having taken over.
    pub(super) async fn why_ended(run: Run, end: DemuxEnd) -> Failure {
        if end == DemuxEnd::Closed {
            let message = "its key frames are too far apart";
            return Failure::new(code::RUNG_UNAVAILABLE, message);
        }
        let nothing_left = || Failure::new(code::RUNG_UNAVAILABLE, "the film ends before it");
        run.verdict(end, false)
            .await
            .err()
            .unwrap_or_else(nothing_left)
    }

    /// The picture's packets are not tried again for this film.
    pub(super) fn keep_refusal(&self, opened: &mut Opened, cause: &Failure) {
        if let Some(video) = &mut opened.probe.video {
            video.copy_refused = Some(if code::is_picture_refused(cause.code) {
                cause.message.clone()
            } else {
                "copying it failed".into()
            });
        }
        let source = &opened.route.route().source;
        self.shared.keep_probe(source, opened.probe.clone());
    }

    async fn changed(&mut self, opened: &Opened, rung: Option<Rung>) {
        let cost_millicores = opened.plan.cost_millicores;
        self.tell(Event::RungChanged {
            rung,
            cost_millicores,
        })
        .await;
    }

    async fn rung_failed(&mut self, rung: Option<Rung>, cause: Failure) {
        tracing::warn!(
            session = self.spec.session,
            code = cause.code,
            "the picture stays as it is"
        );
        self.tell(Event::RungFailed { rung, cause }).await;
    }
}

/// Whether an encoder takes it.
fn is_sound(rung: &Rung) -> bool {
    let even = |pixels: u32| pixels >= 2 && pixels.is_multiple_of(2);
    even(rung.width) && even(rung.height) && rung.bits_per_second >= 1000
}

/// Waits until it takes over (none) or ends without; for ever without a run.
pub(super) async fn joined_or_ended(beside: &mut Option<Beside>) -> Option<DemuxEnd> {
    let Some(beside) = beside else {
        return std::future::pending().await;
    };
    beside.started.run.joined_or_ended().await
}
