//! The picture for the voice channel: how it is opened, and how its encoding follows the line.

use orb_video::ladder::Rung;
use orb_worker_core::{Input, Item, PipelineNews, VoiceNews};
use orb_worker_media::{Failure, PictureSpec};

use super::{Actor, lock};

/// What a line is tried with at most: the highest rung that is above what Discord's own clients send at 720 lines, and
/// above what most home lines bear upwards.
const MOST_BITS_PER_SECOND: u64 = 6_000_000;

/// Another encoder needs so long until its first picture is there. The present one's pictures go on until then; what the
/// other one makes of what they showed already is thrown away.
const ENCODER_START_MS: u64 = 300;

impl Actor {
    /// Ahead of a word: it may ask for the present item in another way.
    pub(super) fn look_at_position(&mut self) {
        let voice = lock(&self.state).voice.snapshot();
        self.handle(Input::Voice(VoiceNews::Position {
            run: voice.run,
            media_ms: voice.position_ms,
        }));
    }

    /// Another pipeline of the item that is shown begins with what the line was found to bear of it.
    pub(super) fn picture_spec(&self, item: &Item) -> PictureSpec {
        let shown = self.current.as_ref();
        let shown = shown.filter(|opened| opened.entry() == item.entry_id);
        let start_rung = shown.and_then(|opened| lock(&self.state).voice.picture_rung(opened.run));
        PictureSpec {
            start_rung,
            most_bits_per_second: MOST_BITS_PER_SECOND,
        }
    }

    /// The line asks for it.
    pub(super) fn change_rung(&self, run: u64, rung: Option<Rung>) {
        let Some(opened) = self.current.as_ref().filter(|opened| opened.run == run) else {
            // Of a pipeline that was replaced meanwhile.
            return lock(&self.state).voice.rung_failed(run);
        };
        let state = lock(&self.state);
        let voice = state.voice.snapshot();
        let position_ms = voice.position_ms.filter(|_| voice.run == run);
        let at_ms = position_ms.unwrap_or(state.session.start_ms()) + ENCODER_START_MS;
        drop(state);
        tracing::info!(session = %self.id, run, ?rung, at_ms, "another encoder");
        opened.change_rung(rung, at_ms);
    }

    pub(super) fn rung_changed(
        &self,
        run: u64,
        rung: Option<Rung>,
        cost_millicores: u32,
    ) -> PipelineNews {
        self.shared.counters.rung("changed");
        lock(&self.state).voice.rung_changed(run, rung);
        PipelineNews::Costs {
            millicores: cost_millicores,
        }
    }

    pub(super) fn rung_failed(&self, run: u64, rung: Option<Rung>, cause: &Failure) {
        tracing::warn!(session = %self.id, run, ?rung, code = cause.code, cause = %cause.message, "the encoder did not start");
        self.shared.counters.rung("failed");
        lock(&self.state).voice.rung_failed(run);
    }
}
