//! How the pool stands: for people who look on, and no part of any decision.

use crate::{Incarnation, Now, Scheduler, SessionId, WorkerId};

/// Workers, each counted once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pool {
    /// Heard of, and taking sessions.
    pub alive: usize,
    /// Heard of, and about to go.
    pub draining: usize,
    /// Leases are theirs, and this leader has not heard of them yet.
    pub unknown: usize,
    /// Not heard of any more.
    pub suspect: usize,
}

/// How one worker process stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkerStanding {
    /// Heard of, and takes sessions.
    Ready,
    /// Heard of, and about to go.
    Draining,
    /// Not heard of any more.
    Suspect,
    /// This leader has not heard of it yet, and it may still come back.
    Unknown,
}

/// One worker process, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerView {
    /// Who.
    pub worker: WorkerId,
    /// Which life of it.
    pub incarnation: Incarnation,
    /// How it stands.
    pub standing: WorkerStanding,
    /// In thousandths of a core; 0: not known.
    pub total_millicores: u32,
    /// By its last word, less what was placed there since.
    pub free_millicores: u32,
    /// What it holds, or is to hold next.
    pub sessions: Vec<SessionId>,
    /// Since its last word; none: this leader has heard none.
    pub silent_ms: Option<u64>,
    /// Whether it sends pictures into voice channels; false while this leader has not heard of it.
    pub go_live: bool,
    /// How many of the sessions are to have one.
    pub pictures: usize,
}

impl Scheduler {
    /// All of them, by id.
    pub fn workers(&self, now: Now) -> Vec<WorkerView> {
        // A leader that is new, or was paused itself, cannot tell yet who is away.
        let cannot_tell = now.monotonic < self.unknown_until;
        let unheard = if cannot_tell {
            WorkerStanding::Unknown
        } else {
            WorkerStanding::Suspect
        };
        let met = self.workers.iter().map(|(id, worker)| {
            let is_alive = self.is_alive(id, &worker.incarnation, now.monotonic);
            let heard_since = worker.last_heard >= self.unknown_since;
            WorkerView {
                worker: id.clone(),
                incarnation: worker.incarnation.clone(),
                standing: match (is_alive, worker.draining) {
                    (true, false) => WorkerStanding::Ready,
                    (true, true) => WorkerStanding::Draining,
                    (false, _) if heard_since => WorkerStanding::Suspect,
                    (false, _) => unheard,
                },
                total_millicores: worker.total_millicores,
                free_millicores: worker.room(None),
                sessions: worker.held.ids(),
                silent_ms: Some(now.monotonic.since(worker.last_heard)),
                go_live: worker.go_live,
                pictures: self.pictures(&worker.held.ids()),
            }
        });
        let absent = self
            .absent
            .iter()
            .map(|((id, incarnation), sessions)| WorkerView {
                worker: id.clone(),
                incarnation: incarnation.clone(),
                standing: unheard,
                total_millicores: 0,
                free_millicores: 0,
                sessions: sessions.iter().cloned().collect(),
                silent_ms: None,
                go_live: false,
                pictures: self.pictures(sessions),
            });
        let mut all: Vec<_> = met.chain(absent).collect();
        all.sort_by(|one, other| {
            (&one.worker, &one.incarnation).cmp(&(&other.worker, &other.incarnation))
        });
        all
    }

    fn pictures<'a>(&self, ids: impl IntoIterator<Item = &'a SessionId>) -> usize {
        let sessions = ids.into_iter().filter_map(|id| self.sessions.get(id));
        sessions
            .filter(|session| session.record.desired.go_live)
            .count()
    }

    /// Counts. Looks at every worker.
    pub fn pool(&self, now: Now) -> Pool {
        let mut pool = Pool {
            unknown: self.absent.len(),
            ..Pool::default()
        };
        for (id, worker) in &self.workers {
            let is_alive = self.is_alive(id, &worker.incarnation, now.monotonic);
            let counted = match (is_alive, worker.draining) {
                (true, false) => &mut pool.alive,
                (true, true) => &mut pool.draining,
                (false, _) => &mut pool.suspect,
            };
            *counted += 1;
        }
        pool
    }
}
