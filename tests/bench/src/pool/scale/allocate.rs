//! Allocations: `POST /sessions` in, the lease durable, a worker has taken it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tokio::task::JoinSet;

use super::calls::{Outcome, id};
use super::installation::{Cores, DISCORD, GATEWAY, Installation, LOAD, SCHEDULER, STORE};
use super::one_thread::on_one_thread;
use super::swarm::{Shape, Swarm};
use crate::report::Measurement;
use crate::statistics::Samples;

/// As many workers as a large installation has, with room for everything that is started.
const WORKERS: usize = 100;
const MILLICORES: u32 = 16_000;

/// Discord lets an account join about a hundred channels a minute: 400 of them join what is started here at once.
const ACCOUNTS: usize = 400;

/// The given rate, open loop: a call begins when it is due, whatever became of those before.
const PER_S: u32 = 200;
const AT_RATE: Duration = Duration::from_secs(20);

/// Calls under way at once while as much is started as can be. More only wait longer.
const CALLERS: usize = 96;
const WARM_UP: Duration = Duration::from_secs(2);
const SUSTAINED: Duration = Duration::from_secs(10);

/// A lease that comes so much later than the answer is lost.
const TAKEN_WITHIN: Duration = Duration::from_secs(10);

/// Rows of what an allocation costs, and whose CPU time each is.
const COSTS: [(&str, &str); 5] = [
    ("allocate_cpu_scheduler_us", SCHEDULER),
    ("allocate_cpu_gateway_us", GATEWAY),
    ("allocate_cpu_store_us", STORE),
    ("allocate_cpu_discord_us", DISCORD),
    ("allocate_cpu_load_us", LOAD),
];

pub(crate) async fn measure() -> Result<Vec<Measurement>> {
    let mut measurements = vec![on_one_thread(at_rate).await?];
    measurements.extend(on_one_thread(sustained).await?);
    Ok(measurements)
}

async fn at_rate() -> Result<Measurement> {
    let installation = Arc::new(Installation::start(ACCOUNTS / 4).await?);
    let shape = Shape::new(WORKERS, MILLICORES, 0);
    let mut swarm = installation.workers(shape).await?;
    warm_up(&installation, &swarm).await?;
    eprintln!("{PER_S} allocations a second: {AT_RATE:?}");
    let meters = installation.meters()?;
    let mut calls = JoinSet::new();
    let mut due = tokio::time::interval(Duration::from_secs(1) / PER_S);
    let begin = Instant::now();
    let mut number = 0;
    while begin.elapsed() < AT_RATE {
        // What is late is not left out.
        let at = due.tick().await.into_std();
        number += 1;
        let taken = swarm.expect(&id(number));
        let api = installation.calls.clone();
        calls.spawn(async move {
            let outcome = api.create(number).await?;
            ensure!(outcome == Outcome::Done, "a start was refused");
            let answered = Instant::now();
            let taken = tokio::time::timeout(TAKEN_WITHIN, taken).await;
            let taken = taken.context("an acknowledged session was taken by no worker")??;
            anyhow::Ok((taken.max(answered) - at, answered - at))
        });
    }
    let (mut allocated, mut answered) = (Samples::default(), Samples::default());
    while let Some(call) = calls.join_next().await {
        let (whole, answer) = installation.explained(call?)?;
        allocated.push_ms(whole);
        answered.push_ms(answer);
    }
    installation.explained(swarm.check().await)?;
    Ok(Measurement::new(
        "allocate_p99_ms",
        allocated.percentile(99.0),
        "ms",
        format!(
            "POST /sessions due -> 201 read and the lease taken by a worker, open loop, {PER_S}/s for {AT_RATE:?}: {}; \
             to the 201 alone: {}; {WORKERS} workers, {} accounts; {}",
            allocated.describe(),
            answered.describe(),
            ACCOUNTS / 4,
            meters.describe(),
        ),
    )
    .at_most(25.0))
}

/// What is cold at first (connections, caches, plans) is no part of what is sustained.
async fn warm_up(installation: &Installation, swarm: &Swarm) -> Result<()> {
    for number in 9_000_000..9_000_100 {
        let taken = swarm.expect(&id(number));
        installation.calls.create(number).await?;
        tokio::time::timeout(TAKEN_WITHIN, taken).await??;
    }
    Ok(())
}

async fn sustained() -> Result<Vec<Measurement>> {
    let installation = Installation::start(ACCOUNTS).await?;
    let shape = Shape::new(WORKERS, MILLICORES, 0);
    let mut swarm = installation.workers(shape).await?;
    eprintln!("as many allocations as there can be: {SUSTAINED:?}");
    let next = AtomicUsize::new(0);
    let refused = AtomicUsize::new(0);
    let begin = Instant::now() + WARM_UP;
    let caller = async || -> Result<Samples> {
        let mut done = Samples::default();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let taken = swarm.expect(&id(number));
            let at = Instant::now();
            if at > begin + SUSTAINED {
                return Ok(done);
            }
            match installation.calls.create(number).await? {
                Outcome::Done => {}
                Outcome::Refused => {
                    refused.fetch_add(1, Ordering::Relaxed);
                    continue;
                }
                Outcome::UnderWay => bail!("a create waits for no worker"),
            }
            let taken = tokio::time::timeout(TAKEN_WITHIN, taken).await;
            taken.context("an acknowledged session was taken by no worker")??;
            let now = Instant::now();
            if (begin..begin + SUSTAINED).contains(&now) {
                done.push_ms(now - at);
            }
        }
    };
    let measuring = async {
        tokio::time::sleep_until(begin.into()).await;
        let meters = installation.meters()?;
        tokio::time::sleep(SUSTAINED).await;
        anyhow::Ok(meters.read())
    };
    let callers = futures::future::try_join_all((0..CALLERS).map(|_| caller()));
    let (cores, done) = installation.explained(tokio::try_join!(measuring, callers))?;
    let mut all = Samples::default();
    for one in &done {
        all.extend(one);
    }
    installation.explained(swarm.check().await)?;
    let per_s = all.len() as f64 / SUSTAINED.as_secs_f64();
    let rate = Measurement::new(
        "allocate_per_s",
        per_s,
        "1/s",
        format!(
            "the same, {CALLERS} callers that wait for each, over {SUSTAINED:?} after {WARM_UP:?}; PostgreSQL with its \
             own defaults (fsync, synchronous_commit); ms each: {}; {} refused; {WORKERS} workers; {ACCOUNTS} accounts, \
             so that Discord's limit of joins an account and minute is kept by all of them; {}",
            all.describe(),
            refused.load(Ordering::Relaxed),
            cores.describe(),
        ),
    );
    let mut measurements = vec![rate.at_least(2000.0)];
    measurements.extend(costs(&cores, per_s));
    Ok(measurements)
}

/// CPU time (user and system) of an allocation. It hardly depends on who else keeps the machine busy, as the rate does.
fn costs(cores: &Cores, per_s: f64) -> Vec<Measurement> {
    let microseconds = |cores: f64| cores / per_s * 1e6;
    let all = Measurement::new(
        "allocate_cpu_us",
        microseconds(cores.all()),
        "us",
        "CPU time of an allocation, of all processes, in the run of allocate_per_s",
    );
    let parts = COSTS.map(|(row, name)| {
        let detail = format!("the part of: {name}");
        Measurement::new(row, microseconds(cores.of(name)), "us", detail)
    });
    std::iter::once(all).chain(parts).collect()
}
