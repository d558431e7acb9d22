//! One run of ffmpeg after the other, while nothing is wrong with them.

use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::beside::{Beside, joined_or_ended};
use super::start::Started;
use super::{Opened, Supervisor};
use crate::demux::DemuxEnd;
use crate::pipeline::PipelineEvent as Event;
use crate::{Failure, code, timing};

impl Supervisor {
    /// A run of ffmpeg from the media position to its end, and those that take over from it. `Ok` is an end without a
    /// fault, which need not be the end of the film, with what was still to take over.
    pub(super) async fn play_once(
        &mut self,
        opened: &mut Opened,
    ) -> Result<Option<Beside>, Failure> {
        let before = self.queues.frames.last_pts_ms();
        let route = Arc::clone(opened.route.route());
        let mut head = self.head_start(opened).await;
        let mut main = self.start_main(opened).await?;
        let mut beside = None;
        if let Some(change) = self.wanted {
            self.begin_beside(opened, change, &mut beside).await;
        }
        let mut first = self.first.subscribe();
        let mut watchdog = watchdog();
        let end = loop {
            tokio::select! {
                biased;
                failure = route.failed() => return Err(failure),
                pts_ms = first_pts(&mut first), if !self.first_reported => {
                    self.first_reported = true;
                    route.establish();
                    self.tell(Event::FirstFrame { pts_ms }).await;
                }
                end = joined_or_ended(&mut beside) => {
                    if let Some(successor) = self.settle(opened, &mut beside, end).await {
                        main = successor;
                    }
                }
                end = main.run.ended() => {
                    // A successor ends it by taking over, which it says right after that.
                    if end == DemuxEnd::Closed && beside.is_some() {
                        let news = joined_or_ended(&mut beside).await;
                        if let Some(successor) = self.settle(opened, &mut beside, news).await {
                            main = successor;
                            continue;
                        }
                    }
                    break end;
                }
                change = self.asked() => self.begin_beside(opened, change, &mut beside).await,
                _ = watchdog.tick() => {
                    if self.queues.frames.last_pts_ms() != before {
                        route.establish();
                    }
                    if self.queues.frames.lane() >= main.lane {
                        head = None;
                    }
                    if self.shows_nothing(opened, main.start_ms) {
                        let message = "copying the picture gave viewers nothing, its key frames may be too far apart";
                        return Err(Failure::new(code::PICTURE_MISSING, message));
                    }
                    if self.queues.frames.is_full() || route.in_trouble() {
                        main.run.excuse();
                    } else if main.run.idle() > timing::FFMPEG_STALL {
                        return Err(stalled());
                    }
                    self.watch_beside(opened, &mut beside, route.in_trouble()).await;
                }
            }
        };
        drop(head);
        if let DemuxEnd::Refused(refused) = end {
            return Err(refused);
        }
        let progressed = self.queues.frames.last_pts_ms() != before;
        let verdict = main.run.verdict(end, progressed).await;
        // What the source did explains what ffmpeg did.
        verdict
            .map(|()| beside)
            .map_err(|failure| route.failure().unwrap_or(failure))
    }

    /// After the film was read to its end, for as long as it is played out: its picture may still be wanted in another
    /// encoding. Never ends.
    pub(super) async fn play_out(&mut self, opened: &mut Opened, mut beside: Option<Beside>) {
        let Some(pictures) = self.queues.pictures.clone() else {
            return std::future::pending().await;
        };
        let mut main: Option<Started> = None;
        let mut watchdog = watchdog();
        loop {
            tokio::select! {
                biased;
                end = joined_or_ended(&mut beside) => {
                    main = self.settle(opened, &mut beside, end).await.or(main);
                }
                _ = rest(&mut main) => {
                    // Whether well or not: there is nothing behind it that could be played.
                    pictures.finish();
                    main = None;
                }
                change = self.asked() => self.begin_beside(opened, change, &mut beside).await,
                _ = watchdog.tick(), if beside.is_some() => {
                    self.watch_beside(opened, &mut beside, false).await;
                }
            }
        }
    }

    /// The run beside the main one is the main one from now on, or it is over.
    async fn settle(
        &mut self,
        opened: &mut Opened,
        beside: &mut Option<Beside>,
        end: Option<DemuxEnd>,
    ) -> Option<Started> {
        let beside = beside.take()?;
        let Some(end) = end else {
            return Some(self.adopt(opened, beside).await);
        };
        let change = beside.change;
        let cause = Self::why_ended(beside.started.run, end).await;
        self.beside_failed(opened, change, cause).await;
        None
    }

    async fn watch_beside(
        &mut self,
        opened: &mut Opened,
        beside: &mut Option<Beside>,
        excused: bool,
    ) {
        let Some(run) = beside.as_ref().map(|beside| &beside.started.run) else {
            return;
        };
        if excused {
            run.excuse();
        } else if run.idle() > timing::FFMPEG_STALL
            && let Some(beside) = beside.take()
        {
            let change = beside.change;
            drop(beside);
            self.beside_failed(opened, change, stalled()).await;
        }
    }
}

fn stalled() -> Failure {
    Failure::new(code::FFMPEG_STALLED, "ffmpeg gave nothing any more")
}

fn watchdog() -> Interval {
    let mut watchdog = interval(timing::WATCHDOG_TICK);
    watchdog.set_missed_tick_behavior(MissedTickBehavior::Delay);
    watchdog
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

/// Waits until nothing more comes of a run; for ever without one.
async fn rest(main: &mut Option<Started>) -> DemuxEnd {
    match main {
        Some(main) => main.run.ended().await,
        None => std::future::pending().await,
    }
}
