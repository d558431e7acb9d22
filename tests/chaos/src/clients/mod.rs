//! Clients that keep calling, as the bot of a watch party does: each call with its command id, repeated until it is
//! answered.

mod caller;
mod party;
mod wish;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Result;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use caller::{Caller, Status};
pub use party::Party;
pub use wish::{Answered, Call, Ending, Wish};

/// The first of the guilds; each has one party at a time.
const FIRST_GUILD: u64 = 1_001;

/// What is outstanding when the faults are over is answered soon: the longest time-out of an attempt, and the attempts
/// after it.
const FINISH_WITHIN: Duration = Duration::from_mins(1);

/// All calls, in the order in which they were first made.
#[derive(Clone, Default)]
pub struct CallHistory(Arc<Mutex<Vec<Call>>>);

impl CallHistory {
    /// Notes a call before it is made; the number is for [`Self::ended`].
    fn begun(&self, call: Call) -> usize {
        let mut calls = self.lock();
        calls.push(call);
        calls.len() - 1
    }

    fn ended(&self, number: usize, attempts: u32, ending: Ending) {
        if let Some(call) = self.lock().get_mut(number) {
            call.attempts = attempts;
            call.ending = ending;
        }
    }

    /// What there is so far.
    pub fn calls(&self) -> Vec<Call> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Call>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All of them.
pub struct Clients {
    /// One a guild.
    pub parties: Vec<Party>,
    tasks: JoinSet<()>,
    cancel: CancellationToken,
}

impl Clients {
    /// Begins; what they want is a function of the seed, when they get to want it is not. Every second party is a calm
    /// one.
    pub fn start(caller: &Caller, parties: usize, seed: u64) -> Self {
        let mut tasks = JoinSet::new();
        let cancel = CancellationToken::new();
        let rng = |stream| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            rng.set_stream(stream);
            rng
        };
        let parties: Vec<Party> = (0..parties as u64)
            .map(|index| Party::new(caller.clone(), FIRST_GUILD + index))
            .collect();
        for (index, party) in (0..).zip(&parties) {
            let calm = index % 2 == 1;
            tasks.spawn(party.clone().host(rng(2 * index + 1), calm, cancel.clone()));
            if !calm {
                tasks.spawn(party.clone().meddle(rng(2 * index + 2), cancel.clone()));
            }
        }
        Self {
            parties,
            tasks,
            cancel,
        }
    }

    /// They begin nothing new; comes back when what they began is answered.
    pub async fn finish(&mut self) -> Result<()> {
        self.cancel.cancel();
        let all = async {
            while let Some(done) = self.tasks.join_next().await {
                done?;
            }
            Ok(())
        };
        tokio::time::timeout(FINISH_WITHIN, all).await?
    }
}
