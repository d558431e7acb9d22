//! The picture for the voice channel: how it is opened, and how its encoding follows the line.

use orb_video::ladder::Rung;
use orb_worker_core::{Input, Item, PipelineNews, VoiceNews};
use orb_worker_media::{Failure, PicturePlan, PictureSpec};

use super::{Actor, State, lock};

/// Encrypting a picture, its packets and its pacing, at 2.5 Mbit/s with the sound, in thousandths of a core: measured 21,
/// rounded up. It stands beside what ffmpeg costs.
pub(super) const SENDING_MILLICORES: u32 = 25;

/// Another encoder needs so long until its first picture is there. The present one's pictures go on until then; what the
/// other one makes of what they showed already is thrown away.
const ENCODER_START_MS: u64 = 300;

/// Another encoder that was asked for, until it has taken over or failed.
pub(super) struct Starting {
    run: u64,
    rung: Option<Rung>,
    millicores: u32,
}

impl State {
    /// By how much the current item will be dearer once its other encoder has taken over.
    pub(super) fn dearer_soon(&self) -> u32 {
        let session = &self.session;
        let starting = self.starting.as_ref();
        let starting = starting.filter(|starting| starting.run == session.current_run());
        starting.map_or(0, |starting| {
            starting
                .millicores
                .saturating_sub(session.cost_millicores())
        })
    }

    /// Whether there is room for it; then that is taken.
    ///
    /// A film that is copied costs next to nothing, and all that a line may ever ask of it would be a transcode. To keep
    /// room for that from the start would leave most of a worker idle for lines that mostly hold; to start one in any
    /// case would take the cores from parties that play here. So it is started where there is room now, and refused
    /// where not: then this one party sees key frames alone while its line is too narrow, and hears all.
    fn has_room_for(&mut self, starting: Starting) -> bool {
        let under_way = self.starting.replace(starting);
        let fits = self.seat.try_take(self.cost_millicores());
        if !fits {
            self.starting = under_way;
        }
        fits
    }

    fn has_ended(&mut self, run: u64, rung: Option<Rung>) {
        self.starting
            .take_if(|starting| starting.run == run && starting.rung == rung);
    }
}

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
            most_bits_per_second: self.shared.most_picture_bits_per_second,
        }
    }

    /// Of the current pipeline, or of the one that is opened ahead.
    pub(super) fn picture_planned(&mut self, run: u64, picture: Option<&PicturePlan>) {
        let opened = self.current.iter_mut().chain(&mut self.next);
        for opened in opened.filter(|opened| opened.run == run) {
            opened.picture = picture.cloned();
        }
        let state = lock(&self.state);
        state.voice.picture_planned(run, picture.cloned());
    }

    /// The line asks for it.
    pub(super) fn change_rung(&self, run: u64, rung: Option<Rung>) {
        let current = self.current.as_ref().filter(|opened| opened.run == run);
        let planned = current.and_then(|opened| Some((opened, opened.picture.as_ref()?)));
        let mut state = lock(&self.state);
        let Some((opened, picture)) = planned else {
            // Of a pipeline that was replaced meanwhile.
            return state.voice.rung_failed(run);
        };
        let starting = Starting {
            run,
            rung,
            millicores: picture.cost_millicores(rung) + SENDING_MILLICORES,
        };
        if !state.has_room_for(starting) {
            tracing::info!(session = %self.id, run, ?rung, "no room for another encoder");
            self.shared.counters.rung("refused");
            return state.voice.rung_refused(run);
        }
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
        let mut state = lock(&self.state);
        state.voice.rung_changed(run, rung);
        state.has_ended(run, rung);
        PipelineNews::Costs {
            millicores: cost_millicores + SENDING_MILLICORES,
        }
    }

    pub(super) fn rung_failed(&self, run: u64, rung: Option<Rung>, cause: &Failure) {
        tracing::warn!(session = %self.id, run, ?rung, code = cause.code, cause = %cause.message, "the encoder did not start");
        self.shared.counters.rung("failed");
        let mut state = lock(&self.state);
        state.voice.rung_failed(run);
        state.has_ended(run, rung);
        state.take_seat();
    }

    /// The pipeline itself has failed, and with it whatever was under way.
    pub(super) fn no_encoder_starts(&self, run: u64) {
        let mut state = lock(&self.state);
        state.starting.take_if(|starting| starting.run == run);
    }
}
