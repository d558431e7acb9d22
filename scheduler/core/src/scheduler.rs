//! The state machine's state and its front door.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::accounts::Accounts;
use crate::arriving::Arrival;
use crate::command::RecentCommands;
use crate::line::Place;
use crate::session_table::SessionTable;
use crate::timers::{Timer, Timers};
use crate::undecided::Undecided;
use crate::worker::Worker;
use crate::{
    AccountId, CommandId, Epoch, Event, Generation, GoLive, Incarnation, Lease, Millis, Now,
    QueueView, SchedulerTiming, Session, SessionId, SessionView, Step, StoredSession, Vitals,
    WorkerId, Write,
};

/// All sessions, workers and accounts of one leader.
#[derive(Debug)]
pub struct Scheduler {
    pub(crate) epoch: Epoch,
    pub(crate) timing: SchedulerTiming,
    pub(crate) go_live: GoLive,
    pub(crate) sessions: SessionTable,
    pub(crate) workers: BTreeMap<WorkerId, Worker>,
    /// Leases of worker processes that are not attached to this leader: an earlier leader's, and those of
    /// a life that another one took the place of.
    pub(crate) absent: BTreeMap<(WorkerId, Incarnation), BTreeSet<SessionId>>,
    /// Who waits for a worker, in order.
    pub(crate) line: BTreeMap<Place, SessionId>,
    pub(crate) arrivals: u64,
    /// Plays that are held back, by arrival. As many as callers wait.
    pub(crate) undecided: VecDeque<Undecided>,
    /// Sessions whose hand-over may have a step to take.
    pub(crate) handovers_due: BTreeSet<SessionId>,
    /// Sessions that were handed over and are not heard yet.
    pub(crate) arriving: BTreeMap<SessionId, Arrival>,
    /// Workers that are about to go.
    pub(crate) draining: BTreeSet<WorkerId>,
    /// Something happened that may let a drain go on.
    pub(crate) drain_due: bool,
    /// Something happened that may let somebody leave the line.
    pub(crate) room_appeared: bool,
    /// Accounts that have been connected at least once.
    pub(crate) accounts: Accounts,
    /// Who holds `(account, guild)`.
    pub(crate) leased: BTreeMap<(AccountId, u64), SessionId>,
    pub(crate) timers: Timers,
    /// Who has not been heard of since then is unknown, not suspect, until `unknown_until`.
    pub(crate) unknown_since: Millis,
    pub(crate) unknown_until: Millis,
    /// When any worker was heard of last.
    pub(crate) worker_heard: Millis,
    /// Up to where positions were written in this round; none between two rounds.
    pub(crate) checkpointed: Option<SessionId>,
    pub(crate) recent: RecentCommands,
}

impl Scheduler {
    /// A leader that has just loaded what is durable.
    pub fn load(
        epoch: Epoch,
        timing: SchedulerTiming,
        stored: impl IntoIterator<Item = StoredSession>,
        now: Now,
    ) -> Self {
        let mut scheduler = Self {
            epoch,
            timing,
            go_live: GoLive::Off,
            sessions: SessionTable::default(),
            workers: BTreeMap::new(),
            absent: BTreeMap::new(),
            line: BTreeMap::new(),
            arrivals: 0,
            undecided: VecDeque::new(),
            handovers_due: BTreeSet::new(),
            arriving: BTreeMap::new(),
            draining: BTreeSet::new(),
            drain_due: false,
            room_appeared: false,
            unknown_since: now.monotonic,
            accounts: Accounts::default(),
            leased: BTreeMap::new(),
            timers: Timers::default(),
            unknown_until: now.monotonic.after(timing.reattach_grace_ms),
            worker_heard: Millis::default(),
            checkpointed: None,
            recent: RecentCommands::default(),
        };
        scheduler
            .timers
            .at(scheduler.unknown_until, Timer::Reattach);
        scheduler.checkpoint_later(now);
        for stored in stored {
            if stored.record.is_long_over(now) {
                continue;
            }
            let mut session = Session::new(stored);
            if session.record.lease.is_some() {
                // The last leader may have confirmed it a moment ago; without a grace, its holder is known to be gone.
                let grace = timing.reset_grace_ms.min(timing.reattach_grace_ms);
                session.permitted_until = now.monotonic.after(grace);
            }
            let record = &session.record;
            if let Some(account) = record.account {
                scheduler
                    .leased
                    .insert((account, session.guild()), record.id.clone());
                let generation = record.desired.generation;
                // Whatever this session waited for, its deadline died with the last leader.
                if !record.desired.in_channel {
                    scheduler.timers.at(
                        now.monotonic.after(timing.voice_event_wait_ms),
                        Timer::ReleaseAccount(record.id.clone(), generation),
                    );
                } else if record.desired.current.is_none() {
                    scheduler.timers.at(
                        now.monotonic.after(timing.idle_leave_ms),
                        Timer::IdleLeave(record.id.clone(), generation),
                    );
                }
            }
            if record.desired.go_live {
                let judged = Timer::JudgeGoLive(record.id.clone());
                scheduler.timers.at(now.monotonic, judged);
            }
            let id = record.id.clone();
            let next = record.handover.as_ref().map(|handover| &handover.to);
            let leases: Vec<Lease> = record.lease.iter().chain(next).cloned().collect();
            scheduler.sessions.insert(id.clone(), session);
            match leases.len() {
                0 => {
                    scheduler.orphaned(&id);
                    scheduler.forget_later(&id, now);
                }
                1 => {}
                _ => scheduler.resume_handover(&id, now),
            }
            for lease in leases {
                let life = (lease.worker, lease.incarnation);
                let sessions = scheduler.absent.entry(life).or_default();
                sessions.insert(id.clone());
            }
        }
        scheduler
    }

    /// What the installation says about pictures in voice channels; to be said before the first event.
    #[must_use]
    pub fn with_go_live(mut self, go_live: GoLive) -> Self {
        self.go_live = go_live;
        self
    }

    /// Takes one event in. See the crate's mental model for what to do with the outcome.
    pub fn handle(&mut self, event: Event, now: Now) -> Step {
        let mut step = Step::default();
        self.notice_own_pause(now);
        match event {
            Event::Call(call) => self.call(&call, now, &mut step),
            Event::Tick => self.tick(now, &mut step),
            Event::Attached(registration) => self.attached(*registration, now, &mut step),
            Event::Beat {
                worker,
                incarnation,
                free_millicores,
                observed,
            } => {
                self.beat(
                    &worker,
                    &incarnation,
                    free_millicores,
                    observed,
                    now,
                    &mut step,
                );
            }
            Event::ConfirmLeases {
                worker,
                incarnation,
                request,
                leases,
            } => self.confirm_leases(worker, incarnation, request, leases, now, &mut step),
            Event::LeaseDeclined {
                worker,
                incarnation,
                session,
                token,
                plan,
            } => {
                let by = Lease {
                    worker,
                    incarnation,
                    token,
                };
                self.lease_declined(&by, &session, plan, now, &mut step);
            }
            Event::Drain { worker, cause } => self.drain(&worker, &cause, &mut step),
            Event::Detached {
                worker,
                incarnation,
            } => self.detached(&worker, &incarnation, now),
            Event::AccountReady {
                account,
                kind,
                shard,
                resumed,
            } => {
                self.account_ready((account, kind), shard, resumed, &mut step);
            }
            Event::AccountLost { account } => self.account_lost(account, now, &mut step),
            Event::Credentials {
                account,
                credentials,
            } => {
                self.credentials(account, credentials, now, &mut step);
            }
            Event::VoiceLeft {
                account,
                guild_id,
                asked,
            } => {
                self.voice_left(account, guild_id, asked, now, &mut step);
            }
            Event::Audience {
                account,
                guild_id,
                channel_id,
                people,
            } => self.audience(account, guild_id, channel_id, people, now),
            Event::LiveRefused {
                account,
                guild_id,
                reason,
            } => {
                self.live_refused(account, guild_id, &reason, now, &mut step);
            }
            Event::JoinFailed {
                account,
                guild_id,
                reason,
            } => {
                self.join_failed(account, guild_id, reason, now, &mut step);
            }
        }
        self.settle(now, &mut step);
        self.tell_pauses(&mut step);
        self.name_generations(&mut step);
        self.count_joins(&step.effects, now.monotonic);
        step
    }

    /// Every event row says to which generation it led. Those that were named before keep it: a hand-over that begins
    /// right after a call, in the same step, is a change of its own.
    pub(crate) fn name_generations(&self, step: &mut Step) {
        for write in &mut step.writes {
            if let Write::Event(row) = write
                && let Some(session) = self.sessions.get(&row.session)
                && let Some(payload) = row.payload.as_object_mut()
            {
                let generation = session.record.desired.generation.get();
                let named = payload.entry("generation");
                named.or_insert_with(|| generation.into());
            }
        }
    }

    /// What follows from an event elsewhere: hand-overs, then those who wait, then drains.
    fn settle(&mut self, now: Now, step: &mut Step) {
        for id in std::mem::take(&mut self.handovers_due) {
            self.advance_handover(&id, now, step);
        }
        let room_appeared = std::mem::take(&mut self.room_appeared);
        if room_appeared && !self.line.is_empty() {
            self.serve_line(now, step);
        }
        if room_appeared && !self.undecided.is_empty() {
            self.try_undecided(now, step);
        }
        if std::mem::take(&mut self.drain_due) || room_appeared {
            self.continue_drains(now, step);
        }
        // What was freed meanwhile is of use to nobody who was just asked; what still waits for a
        // moment has a timer.
        self.room_appeared = false;
        self.drain_due = false;
    }

    /// When the next [`Event::Tick`] is due.
    pub fn next_deadline(&self) -> Option<Millis> {
        self.timers.next()
    }

    /// Whether a retry with this command id is known without asking the store.
    pub fn remembers(&self, command: &CommandId) -> bool {
        self.recent.get(command).is_some()
    }

    /// One session as callers see it.
    pub fn view(&self, id: &SessionId, now: Now) -> Option<SessionView> {
        let session = self.sessions.get(id)?;
        Some(session.view(self.lease_alive(id, now.monotonic)))
    }

    /// The queue of one session as callers see it.
    pub fn queue(&self, id: &SessionId) -> Option<QueueView> {
        let session = self.sessions.get(id)?;
        Some(session.queue.view(session.record.queue_version))
    }

    /// What a report has moved on of one session.
    pub fn vitals(&self, id: &SessionId, now: Now) -> Option<Vitals> {
        let session = self.sessions.get(id)?;
        Some(session.vitals(self.holder_alive(session, now.monotonic)))
    }

    /// All sessions, by id.
    pub fn views(&self, now: Now) -> Vec<SessionView> {
        self.sessions
            .keys()
            .filter_map(|id| self.view(id, now))
            .collect()
    }

    /// Whether some worker is attached and heard of.
    pub fn has_worker(&self, now: Now) -> bool {
        self.workers
            .iter()
            .any(|(id, worker)| self.is_alive(id, &worker.incarnation, now.monotonic))
    }

    /// Whether some account has been connected, of the kind that a party takes whose creator says nothing.
    pub fn has_account(&self) -> bool {
        self.accounts.has(self.usual_kind())
    }

    fn tick(&mut self, now: Now, step: &mut Step) {
        while let Some(timer) = self.timers.pop_due(now.monotonic) {
            match timer {
                Timer::CallWait(session) => self.answer_settled(&session, now, step),
                Timer::Suspect(worker, incarnation) => {
                    self.judge_worker(&worker, &incarnation, now, step);
                }
                Timer::Reattach => self.judge_absent(now),
                Timer::Handover(session) => {
                    self.handovers_due.insert(session);
                }
                Timer::TryLine => self.room_appeared = true,
                Timer::Undecided => self.try_undecided(now, step),
                Timer::IdleLeave(session, generation) => {
                    self.idle_leave(&session, generation, now, step);
                }
                Timer::VoiceFailed(session, since) => {
                    self.leave_what_failed(&session, since, now, step);
                }
                Timer::EmptyLeave(session, since) => {
                    self.empty_leave(&session, since, now, step);
                }
                Timer::Forget(session, generation) => {
                    if self.is_at(&session, generation) {
                        self.forget(&session, step);
                    }
                }
                Timer::JudgeVoice(session, lost) => self.judge_voice(&session, lost, now, step),
                Timer::JudgeGoLive(session) => self.judge_picture(&session, now, step),
                Timer::ReleaseAccount(session, generation) => {
                    if self.is_at(&session, generation) {
                        self.release(&session, now, step);
                    }
                }
                Timer::Checkpoint => self.checkpoint(now, step),
            }
        }
    }

    pub(crate) fn is_at(&self, session: &SessionId, generation: Generation) -> bool {
        self.sessions
            .get(session)
            .is_some_and(|session| session.record.desired.generation == generation)
    }
}
