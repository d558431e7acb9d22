//! Sessions that are over leave memory; their rows stay.
//!
//! Without this a leader's memory would grow with the number of ids ever used. A call for one that was
//! forgotten brings its record along from the store ([`crate::Call::stored`]), so its tokens and
//! generations go on where they were; a reader takes the row ([`StoredSession::view`]).

use crate::timers::Timer;
use crate::{
    Effect, Now, QueueView, Scheduler, Session, SessionId, SessionRecord, SessionView, Step,
    StoredSession,
};

/// A session that holds neither account nor lease is forgotten after so long. Whoever polls how it ended
/// has read it by then, and from the store it takes only longer.
pub const FORGET_AFTER_MS: u64 = 600_000;

impl StoredSession {
    /// The session as callers see it when no leader has it in memory.
    pub fn view(&self) -> SessionView {
        Session::new(self.clone()).view(false)
    }

    /// Its queue as callers see it then.
    pub fn queue_view(&self) -> QueueView {
        let session = Session::new(self.clone());
        session.queue.view(session.record.queue_version)
    }
}

impl SessionRecord {
    /// Whether nobody holds anything of it and nobody will, until it is called for.
    pub fn is_over(&self) -> bool {
        self.account.is_none()
            && self.lease.is_none()
            && self.handover.is_none()
            && !self.desired.in_channel
    }

    /// The same, and for so long that a leader which begins need not load it.
    pub(crate) fn is_long_over(&self, now: Now) -> bool {
        let age_ms = now.wall_ms.saturating_sub(self.updated_at);
        self.is_over() && u64::try_from(age_ms).is_ok_and(|age| age >= FORGET_AFTER_MS)
    }
}

impl Scheduler {
    /// Whether the session is in memory. If not, a call for it has to bring what the store knows.
    pub fn knows(&self, id: &SessionId) -> bool {
        self.sessions.contains_key(id)
    }

    /// Has it forgotten in time, unless it is called for before.
    pub(crate) fn forget_later(&mut self, id: &SessionId, now: Now) {
        if let Some(session) = self.sessions.get(id).filter(|s| s.record.is_over()) {
            let generation = session.record.desired.generation;
            self.timers.at(
                now.monotonic.after(FORGET_AFTER_MS),
                Timer::Forget(id.clone(), generation),
            );
        }
    }

    pub(crate) fn forget(&mut self, id: &SessionId, step: &mut Step) {
        let over = |session: &Session| session.record.is_over() && session.waiters.is_empty();
        if self.sessions.get(id).is_some_and(over) {
            self.leave_line(id);
            self.sessions.remove(id);
            step.effects.push(Effect::Forgotten(id.clone()));
        }
    }

    /// A call for a session that was forgotten.
    pub(crate) fn recall(&mut self, stored: &StoredSession, now: Now, step: &mut Step) {
        let record = &stored.record;
        if self.knows(&record.id) || !record.is_over() {
            return;
        }
        let id = record.id.clone();
        self.sessions
            .insert(id.clone(), Session::new(stored.clone()));
        self.forget_later(&id, now);
        step.effects.push(Effect::Changed(id.clone()));
        step.effects.push(Effect::QueueChanged(id));
    }
}
