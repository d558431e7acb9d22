//! A party without anybody: after `empty_leave` it is stopped.

use crate::cause::{By, Cause};
use crate::timers::Timer;
use crate::{AccountId, Millis, Now, Scheduler, SessionId, Step};

impl Scheduler {
    /// How many people, bots apart, are in a channel, as the account in it sees it.
    pub(crate) fn audience(
        &mut self,
        account: AccountId,
        guild_id: u64,
        channel_id: u64,
        people: u32,
        now: Now,
    ) {
        let Some(id) = self.holder(account, guild_id) else {
            return;
        };
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let voice = session.record.voice.as_ref();
        let is_here = voice.map_or_else(|| session.channel(), |voice| voice.channel_id);
        if is_here != channel_id || !session.record.desired.in_channel {
            // About a channel that it has left.
            return;
        }
        if people > 0 {
            session.empty_since = None;
        } else if session.empty_since.is_none() {
            session.empty_since = Some(now.monotonic);
            self.timers.at(
                now.monotonic.after(self.timing.empty_leave_ms),
                Timer::EmptyLeave(id, now.monotonic),
            );
        }
    }

    /// Nobody has come since: the party is over.
    pub(crate) fn empty_leave(&mut self, id: &SessionId, since: Millis, now: Now, step: &mut Step) {
        let Some(session) = self.sessions.get(id) else {
            return;
        };
        if session.empty_since != Some(since) || !session.record.desired.in_channel {
            return;
        }
        let by = By::scheduler(Cause::Empty);
        let empty_ms = now.monotonic.since(since);
        step.event(
            id,
            "empty_leave",
            &by,
            serde_json::json!({ "emptyMs": empty_ms }),
        );
        self.stop(id, &by, now, step);
    }
}
