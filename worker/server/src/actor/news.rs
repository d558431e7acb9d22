//! What pipeline and voice output say, in the words of the state machine.

use std::time::Duration;

use orb_worker_core::{Failure, Input, PipelineNews, VoiceNews};
use orb_worker_media::PipelineEvent;
use orb_worker_outputs::voice::VoiceEvent;

use super::opened::WatchRun;
use super::picture::SENDING_MILLICORES;
use super::{Actor, lock};

/// A few ticks without a frame are a hiccup that the counters show; longer, and people notice.
const STARVED_AFTER: Duration = Duration::from_millis(500);

impl Actor {
    /// Of the current pipeline or the one that is opened ahead.
    pub(super) fn pipeline_input(&mut self, run: u64, event: PipelineEvent) -> Option<Input> {
        let news = match event {
            PipelineEvent::Planned {
                plan,
                duration_ms,
                cost_millicores,
                known,
            } => {
                let sending = plan.picture.as_ref().map_or(0, |_| SENDING_MILLICORES);
                self.picture_planned(run, plan.picture.as_ref());
                let news = PipelineNews::Planned {
                    plan: plan.explain(),
                    duration_ms,
                    cost_millicores: cost_millicores + sending,
                    known,
                };
                self.handle(Input::Pipeline { run, news });
                self.weigh_next(run);
                return None;
            }
            PipelineEvent::FirstFrame { .. } => {
                tracing::info!(session = %self.id, run, "source is open");
                PipelineNews::Ready
            }
            PipelineEvent::WatchRun { dir, name } => {
                let watch_run = WatchRun { name, dir };
                match self.next.as_mut().filter(|next| next.run == run) {
                    Some(next) => next.watch_runs.push(watch_run),
                    None => self.begin_watch_run(watch_run, run),
                }
                return None;
            }
            PipelineEvent::Restarted { cause } => {
                tracing::warn!(session = %self.id, code = cause.code, cause = %cause.message, "ffmpeg restarted");
                self.shared.counters.restarted();
                PipelineNews::Restarted
            }
            PipelineEvent::SwitchedSource { cause } => {
                tracing::warn!(session = %self.id, code = cause.code, cause = %cause.message, "fallback source");
                self.shared.counters.fell_back();
                PipelineNews::SwitchedSource
            }
            PipelineEvent::RungChanged {
                rung,
                cost_millicores,
            } => self.rung_changed(run, rung, cost_millicores),
            PipelineEvent::RungFailed { rung, cause } => {
                self.rung_failed(run, rung, &cause);
                return None;
            }
            PipelineEvent::Failed(failure) => {
                tracing::warn!(session = %self.id, code = failure.code, cause = %failure.message, "no source plays");
                self.shared.counters.failed(failure.code);
                self.no_encoder_starts(run);
                PipelineNews::Failed(Failure {
                    code: failure.code.to_owned(),
                    message: failure.message,
                })
            }
            // The queue is played out; the voice output says when.
            PipelineEvent::Finished => PipelineNews::Read,
        };
        Some(Input::Pipeline { run, news })
    }

    pub(super) fn voice_input(&mut self, event: VoiceEvent) -> Option<Input> {
        let news = match event {
            VoiceEvent::Connected { revision } => VoiceNews::Connected { revision },
            VoiceEvent::Reconnecting { revision } => VoiceNews::Reconnecting { revision },
            VoiceEvent::Lost {
                revision,
                close_code,
                reason,
                stream,
            } => {
                tracing::warn!(session = %self.id, revision, close_code, stream, %reason, "voice lost");
                VoiceNews::Lost {
                    revision,
                    close_code,
                    stream,
                }
            }
            VoiceEvent::FirstFrame { .. } => {
                // It may be the word of a source that was replaced meanwhile: the clock knows.
                lock(&self.state).voice.snapshot().position_ms?;
                VoiceNews::Started
            }
            VoiceEvent::Rung { run, rung } => {
                self.change_rung(run, rung);
                return None;
            }
            VoiceEvent::Joined { run } => VoiceNews::Joined { run, started: true },
            VoiceEvent::Starved => {
                self.starved_at = Some(tokio::time::Instant::now() + STARVED_AFTER);
                return None;
            }
            VoiceEvent::Refilled => {
                self.starved_at = None;
                VoiceNews::Refilled
            }
            VoiceEvent::Drained if self.is_cut_short() => return self.cut_short(),
            VoiceEvent::Drained => {
                // Only what was started can be drained: else it is an older source's last word.
                let state = lock(&self.state);
                if !state.session.has_started() {
                    return None;
                }
                VoiceNews::Drained
            }
        };
        Some(Input::Voice(news))
    }
}
