//! Pictures in voice channels: what the installation allows, and what becomes of a party whose picture ends.
//!
//! Discord lets no bot send one, and forbids to automate any other account: it is off unless the operator turned it on
//! (`docs/golive.md`), and nothing that a caller says can turn it on then. A party with a picture holds a user account
//! and only goes to workers that send pictures. When Discord refuses the stream, the party keeps the account until it
//! leaves the channel, and goes on with sound.

use crate::cause::{By, Cause};
use crate::{
    AccountId, AccountKind, Effect, Failure, Now, Refusal, Scheduler, Session, SessionId, Step,
};

/// What the installation says about pictures in voice channels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum GoLive {
    /// No party has one.
    #[default]
    Off,
    /// A party has one when its creator asks for it.
    Allowed {
        /// And when its creator says nothing.
        by_default: bool,
    },
}

/// Why no new party could have a picture now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoPicture {
    /// The installation does not allow it.
    Off,
    /// No user account has been connected.
    NoAccount,
    /// No worker that sends pictures is heard of.
    NoWorker,
}

impl Scheduler {
    /// Whether a new party gets a picture.
    pub(crate) fn wants_picture(&self, asked: Option<bool>) -> Result<bool, Refusal> {
        match (self.go_live, asked) {
            (GoLive::Off, Some(true)) => Err(Refusal::golive_off()),
            (GoLive::Off, _) => Ok(false),
            (GoLive::Allowed { by_default }, asked) => Ok(asked.unwrap_or(by_default)),
        }
    }

    /// What a party takes whose creator says nothing.
    pub(crate) fn usual_kind(&self) -> AccountKind {
        let usual = GoLive::Allowed { by_default: true };
        AccountKind::of_party(self.go_live == usual)
    }

    /// What stands in the way of a picture in any new party; none: nothing but room may be missing.
    pub fn no_picture(&self, now: Now) -> Option<NoPicture> {
        if self.go_live == GoLive::Off {
            Some(NoPicture::Off)
        } else if !self.accounts.has(AccountKind::User) {
            Some(NoPicture::NoAccount)
        } else if !self.has_live_worker(now) {
            Some(NoPicture::NoWorker)
        } else {
            None
        }
    }

    /// Whether some worker that sends pictures is attached and heard of.
    pub(crate) fn has_live_worker(&self, now: Now) -> bool {
        let mut live = self.workers.iter().filter(|(_, worker)| worker.go_live);
        live.any(|(id, worker)| self.is_alive(id, &worker.incarnation, now.monotonic))
    }

    /// Discord gave the account no stream, or took it away.
    pub(crate) fn live_refused(
        &mut self,
        account: AccountId,
        guild_id: u64,
        reason: &str,
        now: Now,
        step: &mut Step,
    ) {
        if let Some(id) = self.holder(account, guild_id) {
            self.end_picture(&id, reason, Cause::Voice, now, step);
        }
    }

    /// The party goes on with sound, in the voice channel itself.
    pub(crate) fn end_picture(
        &mut self,
        id: &SessionId,
        reason: &str,
        cause: Cause,
        now: Now,
        step: &mut Step,
    ) {
        let epoch = self.epoch;
        let alive = self.lease_alive(id, now.monotonic);
        let has_picture = |session: &Session| session.record.desired.go_live;
        if !self.sessions.get(id).is_some_and(has_picture) {
            return;
        }
        // What was being prepared is no longer what shall be; a drain prepares it anew.
        self.drop_handover(id, step);
        self.drain_due = true;
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        session.record.last_error = Some(Failure {
            code: "golive_refused".to_owned(),
            message: format!(
                "the picture in the voice channel ended ({reason}); the party goes on with sound"
            ),
        });
        session.change(now, |desired, _| desired.go_live = false);
        let generation = session.record.desired.generation;
        if let Some(voice) = &mut session.record.voice
            && voice.stream.take().is_some()
        {
            voice.revision = generation;
        }
        let by = By::scheduler(cause);
        step.event(
            id,
            "golive_refused",
            &by,
            serde_json::json!({ "reason": reason }),
        );
        session.save(alive, step);
        step.effects.extend(session.lease_effect(epoch));
        self.account_anew(id);
    }

    /// This leader found a party with a picture. Where the installation allows none any more, its account is none of the
    /// installation's: the party is stopped, and the next play brings it back with a bot.
    pub(crate) fn judge_picture(&mut self, id: &SessionId, now: Now, step: &mut Step) {
        if self.go_live != GoLive::Off {
            return;
        }
        let by = By::scheduler(Cause::Configuration);
        self.end_picture(id, "golive_off", Cause::Configuration, now, step);
        self.stop(id, &by, now, step);
    }

    /// Discord shows a stream as held while its party is paused.
    pub(crate) fn tell_pauses(&mut self, step: &mut Step) {
        let mut told = Vec::new();
        for effect in &step.effects {
            let Effect::SendLease {
                session,
                desired,
                voice: Some(voice),
                ..
            } = effect
            else {
                continue;
            };
            if voice.stream.is_none() {
                continue;
            }
            let Some(session) = self.sessions.get_mut(session) else {
                continue;
            };
            let paused = Some(desired.paused);
            if let Some(account) = session.record.account
                && session.live_paused != paused
            {
                session.live_paused = paused;
                told.push(Effect::PauseLive {
                    account,
                    guild_id: session.guild(),
                    paused: desired.paused,
                });
            }
        }
        step.effects.append(&mut told);
    }
}
