//! Deadlines in order. A timer that fires is a reason to look, not a verdict: whoever armed it checks
//! whether its cause still stands, so nothing has to be disarmed.

use std::collections::BTreeSet;

use crate::voice::Lost;
use crate::{Generation, Incarnation, Millis, SessionId, WorkerId};

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// A call has waited long enough.
    CallWait(SessionId),
    /// A worker may have been silent for too long.
    Suspect(WorkerId, Incarnation),
    /// Workers had time to come back after this scheduler's start.
    Reattach,
    /// A session waits for a moment that has come: a permit under its last lease is over, or a worker that gave it
    /// back may be asked again.
    TryLine,
    /// A play that is held back has waited long enough.
    Undecided,
    /// A phase of a hand-over may have taken too long.
    Handover(SessionId),
    /// Nothing has played for long; valid at this generation only.
    IdleLeave(SessionId, Generation),
    /// Voice may have been given up since then.
    VoiceFailed(SessionId, Millis),
    /// Nobody may have been in the channel since then.
    EmptyLeave(SessionId, Millis),
    /// A session that is over may leave memory; valid at this generation only.
    Forget(SessionId, Generation),
    /// Discord had time to say what a lost voice connection means.
    JudgeVoice(SessionId, Lost),
    /// A picture may be forbidden by now.
    JudgeGoLive(SessionId),
    /// Discord had time to confirm that the account left; valid at this generation only.
    ReleaseAccount(SessionId, Generation),
    /// Positions are to be written.
    Checkpoint,
}

#[derive(Debug, Default, Clone)]
pub(crate) struct Timers(BTreeSet<(Millis, Timer)>);

impl Timers {
    pub(crate) fn at(&mut self, when: Millis, timer: Timer) {
        self.0.insert((when, timer));
    }

    pub(crate) fn pop_due(&mut self, now: Millis) -> Option<Timer> {
        if self.0.first().is_some_and(|(when, _)| *when <= now) {
            self.0.pop_first().map(|(_, timer)| timer)
        } else {
            None
        }
    }

    pub(crate) fn next(&self) -> Option<Millis> {
        self.0.first().map(|(when, _)| *when)
    }
}
