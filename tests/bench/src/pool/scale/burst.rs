//! A thousand starts at once: each is placed, or refused with word of when to come again. None is lost.

use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::task::JoinSet;

use super::calls::Outcome;
use super::installation::Installation;
use super::swarm::Shape;
use crate::report::Measurement;
use crate::statistics::Samples;

const STARTS: usize = 1_000;

/// Discord lets an account join about a hundred channels a minute.
const ACCOUNTS: usize = 20;

const WORKERS: usize = 100;

/// One title in five is transcoded (650), the others are copied (20): 146 each.
const TRANSCODES_ONE_IN: u32 = 5;

/// For each of two runs: in thousandths of a core, of each worker.
const ROOMS: [(&str, u32); 2] = [("room for all", 4_000), ("room for about a half", 800)];

/// Whatever is neither placed nor refused by then is lost.
const LOST_AFTER: Duration = Duration::from_secs(15);

/// What became of a start.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Start {
    Placed,
    /// Acknowledged as under way: it must be with a worker in the end.
    UnderWay,
    Refused,
}

pub(crate) async fn measure() -> Result<Vec<Measurement>> {
    let (mut slowest, mut lost, mut details) = (0.0_f64, 0, Vec::new());
    for (name, millicores) in ROOMS {
        eprintln!("{STARTS} starts at once, {name}");
        let outcome = run(millicores).await?;
        slowest = slowest.max(outcome.times.max());
        lost += outcome.lost;
        details.push(format!(
            "{name}: {} placed, {} refused, {} answered as under way, {} lost, ms: {}; {}",
            outcome.placed,
            outcome.refused,
            outcome.under_way,
            outcome.lost,
            outcome.times.describe(),
            outcome.cores,
        ));
    }
    let detail = format!(
        "{STARTS} times POST /sessions and then POST play, all begun at once, on connections of their own; {WORKERS} \
         workers, one title in {TRANSCODES_ONE_IN} transcoded; {ACCOUNTS} accounts; the worst of two runs. {}",
        details.join(". ")
    );
    Ok(vec![
        Measurement::new("burst_1000_placed_or_refused_ms", slowest, "ms", detail).at_most(2000.0),
        Measurement::new(
            "burst_1000_lost",
            lost as f64,
            "starts",
            format!("neither placed nor refused after {LOST_AFTER:?}, or acknowledged and with no worker"),
        )
        .at_most(0.0),
    ])
}

struct Burst {
    placed: usize,
    under_way: usize,
    refused: usize,
    lost: usize,
    times: Samples,
    cores: String,
}

async fn run(millicores: u32) -> Result<Burst> {
    let installation = Installation::start(ACCOUNTS).await?;
    let shape = Shape::new(WORKERS, millicores, TRANSCODES_ONE_IN);
    let mut swarm = installation.workers(shape).await?;
    let meters = installation.meters()?;
    let mut starts = JoinSet::new();
    let begin = Instant::now();
    for number in 0..STARTS {
        let calls = installation.calls.clone();
        starts.spawn(async move {
            let start = async {
                if calls.create(number).await? == Outcome::Refused {
                    return Ok(Start::Refused);
                }
                anyhow::Ok(match calls.play(number).await? {
                    Outcome::Done => Start::Placed,
                    Outcome::UnderWay => Start::UnderWay,
                    Outcome::Refused => Start::Refused,
                })
            };
            let outcome = tokio::time::timeout(LOST_AFTER, start).await;
            (number, outcome, begin.elapsed())
        });
    }
    let mut burst = Burst {
        placed: 0,
        under_way: 0,
        refused: 0,
        lost: 0,
        times: Samples::default(),
        cores: String::new(),
    };
    let mut acknowledged = Vec::new();
    while let Some(start) = starts.join_next().await {
        let (number, outcome, took) = start?;
        match outcome {
            Ok(Ok(start)) => {
                burst.times.push_ms(took);
                match start {
                    Start::Placed => burst.placed += 1,
                    Start::UnderWay => burst.under_way += 1,
                    Start::Refused => burst.refused += 1,
                }
                if start != Start::Refused {
                    acknowledged.push(number);
                }
            }
            Ok(Err(error)) => {
                eprintln!("start {number}: {error:#}");
                burst.lost += 1;
            }
            Err(_) => burst.lost += 1,
        }
    }
    burst.cores = meters.describe();
    // Those that were said to be under way have had their time by now.
    burst.lost += acknowledged.len() - swarm.held(acknowledged.iter().copied());
    installation.explained(swarm.check().await)?;
    Ok(burst)
}
