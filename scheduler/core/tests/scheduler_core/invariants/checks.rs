//! What must hold: after every step, and after the faults have ended.

use std::collections::{BTreeMap, BTreeSet};

use orb_scheduler_core::{
    Effect, Fence, FencingToken, Generation, HANDOVERS_AT_ONCE, Incarnation, Lease, MAX_LOSSES,
    PROGRESS_MS, Role, SessionId, SessionRecord, WINDOW_MS, WorkerId, Write, cost,
};

use super::world::World;

type Process = (WorkerId, Incarnation);

/// What has to be remembered from step to step.
#[derive(Default)]
pub(crate) struct Checks {
    /// The newest word to each process about each session.
    told: BTreeMap<(SessionId, Process), Fence>,
    /// The newest word to any holder.
    holders: BTreeMap<SessionId, Fence>,
    /// Who was ever told a token.
    owners: BTreeMap<(SessionId, FencingToken), Process>,
    take_overs: BTreeMap<SessionId, TakeOvers>,
}

/// Of one item.
#[derive(Default)]
struct TakeOvers {
    item_set_at: Generation,
    /// Where it was when its present holder got it.
    start_ms: u64,
    /// When it was taken over without having got anywhere.
    futile: Vec<u64>,
}

impl Checks {
    /// Somebody seeks: where the item is says nothing about what it did.
    pub(crate) fn led_elsewhere(&mut self, session: &SessionId) {
        self.take_overs.remove(session);
    }
}

impl World {
    /// After each step, when its writes are durable and its effects are about to be carried out.
    pub(crate) fn holds_after(&mut self, effects: &[Effect]) {
        let mut last_words: BTreeMap<(SessionId, Process), &Effect> = BTreeMap::new();
        for effect in effects {
            self.words_are_ordered(effect);
            if let Effect::SendLease {
                session,
                worker,
                incarnation,
                ..
            }
            | Effect::SendRevoke {
                session,
                worker,
                incarnation,
                ..
            } = effect
            {
                let process = (worker.clone(), incarnation.clone());
                last_words.insert((session.clone(), process), effect);
            }
            if let Effect::Placed { explanation, .. } = effect
                && let Some(chosen) = &explanation.chosen
            {
                self.has_room(&chosen.worker);
            }
        }
        for ((session, process), word) in last_words {
            self.word_is_durable(&session, &process, word);
        }
        self.accounts_are_held_once();
        self.handovers_are_few();
    }

    /// LS-5: never above capacity, never to one that drains or is not heard of.
    fn has_room(&self, worker: &WorkerId) {
        let process = self.processes.iter().find(|p| p.id == *worker).unwrap();
        assert!(process.attached && !process.draining, "LS-5: {process:?}");
        assert!(self.now - process.last_beat < 2_000, "LS-5: {process:?}");
        let incarnation = process.incarnation();
        let is_here = |lease: &Lease| lease.worker == *worker && lease.incarnation == incarnation;
        let need = |record: &SessionRecord| match (&record.desired.current, &record.desired.plan) {
            (None, _) => cost::IDLE,
            (Some(_), Some(plan)) => plan.cost_millicores,
            (Some(_), None) if record.desired.go_live => cost::UNPROBED_LIVE,
            (Some(_), None) => cost::UNPROBED_VIDEO,
        };
        let next = |record: &SessionRecord| record.handover.clone().map(|handover| handover.to);
        let here = self.tables.records.values().filter(|record| {
            record.lease.as_ref().is_some_and(is_here) || next(record).as_ref().is_some_and(is_here)
        });
        let all: u32 = here.map(need).sum();
        assert!(
            all <= process.total,
            "LS-5: {all} millicores on {process:?}"
        );
    }

    /// LS-1: to each process, and to the holders one after the other, fences only rise; and a token is
    /// one process's alone.
    fn words_are_ordered(&mut self, effect: &Effect) {
        let Effect::SendLease {
            worker,
            incarnation,
            session,
            fence,
            role,
            voice,
            ..
        } = effect
        else {
            return;
        };
        let process = (worker.clone(), incarnation.clone());
        let told = &mut self.checks.told;
        let before = told.insert((session.clone(), process.clone()), *fence);
        assert!(
            before.is_none_or(|before| before <= *fence),
            "LS-1: {before:?} then {effect:?}"
        );
        if *role == Role::WarmsUp {
            assert!(voice.is_none(), "LS-6: voice for one that only warms up");
        } else {
            let before = self.checks.holders.insert(session.clone(), *fence);
            assert!(
                before.is_none_or(|before| before <= *fence),
                "LS-1: {before:?} then {effect:?}"
            );
        }
        let owner = self
            .checks
            .owners
            .entry((session.clone(), fence.token))
            .or_insert_with(|| process.clone());
        assert_eq!(*owner, process, "LS-1: one token for two processes");
    }

    /// LS-7: the last word to each process says what is durable: only the holder holds, only the next one
    /// warms up, nobody has voice after a stop, and nobody is revoked what is its own.
    fn word_is_durable(&self, session: &SessionId, process: &Process, word: &Effect) {
        let Some(record) = self.tables.records.get(session) else {
            return;
        };
        let is = |lease: Option<&Lease>, fence: &Fence| {
            lease.is_some_and(|lease| {
                (lease.worker.clone(), lease.incarnation.clone()) == *process
                    && lease.token == fence.token
            })
        };
        let next = record.handover.as_ref().map(|handover| &handover.to);
        match word {
            Effect::SendLease {
                fence, role, voice, ..
            } => {
                let lease = match role {
                    Role::WarmsUp => next,
                    Role::Holds | Role::HoldsUntil { .. } => record.lease.as_ref(),
                };
                assert!(is(lease, fence), "LS-7: {word:?} but {record:?}");
                assert!(
                    voice.is_none() || record.desired.in_channel,
                    "LS-8: voice after a stop"
                );
            }
            Effect::SendRevoke { fence, .. } => {
                assert!(
                    !is(record.lease.as_ref(), fence) && !is(next, fence),
                    "LS-7: {word:?}"
                );
            }
            _ => {}
        }
    }

    /// LS-11: an item that gets nowhere is carried to so many workers at most.
    pub(crate) fn take_overs_are_bounded(&mut self, writes: &[Write]) {
        for write in writes {
            let Write::Event(row) = write else { continue };
            let Some(record) = self.tables.records.get(&row.session) else {
                continue;
            };
            if row.event_type != "lease_granted" || record.desired.current.is_none() {
                continue;
            }
            let position_ms = row.payload["positionMs"].as_u64().unwrap();
            let known = self.checks.take_overs.entry(row.session.clone());
            let known = known.or_default();
            if known.item_set_at != record.desired.current_set_at {
                *known = TakeOvers::default();
                known.item_set_at = record.desired.current_set_at;
            } else if !row.payload["from"].is_null() {
                if position_ms < known.start_ms + PROGRESS_MS {
                    known.futile.push(self.now);
                } else {
                    known.futile.clear();
                }
            }
            known.start_ms = position_ms;
            known
                .futile
                .retain(|at| ((self.now - at) as i64) < WINDOW_MS);
            assert!(
                known.futile.len() < MAX_LOSSES,
                "LS-11: {:?} {record:?}",
                known.futile
            );
        }
    }

    /// LS-2: at no commit do two sessions hold one account in one guild.
    fn accounts_are_held_once(&self) {
        let held = |record: &SessionRecord| Some((record.account?, record.guild_id.clone()));
        let all: Vec<_> = self.tables.records.values().filter_map(held).collect();
        let distinct: BTreeSet<_> = all.iter().collect();
        assert_eq!(all.len(), distinct.len(), "LS-2: {all:?}");
    }

    /// LS-9: a worker hands over a few sessions at once.
    fn handovers_are_few(&self) {
        let mut under_way: BTreeMap<&WorkerId, usize> = BTreeMap::new();
        for record in self
            .tables
            .records
            .values()
            .filter(|r| r.handover.is_some())
        {
            let from = record.lease.as_ref().expect("a hand-over is from somebody");
            *under_way.entry(&from.worker).or_default() += 1;
        }
        assert!(
            under_way.values().all(|n| *n <= HANDOVERS_AT_ONCE),
            "LS-9: {under_way:?}"
        );
    }

    /// LS-3: every call of this leader's is answered once, at the latest when its bounded wait is over.
    pub(crate) fn every_call_was_answered(&mut self) {
        self.pass(5_000, |_| true);
        let unanswered: Vec<_> = self.calls.difference(&self.answers).collect();
        assert!(unanswered.is_empty(), "LS-3: {unanswered:?}");
    }

    /// LS-4: the next leader knows what this one knows, but for what is over.
    pub(crate) fn memory_is_what_is_durable(&self) {
        for view in self.scheduler.views(self.now()) {
            let record = self
                .tables
                .records
                .get(&view.id)
                .expect("LS-4: never written");
            assert_eq!(record.desired.generation, view.generation, "LS-4");
            let durable = self.tables.session(&view.id).unwrap().view();
            assert_eq!(durable.end_reason, view.end_reason, "LS-4");
            assert_eq!(durable.queue_entry_id, view.queue_entry_id, "LS-4");
            assert_eq!(durable.worker, view.worker, "LS-4");
        }
        for (id, record) in &self.tables.records {
            let lives = record.account.is_some() || record.lease.is_some();
            assert!(
                !lives || self.scheduler.knows(id),
                "LS-4: {id} was forgotten"
            );
        }
    }

    /// LS-10: when the faults are over, everybody who shall be in a channel is carried out by a worker
    /// that knows it, nothing hangs half done, and no account is held for nothing.
    pub(crate) fn every_party_is_carried_out(&self) {
        for (id, record) in &self.tables.records {
            assert_eq!(
                record.account.is_some(),
                record.desired.in_channel,
                "LS-10: an account leaked, or is missing: {record:?}"
            );
            assert!(record.handover.is_none(), "LS-10: {record:?}");
            if !record.desired.in_channel {
                assert!(record.lease.is_none(), "LS-10: {record:?}");
                continue;
            }
            let lease = record
                .lease
                .as_ref()
                .unwrap_or_else(|| panic!("LS-10: nobody carries out {record:?}"));
            let process = self
                .processes
                .iter()
                .find(|p| p.id == lease.worker)
                .unwrap();
            assert_eq!(
                process.incarnation(),
                lease.incarnation,
                "LS-10: {record:?}"
            );
            let told = process
                .told
                .get(id)
                .unwrap_or_else(|| panic!("LS-10: {lease:?} was never told of {id}"));
            assert_eq!(told.role, Role::Holds, "LS-10");
            assert_eq!(
                (told.fence.token, told.fence.generation),
                (lease.token, record.desired.generation),
                "LS-10: it was not told the newest"
            );
            assert!(
                told.voice_revision.is_some(),
                "LS-10: no voice for {record:?}"
            );
        }
        for process in &self.processes {
            for id in process.told.keys() {
                let holds = |record: &SessionRecord| {
                    record
                        .lease
                        .as_ref()
                        .is_some_and(|l| l.worker == process.id)
                };
                assert!(
                    self.tables.records.get(id).is_some_and(holds),
                    "LS-10: {id} was not revoked"
                );
            }
        }
    }
}
