//! A thousand workers and ten thousand sessions that play: what beats cost the leader, and how that grows.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::beats::Watchers;
use super::calls::{Outcome, id};
use super::installation::Installation;
use super::swarm::{Shape, Swarm};
use crate::process_cost::{CpuMeter, resident_mb, settled_mb};
use crate::report::Measurement;
use crate::statistics::Samples;

const WORKERS: usize = 1_000;

/// Of each worker: room for its ten sessions, and for what new ones are first taken for.
const MILLICORES: u32 = 4_000;

/// Discord lets an account join about a hundred channels a minute; all of this comes up within one.
const ACCOUNTS: usize = 150;

/// Numbers of sessions; the last one is what the rows are about.
const STEPS: [(usize, Duration); 4] = [
    (10, Duration::from_secs(10)),
    (100, Duration::from_secs(10)),
    (1_000, Duration::from_secs(10)),
    (10_000, Duration::from_secs(30)),
];

/// Calls under way at once while sessions are started.
const STARTERS: usize = 32;

/// From the last start to the measurement: voice, plans and positions have come in.
const SETTLE: Duration = Duration::from_secs(5);

/// Sessions that are watched.
const WATCHED: usize = 100;

/// A beat that no watcher has read after so long was overtaken by the next one, or lost.
const PATIENCE: Duration = Duration::from_secs(1);

pub(crate) async fn measure() -> Result<Vec<Measurement>> {
    let installation = Installation::start(ACCOUNTS).await?;
    let leader = installation.scheduler_pid();
    let empty = settled_mb(leader).await?;
    let shape = Shape::new(WORKERS, MILLICORES, 0);
    let mut swarm = installation.workers(shape).await?;
    let mut steps = vec![format!("no worker: {empty:.0} MB")];
    let mut last = None;
    let mut started = 0;
    for (sessions, measured) in STEPS {
        eprintln!("{WORKERS} workers, {sessions} sessions: {measured:?}");
        start(&installation, started..sessions).await?;
        started = sessions;
        tokio::time::sleep(SETTLE).await;
        let held = swarm.held(0..sessions);
        ensure!(
            held == sessions,
            "{held} of {sessions} sessions are with a worker"
        );
        let step = step(&installation, &swarm, sessions, measured).await;
        let step = installation.explained(step)?;
        installation.explained(swarm.check().await)?;
        steps.push(step.describe(sessions));
        last = Some(step);
    }
    let last = last.context("there are steps")?;
    let detail = format!(
        "{WORKERS} simulated workers over a connection each, one beat a worker every 250 ms; {}",
        steps.join("; ")
    );
    Ok(vec![
        Measurement::new("scale_leader_cores", last.cores, "cores", detail).at_most(0.5),
        Measurement::new(
            "scale_beat_p99_ms",
            last.beats.percentile(99.0),
            "ms",
            format!(
                "from a worker that sends a beat to a watcher (gRPC Watch) that reads what it says, {WATCHED} sessions \
                 of different workers: {}; {} beats not read within {PATIENCE:?}",
                last.beats.describe(),
                last.unseen,
            ),
        )
        .at_most(20.0),
        Measurement::new(
            "scale_rss_mb",
            last.rss_mb,
            "MB",
            "resident memory of orb scheduler with all of them".to_owned(),
        ),
    ])
}

struct Step {
    cores: f64,
    beats: Samples,
    unseen: usize,
    rss_mb: f64,
    all_cores: String,
}

impl Step {
    fn describe(&self, sessions: usize) -> String {
        format!(
            "{sessions} sessions: {:.3} cores, beat p50 {:.1} p99 {:.1} ms, {:.0} MB ({})",
            self.cores,
            self.beats.median(),
            self.beats.percentile(99.0),
            self.rss_mb,
            self.all_cores,
        )
    }
}

async fn step(
    installation: &Installation,
    swarm: &Swarm,
    sessions: usize,
    measured: Duration,
) -> Result<Step> {
    let probes = swarm.witness.probes.clone();
    let watched = (0..sessions).step_by((sessions / WATCHED).max(1)).map(id);
    let watchers = Watchers::start(installation.scheduler_url(), probes, watched).await?;
    // The first read of each watcher is of a beat before it came.
    tokio::time::sleep(PATIENCE).await;
    let _ = watchers.take(PATIENCE);
    let leader = installation.scheduler_pid();
    let (cpu, all) = (CpuMeter::start(leader)?, installation.meters()?);
    tokio::time::sleep(measured).await;
    let (beats, unseen) = watchers.take(PATIENCE);
    Ok(Step {
        cores: cpu.cores()?,
        all_cores: all.describe(),
        beats,
        unseen,
        rss_mb: resident_mb(leader)?,
    })
}

/// Starts these sessions; each plays when this comes back.
async fn start(installation: &Installation, sessions: std::ops::Range<usize>) -> Result<()> {
    let next = AtomicUsize::new(sessions.start);
    let starter = async || -> Result<()> {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= sessions.end {
                return Ok(());
            }
            let created = installation.calls.create(number).await?;
            ensure!(created == Outcome::Done, "session {number}: {created:?}");
            let plays = installation.calls.play(number).await?;
            ensure!(plays == Outcome::Done, "session {number}: play: {plays:?}");
        }
    };
    let started = futures::future::try_join_all((0..STARTERS).map(|_| starter()));
    installation.explained(started.await)?;
    Ok(())
}
