//! How a run of ffmpeg is started, and at which place.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::{Opened, Supervisor};
use crate::child::Limits;
use crate::command;
use crate::demux::Bears;
use crate::frames::FRAME_MS;
use crate::lanes::{Join, Lane, Queues};
use crate::pipeline::PipelineEvent as Event;
use crate::plan::VideoPlan;
use crate::run::{Run, RunSpec};
use crate::{Failure, Plan, code, timing};

/// Pictures that end this much before the sound are no reason to read the film from there again.
const PICTURES_BEHIND: u64 = 5_000;

/// A run, and where it stands.
pub(super) struct Started {
    pub(super) run: Run,
    pub(super) lane: u64,
    pub(super) start_ms: u64,
}

impl Supervisor {
    /// The run that the film comes from, and its folder for viewers.
    pub(super) async fn start_main(&mut self, opened: &mut Opened) -> Result<Started, Failure> {
        let mut dir = None;
        if let Some(runs) = self.runs.as_mut() {
            let begun = runs.begin(Instant::now(), timing::OLD_RUN_KEPT);
            let (path, name) = begun.map_err(|error| spool_unusable(&error))?;
            dir = Some(path.clone());
            self.tell(Event::WatchRun { dir: path, name }).await;
        }
        let copies = matches!(opened.plan.video, VideoPlan::Copy { .. });
        let join = if copies && opened.copied_before {
            Join::GoOn
        } else {
            Join::AtIdr
        };
        opened.copied_before = copies;
        let plan = opened.plan.clone();
        let start_ms = self.restart_ms(&plan);
        self.start(opened, &plan, dir, join, start_ms).await
    }

    /// Sound at once while a transcode still works its way from the key frame to the asked place:
    /// an ffmpeg without picture, which the main run's first frame ends.
    pub(super) async fn head_start(&mut self, opened: &Opened) -> Option<Run> {
        let transcodes = matches!(opened.plan.video, VideoPlan::Transcode { .. });
        // At the start of a film there is no way to work, and who looks at a picture waits for that.
        let is_there = opened.plan.picture.is_some() && self.position_ms() == 0;
        if !transcodes || is_there || self.queues.frames.buffered() >= timing::HEAD_START_BELOW {
            return None;
        }
        let plan = opened.plan.sound_only();
        let start_ms = self.position_ms();
        let head = self.start(opened, &plan, None, Join::AtIdr, start_ms);
        head.await.ok().map(|head| head.run)
    }

    pub(super) async fn start(
        &mut self,
        opened: &Opened,
        plan: &Plan,
        dir: Option<PathBuf>,
        join: Join,
        start_ms: u64,
    ) -> Result<Started, Failure> {
        self.lane += 1;
        let args = command::ffmpeg(&command::Run {
            url: opened.route.url(),
            plan,
            start_ms,
            duration_ms: opened.duration_ms,
            hls: dir.is_some(),
        });
        let bears = match (&plan.picture, &plan.video) {
            (None, _) => Bears::Sound,
            (Some(_), VideoPlan::Copy { .. }) => Bears::Copy,
            (Some(_), _) => Bears::Encoded,
        };
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
            bears,
            lane: Lane {
                number: self.lane,
                join,
                rung: plan.picture.as_ref().and_then(|picture| picture.rung),
                start_ms,
            },
        };
        let queues = Queues {
            pictures: self
                .queues
                .pictures
                .clone()
                .filter(|_| bears != Bears::Sound),
            ..self.queues.clone()
        };
        let run = Run::start(&self.shared.spawner, spec, queues, self.first.clone()).await?;
        Ok(Started {
            run,
            lane: self.lane,
            start_ms,
        })
    }

    /// Whether a copy that began at `start_ms` should have given viewers a segment, and has not.
    pub(super) fn shows_nothing(&self, opened: &Opened, start_ms: u64) -> bool {
        let copies = matches!(opened.plan.video, VideoPlan::Copy { .. });
        let played = Duration::from_millis(self.position_ms().saturating_sub(start_ms));
        let run = self.runs.as_ref().and_then(crate::spool::Runs::newest);
        copies
            && played > timing::FIRST_SEGMENT
            && run.is_some_and(|dir| !dir.join(command::PLAYLIST).exists())
    }

    /// Media time of the next frame that is needed.
    pub(super) fn position_ms(&self) -> u64 {
        self.queues
            .frames
            .last_pts_ms()
            .map_or(self.spec.start_ms, |last| last + FRAME_MS)
    }

    /// Where a run has to begin so that neither sound nor picture misses anything. Sound that is known already is left
    /// out, and pictures join at an IDR picture, which is the first of an encoding.
    fn restart_ms(&self, plan: &Plan) -> u64 {
        let sound = self.position_ms();
        let pictures = self
            .queues
            .pictures
            .as_ref()
            .filter(|_| plan.picture.is_some());
        let Some(last) = pictures.and_then(|pictures| pictures.last_pts_ms()) else {
            return sound;
        };
        if last >= sound || last + PICTURES_BEHIND < sound {
            return sound;
        }
        let given = pictures.and_then(|pictures| pictures.given_ms());
        let start = on_grid(sound, last + 1);
        if given.is_some_and(|given| start <= given) {
            // At that picture itself it could not join.
            return sound.min(start + FRAME_MS);
        }
        start
    }
}

/// The last moment at or before `wanted_ms` from which sound joins in step with what follows at `sound_ms`.
pub(super) fn on_grid(sound_ms: u64, wanted_ms: u64) -> u64 {
    let frames = sound_ms.saturating_sub(wanted_ms).div_ceil(FRAME_MS);
    // Nothing begins before the film.
    sound_ms - frames.min(sound_ms / FRAME_MS) * FRAME_MS
}

pub(super) fn spool_unusable(error: &std::io::Error) -> Failure {
    let message = format!("the spool folder cannot be written: {}", error.kind());
    Failure::new(code::SPOOL_UNUSABLE, message)
}

#[cfg(test)]
mod tests {
    use super::on_grid;

    #[test]
    fn sound_stays_in_step() {
        assert_eq!(on_grid(10_007, 9_990), 9_987);
        assert_eq!(on_grid(10_007, 9_987), 9_987);
        assert_eq!(on_grid(10_007, 10_007), 10_007);
        assert_eq!(on_grid(10_007, 12_000), 10_007, "never behind it");
        assert_eq!(on_grid(1_007, 0), 7, "nor before the film");
    }
}
