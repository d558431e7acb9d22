//! How the pool stands: for people who look on, and no part of any decision.

use crate::{Now, Scheduler};

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

impl Scheduler {
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
