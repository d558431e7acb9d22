//! Transitions that were announced and not executed yet, and who is ready for them.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::UserId;

/// How long clients get to be ready for a transition; the protocol speaks of "roughly two
/// seconds".
pub(super) const TRANSITION_TIMEOUT: Duration = Duration::from_secs(2);

/// Where a transition leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// The keys of the group's new epoch.
    Epoch,
    /// Transport encryption only.
    Plain,
}

/// A transition that not all are ready for.
pub(super) struct Transition {
    pub(super) id: u16,
    pub(super) target: Target,
    /// Clients that get op 22, by SSRC.
    pub(super) told: Vec<u32>,
    /// Simulated members that have its keys.
    pub(super) members: Vec<UserId>,
    /// Clients that are not ready, by SSRC.
    pub(super) waiting_for: BTreeSet<u32>,
    deadline: Instant,
}

#[derive(Default)]
pub(super) struct Transitions {
    waiting: Vec<Transition>,
    last_id: u16,
    /// The next one bears id 0: "(re)initialization", which nobody is asked about.
    next_at_once: bool,
}

impl Transitions {
    /// An id for the next transition. 0: it is executed where it is announced.
    pub(super) fn next_id(&mut self) -> u16 {
        if std::mem::take(&mut self.next_at_once) {
            return 0;
        }
        self.last_id = self.last_id.wrapping_add(1).max(1);
        self.last_id
    }

    pub(super) fn next_is_at_once(&mut self) {
        self.next_at_once = true;
    }

    /// An id that no client was told of, nor will be soon.
    pub(super) fn unused_id(&self) -> u16 {
        self.last_id.wrapping_add(20_000).max(1)
    }

    /// Op 23 is awaited of all who are `told`, unless the id is 0.
    pub(super) fn begin(
        &mut self,
        id: u16,
        target: Target,
        told: Vec<u32>,
        members: Vec<UserId>,
        now: Instant,
    ) {
        let asked = if id == 0 { &[] } else { told.as_slice() };
        self.waiting.push(Transition {
            id,
            target,
            waiting_for: asked.iter().copied().collect(),
            told,
            members,
            deadline: now + TRANSITION_TIMEOUT,
        });
    }

    /// Op 23. Returns whether it was awaited.
    pub(super) fn ready(&mut self, ssrc: u32, id: u16) -> bool {
        let mut waiting = self.waiting.iter_mut();
        waiting
            .find(|one| one.id == id)
            .is_some_and(|one| one.waiting_for.remove(&ssrc))
    }

    /// The client takes part in none of them any longer.
    pub(super) fn forget(&mut self, ssrc: u32) {
        for one in &mut self.waiting {
            one.waiting_for.remove(&ssrc);
            one.told.retain(|told| *told != ssrc);
        }
    }

    /// Nobody takes part any longer: all clients reset their state.
    pub(super) fn clear(&mut self) {
        self.waiting.clear();
    }

    /// Takes out those that all are ready for or whose time is up.
    pub(super) fn take_due(&mut self, now: Instant) -> Vec<Transition> {
        let (due, waiting) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition(|one| one.waiting_for.is_empty() || one.deadline <= now);
        self.waiting = waiting;
        due
    }
}
