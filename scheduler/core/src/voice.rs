//! What the account's gateway says about voice, and what becomes of a session whose voice is lost.
//!
//! Only the leader sees both the worker's close code and Discord's voice states, so only it can tell a
//! kick from a move from a lost voice server.

use crate::cause::{By, Cause};
use crate::timers::Timer;
use crate::{
    AccountId, AccountKind, Effect, EndReason, Failure, Generation, Millis, Now, Observed,
    Scheduler, Session, SessionId, Shard, Step, VoiceCredentials,
};

/// Discord's close code for "disconnected: moved, kicked, or the channel is gone".
const DISCONNECTED: u16 = 4014;

/// Which of a session's connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    /// That of the Go Live stream.
    Stream,
    /// That of the voice channel. Without it there is no stream either.
    Voice,
}

/// A connection that was lost under credentials of that revision. What is greater is later, or tells more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Lost {
    revision: Generation,
    part: Part,
}

/// After so many refreshes without one connection the session gives up until the next play: Discord
/// refuses for a reason that a sixth try would not change.
const MAX_REFRESHES: u32 = 5;

impl Scheduler {
    pub(crate) fn account_ready(
        &mut self,
        (account, kind): (AccountId, AccountKind),
        shard: Shard,
        resumed: bool,
        step: &mut Step,
    ) {
        self.accounts.connected(account, kind, shard);
        // A new gateway session has no voice states: every party in its guilds joins again. A resumed one
        // has them, but for joins that were cut off before their credentials came.
        let leased = self.leased.range((account, 0)..=(account, u64::MAX));
        let of_shard = leased.filter(|((_, guild), _)| shard.has(*guild));
        for session in of_shard.filter_map(|(_, id)| self.sessions.get(id)) {
            let record = &session.record;
            let goes_live = record.desired.go_live;
            let is_whole = |voice: &VoiceCredentials| voice.stream.is_some() || !goes_live;
            let is_joined = resumed && record.voice.as_ref().is_some_and(is_whole);
            if record.desired.in_channel && !is_joined {
                step.effects.push(Effect::JoinVoice {
                    account,
                    guild_id: session.guild(),
                    channel_id: session.channel(),
                    live: goes_live,
                });
            }
        }
    }

    /// Nothing more comes of it: its parties end as if it had been put out, and the next play takes another account.
    pub(crate) fn account_lost(&mut self, account: AccountId, now: Now, step: &mut Step) {
        self.accounts.remove(account);
        let leased = self.leased.range((account, 0)..=(account, u64::MAX));
        let guilds: Vec<u64> = leased.map(|((_, guild), _)| *guild).collect();
        for guild in guilds {
            self.voice_left(account, guild, false, now, step);
        }
    }

    pub(crate) fn credentials(
        &mut self,
        account: AccountId,
        mut credentials: VoiceCredentials,
        now: Now,
        step: &mut Step,
    ) {
        let epoch = self.epoch;
        let Some(id) = self.holder(account, credentials.guild_id) else {
            return;
        };
        let alive = self.lease_alive(&id, now.monotonic);
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        if !session.record.desired.in_channel {
            return;
        }
        if !session.record.desired.go_live {
            credentials.stream = None;
        }
        let known_stream = match &session.record.voice {
            Some(known) => {
                credentials.revision = known.revision;
                let is_judged = session.judged.is_some_and(|j| j.revision == known.revision);
                if *known == credentials && !is_judged {
                    return;
                }
                known.stream.as_ref()
            }
            None => None,
        };
        if known_stream != credentials.stream.as_ref() {
            // A new one is not held.
            session.live_paused = Some(false);
        }
        session.change(now, |_, generation| credentials.revision = generation);
        session.voice_failed_since = None;
        let channel_id = |voice: &VoiceCredentials| voice.channel_id;
        if session.record.voice.as_ref().map(channel_id) != Some(credentials.channel_id) {
            // Who is in the new channel is told anew.
            session.empty_since = None;
        }
        session.record.voice = Some(credentials);
        session.save(alive, step);
        step.effects.extend(session.lease_effect(epoch));
    }

    pub(crate) fn voice_left(
        &mut self,
        account: AccountId,
        guild_id: u64,
        asked: bool,
        now: Now,
        step: &mut Step,
    ) {
        let Some(id) = self.holder(account, guild_id) else {
            return;
        };
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        if session.record.desired.in_channel {
            if asked {
                // The confirmation of an earlier leave; a join has been asked for since.
                return;
            }
            let failure = Failure {
                code: "voice_kicked".to_owned(),
                message:
                    "the bot was disconnected from the voice channel; play again to bring it back"
                        .to_owned(),
            };
            let by = By::scheduler(Cause::Voice);
            session.end_current(EndReason::Stopped, None, &by, now, step);
            session.record.last_error = Some(failure);
            session.record.stopped = true;
            session.change(now, |desired, _| desired.in_channel = false);
            step.event(&id, "voice_kicked", &by, serde_json::json!({}));
        }
        self.release(&id, now, step);
    }

    /// Gives back the lease and `(account, guild)`; the visible end state stays.
    pub(crate) fn release(&mut self, id: &SessionId, now: Now, step: &mut Step) {
        self.revoke(id, step);
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        let guild = session.guild();
        session.record.voice = None;
        if let Some(account) = session.record.account.take() {
            self.leased.remove(&(account, guild));
        }
        session.record.updated_at = now.wall_ms;
        session.save(false, step);
        self.answer_settled(id, now, step);
        self.forget_later(id, now);
    }

    pub(crate) fn join_failed(
        &mut self,
        account: AccountId,
        guild_id: u64,
        reason: String,
        now: Now,
        step: &mut Step,
    ) {
        let Some(id) = self.holder(account, guild_id) else {
            return;
        };
        self.voice_fails(&id, "voice_join_failed", reason, now, step);
    }

    fn voice_fails(
        &mut self,
        id: &SessionId,
        code: &str,
        message: String,
        now: Now,
        step: &mut Step,
    ) {
        let alive = self.lease_alive(id, now.monotonic);
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        if session.voice_failed_since.is_none() {
            session.voice_failed_since = Some(now.monotonic);
            self.timers.at(
                now.monotonic.after(self.timing.idle_leave_ms),
                Timer::VoiceFailed(id.clone(), now.monotonic),
            );
        }
        session.record.last_error = Some(Failure {
            code: code.to_owned(),
            message,
        });
        session.record.updated_at = now.wall_ms;
        let by = By::scheduler(Cause::Voice);
        step.event(id, "voice_failed", &by, serde_json::json!({ "code": code }));
        session.save(alive, step);
    }

    /// Nobody has tried again for as long as a party may be idle: the account is needed elsewhere.
    pub(crate) fn leave_what_failed(
        &mut self,
        id: &SessionId,
        since: Millis,
        now: Now,
        step: &mut Step,
    ) {
        let epoch = self.epoch;
        let alive = self.lease_alive(id, now.monotonic);
        let failed = self.sessions.get(id).is_some_and(|session| {
            session.voice_failed_since == Some(since) && session.record.desired.in_channel
        });
        if !failed {
            return;
        }
        self.drop_handover(id, step);
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        let failure = session.record.last_error.clone();
        let by = By::scheduler(Cause::Voice);
        session.end_current(EndReason::Failed, failure, &by, now, step);
        session.change(now, |desired, _| desired.in_channel = false);
        step.event(id, "idle_leave", &by, serde_json::json!({}));
        session.save(alive, step);
        step.effects.extend(session.lease_effect(epoch));
        self.leave(id, now, step);
    }

    /// A worker lost its voice connection and may not mend it by itself.
    pub(crate) fn judge_voice_loss(&mut self, observed: &Observed, now: Now, step: &mut Step) {
        let Some(loss) = observed.voice_loss else {
            return;
        };
        let Some(session) = self.sessions.get_mut(&observed.session) else {
            return;
        };
        let (part, event) = if loss.stream {
            (Part::Stream, "golive_lost")
        } else {
            (Part::Voice, "voice_lost")
        };
        let lost = Lost {
            revision: Generation::new(loss.revision),
            part,
        };
        if !session.has_now(lost) || session.judged >= Some(lost) {
            return;
        }
        session.judged = Some(lost);
        step.event(
            &observed.session,
            event,
            &By::scheduler(Cause::Voice),
            serde_json::json!({ "closeCode": loss.close_code }),
        );
        if loss.close_code == Some(DISCONNECTED) {
            // Moved, kicked, or the stream ended: Discord's own events say which, and they arrive on another socket.
            self.timers.at(
                now.monotonic.after(self.timing.voice_event_wait_ms),
                Timer::JudgeVoice(observed.session.clone(), lost),
            );
        } else {
            self.refresh_voice(&observed.session.clone(), part, now, step);
        }
    }

    pub(crate) fn judge_voice(&mut self, id: &SessionId, lost: Lost, now: Now, step: &mut Step) {
        if self
            .sessions
            .get(id)
            .is_some_and(|session| session.has_now(lost))
        {
            self.refresh_voice(id, lost.part, now, step);
        }
    }

    fn refresh_voice(&mut self, id: &SessionId, part: Part, now: Now, step: &mut Step) {
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        let Some(account) = session.record.account else {
            return;
        };
        session.refreshes += 1;
        let guild_id = session.guild();
        if session.refreshes > MAX_REFRESHES && part == Part::Stream {
            let channel_id = session.channel();
            self.end_picture(id, "stream_refused", Cause::Voice, now, step);
            // The seat stays; the stream that nobody can connect to ends.
            step.effects.push(Effect::JoinVoice {
                account,
                guild_id,
                channel_id,
                live: false,
            });
            return;
        }
        if session.refreshes > MAX_REFRESHES {
            let message =
                "Discord keeps closing the voice connection; stop and play again".to_owned();
            self.voice_fails(id, "voice_refused", message, now, step);
            return;
        }
        step.effects.push(match part {
            Part::Voice => Effect::RefreshVoice { account, guild_id },
            Part::Stream => Effect::RefreshStream { account, guild_id },
        });
    }

    pub(crate) fn holder(&self, account: AccountId, guild_id: u64) -> Option<SessionId> {
        self.leased.get(&(account, guild_id)).cloned()
    }
}

impl Session {
    /// Whether that connection is one that the session is to have now.
    fn has_now(&self, lost: Lost) -> bool {
        let voice = self.record.voice.as_ref();
        self.record.desired.in_channel
            && voice.is_some_and(|voice| {
                voice.revision == lost.revision
                    && (lost.part == Part::Voice || voice.stream.is_some())
            })
    }
}
