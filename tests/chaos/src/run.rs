//! One run: start, break, heal, wait, check.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::aftermath::{Aftermath, RECOVERS_WITHIN};
use crate::clients::{Caller, Clients};
use crate::diary::Diary;
use crate::history::Store;
use crate::schedule::Schedule;
use crate::stage::Stage;
use crate::{folders, injection};

/// What to do.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Of everything that is left to chance.
    pub seed: u64,
    /// From the first possible fault to the end of the last.
    pub duration: Duration,
    /// Guilds with a party.
    pub parties: usize,
    /// Faults under way at any time.
    pub at_once: usize,
    /// PostgreSQL acknowledges commits before they are safe from its crash: what is checked must not hold then.
    pub forgetful: bool,
}

impl Plan {
    /// Its faults.
    pub fn schedule(&self) -> Schedule {
        let duration_ms = self.duration.as_millis() as u64;
        Schedule::new(self.seed, duration_ms, self.at_once)
    }

    /// Where its logs are kept.
    pub fn folder(&self) -> Result<PathBuf> {
        Ok(folders::target()?.join("chaos").join(self.seed.to_string()))
    }
}

/// How a run went.
#[derive(Debug)]
pub struct Outcome {
    /// The one line.
    pub counts: String,
    /// Empty when all held.
    pub violations: Vec<String>,
}

/// Waits until nothing that is measured runs on this machine, and carries the plan out.
pub async fn run(plan: Plan) -> Result<Outcome> {
    // The same as that of the tests that measure what a listener hears.
    let turn = File::create(folders::target()?.join("e2e.lock")).context("making the lock")?;
    tokio::task::block_in_place(|| turn.lock()).context("waiting for other measurements")?;
    let folder = plan.folder()?;
    if folder.exists() {
        std::fs::remove_dir_all(&folder).context("removing the logs of an earlier run")?;
    }
    std::fs::create_dir_all(&folder).context("making the folder for logs")?;
    let diary = Arc::new(Diary::begin(&folder)?);
    let schedule = plan.schedule();
    diary.say(&format!("seed {}, logs in {}", plan.seed, folder.display()));
    let stage = Arc::new(Stage::start(plan, schedule.schedulers, folder).await?);
    let store = Store::connect(&stage.database_url).await?;
    store.note_leases().await?;
    if plan.forgetful {
        store.forget().await?;
    }
    let caller = Caller::new(&stage.gateways, &stage.stream_url(), &stage.download_url())?;
    let mut clients = Clients::start(&caller, plan.parties, plan.seed);
    let aftermath = Aftermath {
        plan,
        stage: Arc::clone(&stage),
        store,
        caller,
        diary: Arc::clone(&diary),
        guilds: clients.parties.iter().map(|party| party.guild).collect(),
    };
    aftermath.all_play().await?;
    diary.say("all parties play");
    injection::carry_out(&stage, &aftermath.guilds, &schedule, &diary).await?;
    let healed = Instant::now();
    diary.say("all faults are over");
    clients
        .finish()
        .await
        .context("some calls were not answered")?;
    let last_answer = healed.elapsed();
    diary.say("all calls are answered");
    if last_answer > RECOVERS_WITHIN {
        let what = format!("calls were answered {last_answer:?} after the last fault");
        diary.violation(Some(healed), what);
    }
    let worst_recovery = aftermath.recover(healed).await?;
    diary.say("quiet");
    aftermath.apart(&clients).await;
    aftermath.outcome(worst_recovery, last_answer).await
}
