//! The next item: when it is opened ahead, and how the voice output and the viewers come to it.

use std::time::Duration;

use orb_worker_core::{Input, Item, PipelineNews, Session, VoiceNews};
use tokio::time::Instant;

use super::opened::WatchRun;
use super::{Actor, lock};

/// The next item is opened when so much of the current one is left, or when that was read to its end. Longer than a
/// source that does not answer takes to be given up (3.5 s, a slow probe 10 s), so that another one can be named and
/// opened in its place; and not much longer: until it is heard it costs an ffmpeg for what an edit may take away.
const OPEN_AHEAD: Duration = Duration::from_secs(20);

/// How often it is looked for room while there is none.
const LOOK_FOR_ROOM: Duration = Duration::from_secs(1);

/// What the next item is taken to cost until its probe says it, in thousandths of a core: what the scheduler keeps for a
/// picture that nobody has looked at.
const UNPROBED: u32 = 150;

/// The same where the picture goes into the voice channel: each film of which that is not known may have to be
/// transcoded.
const UNPROBED_LIVE: u32 = 650;

/// In thousandths of a core.
pub(super) fn cost_of_next(session: &Session) -> u32 {
    let unprobed = if session.goes_live() {
        UNPROBED_LIVE
    } else {
        UNPROBED
    };
    session.next_cost_millicores().unwrap_or(unprobed)
}

impl Actor {
    /// When it may be time to open the next item; none while that depends on something else than time.
    pub(super) fn looks_ahead_at(&self) -> Option<Instant> {
        let state = lock(&self.state);
        let session = &state.session;
        session.to_prepare()?;
        let now = Instant::now();
        let left = if session.is_read() {
            Duration::ZERO
        } else {
            let voice = state.voice.snapshot();
            let position_ms = voice
                .position_ms
                .filter(|_| voice.run == session.current_run());
            let position_ms = position_ms.unwrap_or(session.start_ms());
            Duration::from_millis(session.duration_ms()?.saturating_sub(position_ms))
        };
        let no_sooner = self.had_no_room.map_or(now, |at| at + LOOK_FOR_ROOM);
        Some(no_sooner.max(now + left.saturating_sub(OPEN_AHEAD)))
    }

    pub(super) fn look_ahead(&mut self) -> Option<Input> {
        // The clock may have stood meanwhile.
        let is_due = |at: Instant| at <= Instant::now();
        self.had_no_room = None;
        if !self.looks_ahead_at().is_some_and(is_due) {
            return None;
        }
        let state = lock(&self.state);
        let cost = state.session.cost_with_next(cost_of_next(&state.session));
        if state.seat.try_take(cost + state.dearer_soon()) {
            return Some(Input::MayPrepare);
        }
        self.had_no_room = Some(Instant::now());
        None
    }

    pub(super) fn prepare(&mut self, run: u64, item: &Item, picture: bool) {
        match self.pipeline((run, 0, picture), item, None) {
            Ok(opened) => self.next = Some(opened),
            Err(failure) => self.handle(Input::Pipeline {
                run,
                news: PipelineNews::Failed(failure),
            }),
        }
    }

    /// Its probe says what it costs: it is closed when there is no room for that.
    pub(super) fn weigh_next(&mut self, run: u64) {
        let fits = {
            let state = lock(&self.state);
            let is_next = state.session.prepared_run() == Some(run);
            !is_next || state.seat.try_take(state.cost_millicores())
        };
        if !fits {
            tracing::info!(session = %self.id, run, "no room for the next item beside the current one");
            self.had_no_room = Some(Instant::now());
            self.handle(Input::TooDear { run });
        }
    }

    pub(super) fn join(&mut self, run: u64) {
        if let Some(next) = self.next.as_ref().filter(|next| next.run == run) {
            lock(&self.state).voice.follow_with(next.track());
        }
    }

    /// No word and no join cross: what the join has come to is known before the word is judged.
    pub(super) fn take_back_join(&mut self) {
        let voice = {
            let state = lock(&self.state);
            state.voice.forget_next();
            state.voice.snapshot()
        };
        let next = self.next.as_ref().map(|next| next.run);
        if next == Some(voice.run) {
            self.handle(Input::Voice(VoiceNews::Joined {
                run: voice.run,
                started: voice.position_ms.is_some(),
            }));
        }
    }

    pub(super) fn drop_next(&mut self) {
        lock(&self.state).voice.forget_next();
        if self.next.take().is_some() {
            self.shared.counters.next_item("dropped");
        }
    }

    /// The next item is the current one from now on, for viewers, too.
    pub(super) fn advance(&mut self) {
        let Some(mut opened) = self.next.take() else {
            return;
        };
        let heard = lock(&self.state).voice.snapshot().run;
        let outcome = if heard == opened.run { "joined" } else { "fed" };
        tracing::info!(session = %self.id, run = opened.run, outcome, "goes on with the next item");
        self.shared.counters.next_item(outcome);
        for run in opened.watch_runs.drain(..) {
            self.begin_watch_run(run, opened.run);
        }
        self.starved_at = None;
        self.leaving = self.current.replace(opened);
    }

    pub(super) fn begin_watch_run(&self, WatchRun { name, dir }: WatchRun, generation: u64) {
        match self.runs.begin_run(&name, dir, generation) {
            Ok(()) => lock(&self.state).has_watch = true,
            Err(error) => tracing::error!(session = %self.id, %error, "watch run refused"),
        }
        self.shared.changed.add(&self.id);
    }
}
