//! A leader, its workers, Discord and callers, all of them mortal.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use orb_scheduler_core::{
    AccountId, AccountKind, Action, Call, CallId, CommandId, DrainCause, Effect, EndReason,
    EntryId, Epoch, Event, Failure, KnownPlan, Millis, Now, Observed, PlaybackState, Prepared,
    QueueChange, QueueEdit, QueueEntry, QueueStatus, Request, Role, Scheduler, SchedulerTiming,
    SessionId, Shard, VoiceCredentials,
};

use super::pictures::{ALLOWED, USER, with_picture};
use super::pool::{At, Process};
use crate::harness::{GUILD, create, item};
use crate::queue::film;
use crate::stored::Tables;

const ACCOUNTS: [(AccountId, AccountKind); 3] = [
    (AccountId::new(1111), AccountKind::Bot),
    (AccountId::new(2222), AccountKind::Bot),
    (USER, AccountKind::User),
];

pub(crate) struct World {
    pub(crate) scheduler: Scheduler,
    pub(crate) epoch: u64,
    pub(crate) now: u64,
    pub(crate) processes: Vec<Process>,
    /// What the store holds.
    pub(crate) tables: Tables,
    /// What the event under way reports.
    pub(crate) reports: Vec<Observed>,
    /// What Discord has not said yet.
    owed: VecDeque<Event>,
    /// Which of the seats in channels have a stream.
    pub(super) seats: BTreeMap<(AccountId, u64), bool>,
    /// What Discord was told of the streams.
    pub(super) shown_as_paused: BTreeMap<(AccountId, u64), bool>,
    /// Parties whose picture ended.
    pub(super) without_picture: BTreeSet<SessionId>,
    pub(super) revisions: u64,
    pub(crate) calls: BTreeSet<CallId>,
    pub(crate) answers: BTreeSet<CallId>,
    calls_made: u64,
    pub(crate) checks: super::checks::Checks,
}

impl World {
    pub(crate) fn new() -> Self {
        let timing = SchedulerTiming::default();
        let mut world = Self {
            scheduler: Scheduler::load(Epoch::new(1), timing, [], Now::default())
                .with_go_live(ALLOWED),
            epoch: 1,
            now: 0,
            processes: (0..3).map(Process::new).collect(),
            tables: Tables::default(),
            reports: Vec::new(),
            owed: VecDeque::new(),
            seats: BTreeMap::new(),
            shown_as_paused: BTreeMap::new(),
            without_picture: BTreeSet::new(),
            revisions: 0,
            calls: BTreeSet::new(),
            answers: BTreeSet::new(),
            calls_made: 0,
            checks: super::checks::Checks::default(),
        };
        for (account, kind) in ACCOUNTS {
            world.event(Event::AccountReady {
                account,
                kind,
                shard: Shard::WHOLE,
                resumed: false,
            });
        }
        world.attach(0);
        world
    }

    pub(crate) fn now(&self) -> Now {
        Now {
            monotonic: Millis(self.now),
            wall_ms: self.now as i64,
        }
    }

    /// One event, its commit, its effects, and everything that must hold after them.
    pub(crate) fn event(&mut self, event: Event) {
        self.reports = match &event {
            Event::Beat { observed, .. } => observed.clone(),
            Event::Attached(registration) => registration.sessions.clone(),
            _ => Vec::new(),
        };
        let step = self.scheduler.handle(event, self.now());
        self.queues_change_lawfully(&step.writes);
        self.take_overs_are_bounded(&step.writes);
        self.holds_after(&step.effects);
        self.pictures_are_where_they_may(&step);
        for effect in &step.effects {
            for process in &mut self.processes {
                process.hear(effect);
            }
            self.show(effect);
            match effect {
                Effect::Answer { call, .. } => {
                    assert!(
                        self.answers.insert(*call),
                        "LS-3: {call:?} was answered twice"
                    );
                }
                Effect::JoinVoice {
                    account,
                    guild_id,
                    channel_id,
                    live,
                } => {
                    self.seats.insert((*account, *guild_id), *live);
                    self.shown_as_paused.remove(&(*account, *guild_id));
                    self.owe_credentials(*account, *guild_id, *channel_id);
                }
                Effect::RefreshVoice { account, guild_id }
                | Effect::RefreshStream { account, guild_id } => {
                    self.owe_credentials(*account, *guild_id, 456);
                }
                Effect::LeaveVoice { account, guild_id } => self.owed.push_back(Event::VoiceLeft {
                    account: *account,
                    guild_id: *guild_id,
                    asked: true,
                }),
                _ => {}
            }
        }
    }

    pub(super) fn owe_credentials(&mut self, account: AccountId, guild_id: u64, channel_id: u64) {
        self.revisions += 1;
        let credentials = VoiceCredentials {
            guild_id,
            channel_id,
            token: format!("voice-{}", self.revisions),
            stream: self.stream_of(account, guild_id),
            ..crate::harness::credentials("")
        };
        self.owed.push_back(Event::Credentials {
            account,
            credentials,
        });
    }

    pub(crate) fn discord(&mut self) {
        if let Some(event) = self.owed.pop_front() {
            self.event(event);
        }
    }

    fn call(&mut self, session: u8, request: Request) {
        self.calls_made += 1;
        let id = CallId(self.calls_made);
        let session = SessionId::new(format!("s{session}"));
        let stored = (!self.scheduler.knows(&session))
            .then(|| self.tables.session(&session).map(Box::new))
            .flatten();
        self.calls.insert(id);
        self.event(Event::Call(Box::new(Call {
            id,
            command: CommandId(format!("command-{}", self.calls_made)),
            request_hash: [0; 32],
            known: None,
            stored,
            session,
            request,
            actor: "tester".to_owned(),
            trace: None,
        })));
    }

    /// Three guilds for five sessions, two accounts: they get into each other's way.
    pub(crate) fn create(&mut self, s: u8) {
        self.call(s, with_picture(create(GUILD + u64::from(s % 3)), s));
    }

    pub(crate) fn play(&mut self, s: u8, entry: i64) {
        self.call(s, Request::Play(Box::new(item(entry))));
    }

    pub(crate) fn control(&mut self, s: u8, action: Action) {
        if let Action::Seek { .. } | Action::SeekBy { .. } = action {
            self.checks.led_elsewhere(&SessionId::new(format!("s{s}")));
        }
        self.call(s, Request::Control(action));
    }

    pub(crate) fn edit(&mut self, s: u8, change: QueueChange) {
        let if_version = None;
        self.call(s, Request::Edit(QueueEdit { if_version, change }));
    }

    pub(crate) fn add(&mut self, s: u8, films: &[i64], next: bool) {
        let items = films.iter().map(|number| film(*number)).collect();
        self.edit(s, QueueChange::Add { items, next });
    }

    pub(crate) fn play_film(&mut self, s: u8, number: i64) {
        self.call(s, Request::Play(Box::new(film(number))));
    }

    /// Some entry of those that wait.
    pub(crate) fn waiting(&self, s: u8, which: u8) -> Option<EntryId> {
        let rows = self.tables.rows(&SessionId::new(format!("s{s}")));
        let waits = |row: &&QueueEntry| row.status == QueueStatus::Queued;
        let waiting: Vec<_> = rows.iter().filter(waits).map(QueueEntry::id).collect();
        let index = usize::from(which).checked_rem(waiting.len())?;
        waiting.get(index).copied()
    }

    /// All of them, in another order.
    pub(crate) fn reorder(&mut self, s: u8, seed: u64) {
        let rows = self.tables.rows(&SessionId::new(format!("s{s}")));
        let waits = |row: &&QueueEntry| row.status == QueueStatus::Queued;
        let mut ids: Vec<_> = rows.iter().filter(waits).map(QueueEntry::id).collect();
        ids.sort_by_key(|id| id.get().wrapping_mul(seed | 1).rotate_left(11));
        self.edit(s, QueueChange::Reorder(ids));
    }

    /// The current item is played out, and its worker goes on to the next one; unheard until its next beat.
    pub(crate) fn advance(&mut self, s: u8, heard: bool) {
        let Some((index, id)) = self.holder(s) else {
            return;
        };
        let process = &mut self.processes[index];
        let free = process.free();
        let told = process.told.get_mut(&id).unwrap();
        let plays = told.role == Role::Holds && !told.desired.paused && !told.is_over();
        let next = told.desired.next.clone();
        if let Some(next) = next.filter(|next| plays && free >= super::pool::cost(next)) {
            told.at = At::Next(Box::new(next));
            if heard {
                self.beat(index);
            }
        }
    }

    /// The worker goes on by itself, and something else happens before its report comes.
    pub(crate) fn cross(&mut self, s: u8, meanwhile: impl FnOnce(&mut Self)) {
        self.advance(s, false);
        let Some((index, id)) = self.holder(s) else {
            return;
        };
        let report = self.processes[index].report(&id, self.now);
        meanwhile(self);
        self.beat_with(index, vec![report]);
    }

    /// The worker has looked at the next item.
    pub(crate) fn prepare(&mut self, s: u8, fails: bool) {
        let Some((index, id)) = self.holder(s) else {
            return;
        };
        let told = self.processes[index].told.get_mut(&id).unwrap();
        let Some(next) = told.desired.next.as_ref().filter(|_| !told.is_over()) else {
            return;
        };
        told.prepared = Some(Prepared {
            entry: next.entry,
            ready: !fails,
            failure: fails.then(|| Failure {
                code: "source_gone".to_owned(),
                message: "the source is gone".to_owned(),
            }),
            known_plan: (!fails).then(|| KnownPlan {
                cost_millicores: super::pool::cost(next),
                details: String::new(),
            }),
        });
        self.beat(index);
    }

    pub(super) fn place(&self, s: u8) -> Option<(AccountId, u64)> {
        let record = self.tables.records.get(&SessionId::new(format!("s{s}")))?;
        Some((record.account?, record.guild_id.parse().ok()?))
    }

    pub(crate) fn kick(&mut self, s: u8) {
        if let Some((account, guild_id)) = self.place(s) {
            self.event(Event::VoiceLeft {
                account,
                guild_id,
                asked: false,
            });
        }
    }

    pub(crate) fn move_to(&mut self, s: u8, channel: u64) {
        if let Some((account, guild_id)) = self.place(s) {
            self.owe_credentials(account, guild_id, channel);
        }
    }

    pub(crate) fn audience(&mut self, s: u8, people: u32) {
        if let Some((account, guild_id)) = self.place(s) {
            self.event(Event::Audience {
                account,
                guild_id,
                channel_id: 456,
                people,
            });
        }
    }

    /// The process that was told newest of the session, if one that is attached was.
    pub(super) fn holder(&self, s: u8) -> Option<(usize, SessionId)> {
        let id = SessionId::new(format!("s{s}"));
        let told = self
            .processes
            .iter()
            .enumerate()
            .filter(|(_, p)| p.attached);
        let told = told.filter_map(|(index, p)| Some((p.told.get(&id)?.fence, index)));
        told.max().map(|(_, index)| (index, id))
    }

    pub(crate) fn end(&mut self, s: u8, fails: bool) {
        let Some((index, id)) = self.holder(s) else {
            return;
        };
        let mut observed = self.processes[index].report(&id, self.now);
        if observed.playback == PlaybackState::Playing {
            observed.playback = PlaybackState::Ended;
            observed.end_reason = Some(if fails {
                EndReason::Failed
            } else {
                EndReason::Finished
            });
            self.beat_with(index, vec![observed]);
        }
    }

    pub(crate) fn decline(&mut self, s: u8) {
        let Some((index, id)) = self.holder(s) else {
            return;
        };
        let process = &mut self.processes[index];
        let Some(told) = process.told.remove(&id) else {
            return;
        };
        let (worker, incarnation) = (process.id.clone(), process.incarnation());
        self.event(Event::LeaseDeclined {
            worker,
            incarnation,
            session: id,
            token: told.fence.token,
            plan: None,
        });
    }

    pub(crate) fn attach(&mut self, w: usize) {
        let process = &mut self.processes[w];
        process.attached = true;
        process.last_beat = self.now;
        let registration = process.registration(self.now);
        self.event(Event::Attached(Box::new(registration)));
    }

    pub(crate) fn reset(&mut self, w: usize) {
        let process = &mut self.processes[w];
        if std::mem::take(&mut process.attached) {
            let (worker, incarnation) = (process.id.clone(), process.incarnation());
            self.event(Event::Detached {
                worker,
                incarnation,
            });
        }
    }

    pub(crate) fn kill(&mut self, w: usize) {
        self.reset(w);
        self.processes[w].die();
    }

    /// Whoever carries the session out dies of it, and comes back.
    pub(crate) fn crash_loop(&mut self, s: u8) {
        for _ in 0..6 {
            if let Some((index, _)) = self.holder(s) {
                self.kill(index);
                self.attach(index);
            }
            self.pass(1_000, |_| true);
        }
    }

    pub(crate) fn drain(&mut self, w: usize) {
        let process = &mut self.processes[w];
        if process.attached {
            process.draining = true;
            let (worker, cause) = (
                process.id.clone(),
                DrainCause::Worker(process.incarnation()),
            );
            self.event(Event::Drain { worker, cause });
        }
    }

    /// The next life of it is of another size.
    pub(crate) fn grow(&mut self, w: usize, millicores: u32) {
        self.kill(w);
        self.processes[w].total = millicores;
    }

    pub(crate) fn beat(&mut self, w: usize) {
        let observed = self.processes[w].reports(self.now);
        self.beat_with(w, observed);
    }

    pub(super) fn beat_with(&mut self, w: usize, observed: Vec<Observed>) {
        let process = &mut self.processes[w];
        if !process.attached {
            return;
        }
        process.last_beat = self.now;
        let event = Event::Beat {
            worker: process.id.clone(),
            incarnation: process.incarnation(),
            free_millicores: process.free(),
            observed,
        };
        self.event(event);
    }

    /// Time passes, in the beats of those that beat.
    pub(crate) fn pass(&mut self, milliseconds: u64, beats: impl Fn(usize) -> bool) {
        let until = self.now + milliseconds;
        while self.now < until {
            let next = (self.now + 500).min(until);
            self.tick_until(next);
            for w in 0..self.processes.len() {
                if beats(w) {
                    self.beat(w);
                }
            }
        }
    }

    fn tick_until(&mut self, until: u64) {
        while let Some(at) = self.scheduler.next_deadline().filter(|at| at.0 <= until) {
            self.now = self.now.max(at.0);
            self.event(Event::Tick);
        }
        self.now = until;
    }

    /// SIGSTOP and SIGCONT: the deadlines were not kept.
    pub(crate) fn leader_pause(&mut self, milliseconds: u64) {
        self.now += milliseconds;
        self.event(Event::Tick);
    }

    /// The next leader loads what is durable. All streams are cut, all callers are gone.
    pub(crate) fn leader_change(&mut self) {
        self.memory_is_what_is_durable();
        self.epoch += 1;
        let stored = self.tables.all();
        let timing = SchedulerTiming::default();
        self.scheduler = Scheduler::load(Epoch::new(self.epoch), timing, stored, self.now())
            .with_go_live(ALLOWED);
        self.calls.clear();
        for process in &mut self.processes {
            process.attached = false;
        }
        for (account, kind) in ACCOUNTS {
            self.event(Event::AccountReady {
                account,
                kind,
                shard: Shard::WHOLE,
                resumed: true,
            });
        }
    }

    /// From here on everybody is well, and there is room for all.
    pub(crate) fn faults_end(&mut self) {
        for w in 0..self.processes.len() {
            if self.processes[w].draining || self.processes[w].total < 20_000 {
                self.grow(w, 20_000);
            }
            self.attach(w);
        }
        for _ in 0..60 {
            while !self.owed.is_empty() {
                self.discord();
            }
            self.pass(1_000, |_| true);
        }
        // An empty channel may have been left in the last second: Discord confirms that, too.
        while !self.owed.is_empty() {
            self.discord();
        }
    }
}
