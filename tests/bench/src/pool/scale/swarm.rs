//! Many simulated workers, and what they saw.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::beats::Probes;
use super::sim_worker::SimWorker;
use crate::waiting::until;

/// Workers that attach at the same moment. A thousand at once are the chaos tests' business.
const ATTACH_AT_ONCE: usize = 50;

/// From the last call to its last revoke.
const SETTLES_WITHIN: Duration = Duration::from_secs(5);

/// What the workers are like.
#[derive(Clone)]
pub(super) struct Shape {
    pub(super) workers: usize,
    /// Of each.
    pub(super) millicores: u32,
    /// One title in so many is transcoded, the others are copied; 0: none.
    pub(super) transcodes_one_in: u32,
    next: Arc<AtomicU32>,
}

impl Shape {
    pub(super) fn new(workers: usize, millicores: u32, transcodes_one_in: u32) -> Self {
        Self {
            workers,
            millicores,
            transcodes_one_in,
            next: Arc::default(),
        }
    }

    /// In thousandths of a core: what real workers report of a copy, and of a transcode.
    pub(super) fn cost_of_next(&self) -> u32 {
        const COPY: u32 = 20;
        const TRANSCODE: u32 = 650;
        let one_in = self.transcodes_one_in;
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        if one_in > 0 && number.is_multiple_of(one_in) {
            TRANSCODE
        } else {
            COPY
        }
    }
}

/// What all workers tell; clones share it.
#[derive(Clone)]
pub(super) struct Witness {
    /// Which worker holds which session. For a moment two may: the next one has its lease before the first has read
    /// its revoke.
    taken: Arc<Mutex<HashMap<String, BTreeSet<usize>>>>,
    /// Who wants to know when a session is taken.
    waiting: Arc<Mutex<HashMap<String, oneshot::Sender<Instant>>>>,
    pub(super) probes: Probes,
}

impl Witness {
    fn new() -> Self {
        Self {
            taken: Arc::default(),
            waiting: Arc::default(),
            probes: Probes::default(),
        }
    }

    pub(super) fn took(&self, session: &str, worker: usize) {
        let now = Instant::now();
        let mut taken = locked(&self.taken);
        taken.entry(session.to_owned()).or_default().insert(worker);
        drop(taken);
        if let Some(waiting) = locked(&self.waiting).remove(session) {
            // Whoever asked may have gone.
            let _ = waiting.send(now);
        }
    }

    pub(super) fn gave_up(&self, session: &str, worker: usize) {
        if let Some(holders) = locked(&self.taken).get_mut(session) {
            holders.remove(&worker);
        }
    }

    pub(super) fn reports(&self, session: &str, frames: u64, at: Instant) {
        self.probes.sent(session, frames, at);
    }
}

/// What is guarded is whole after each statement.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The workers. Dropping it ends them without a word.
pub(super) struct Swarm {
    tasks: JoinSet<Result<()>>,
    pub(super) witness: Witness,
}

impl Swarm {
    /// All of them, attached.
    pub(super) async fn attach(url: String, shape: Shape) -> Result<Self> {
        let witness = Witness::new();
        let mut attaching = JoinSet::new();
        let mut swarm = Self {
            tasks: JoinSet::new(),
            witness: witness.clone(),
        };
        for number in 0..shape.workers {
            if attaching.len() >= ATTACH_AT_ONCE {
                swarm.begin(attaching.join_next().await)?;
            }
            let (url, shape, witness) = (url.clone(), shape.clone(), witness.clone());
            attaching.spawn(async move { SimWorker::attach(&url, number, shape, witness).await });
        }
        while let Some(attached) = attaching.join_next().await {
            swarm.begin(Some(attached))?;
        }
        Ok(swarm)
    }

    fn begin(
        &mut self,
        attached: Option<Result<Result<SimWorker>, tokio::task::JoinError>>,
    ) -> Result<()> {
        if let Some(worker) = attached {
            self.tasks.spawn(worker??.run());
        }
        Ok(())
    }

    /// Tells when a worker takes the session. To be asked before it is created.
    pub(super) fn expect(&self, session: &str) -> oneshot::Receiver<Instant> {
        let (taken, tells) = oneshot::channel();
        locked(&self.witness.waiting).insert(session.to_owned(), taken);
        tells
    }

    /// How many of these sessions a worker holds.
    pub(super) fn held(&self, sessions: impl Iterator<Item = usize>) -> usize {
        let taken = locked(&self.witness.taken);
        sessions
            .filter_map(|number| taken.get(&super::calls::id(number)))
            .filter(|holders| !holders.is_empty())
            .count()
    }

    /// An error when a worker lost its stream, or two still have one session.
    pub(super) async fn check(&mut self) -> Result<()> {
        if let Some(ended) = self.tasks.try_join_next() {
            ended??;
        }
        until(
            "each session to be with one worker",
            SETTLES_WITHIN,
            async || {
                let taken = locked(&self.witness.taken);
                let is_single = |holders: &BTreeSet<usize>| holders.len() <= 1;
                Ok(taken.values().all(is_single).then_some(()))
            },
        )
        .await
    }
}
