//! A worker that plays is killed, or falls silent: how long until the next one is heard, and from where.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::process::Signal;

use super::distance::ROUND_TRIP;
use super::processes::{Pool, Setup, Worker};
use super::track::Change;
use crate::film::Film;
use crate::moment::Moment;
use crate::party::Party;
use crate::report::Measurement;
use crate::statistics::Samples;

/// Kills that count.
const KILLS: usize = 22;

/// And at a round trip of 30 ms.
const FAR_KILLS: usize = 8;

/// No take-over takes longer, even of a debug build on a busy machine.
const TAKEN_OVER_WITHIN: Duration = Duration::from_secs(20);

/// For the whole part; beyond this something hangs.
const PART_WITHIN: Duration = Duration::from_mins(5);

/// What the time between two moments of a take-over is called.
const PARTS: [&str; 5] = [
    "noticed",
    "granted",
    "source open",
    "voice up",
    "first packet",
];

/// How a worker is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loss {
    /// SIGKILL.
    Killed,
    /// SIGSTOP.
    Stopped,
    /// It goes on, and nothing gets from it to the scheduler, nor back.
    CutOff,
}

pub(super) async fn measure() -> Result<Vec<Measurement>> {
    let near = rounds(Setup::default(), Loss::Killed, KILLS).await?;
    let far = Setup {
        far: true,
        ..Setup::default()
    };
    let far = rounds(far, Loss::Killed, FAR_KILLS).await?;
    let detail = format!(
        "the same, voice server and film a round trip of {ROUND_TRIP:?} away: {}",
        far.detail("SIGKILL")
    );
    let mut measurements = near.killed();
    measurements.push(Measurement::new(
        "takeover_kill_rtt_30_p50_ms",
        far.whole.median(),
        "ms",
        detail,
    ));
    Ok(measurements)
}

/// Take-overs in a pool of their own.
pub(super) async fn rounds(setup: Setup, loss: Loss, rounds: usize) -> Result<Rounds> {
    let mut pool = Pool::start(setup).await?;
    let play = async |pool: &mut Pool| Rounds::play(pool, loss, rounds).await;
    pool.run(play, PART_WITHIN).await
}

impl Loss {
    async fn add_worker(self, pool: &mut Pool) -> Result<()> {
        match self {
            Self::Killed | Self::Stopped => pool.add_worker().await,
            Self::CutOff => pool.add_worker_on_a_line().await,
        }
    }

    fn strike(self, worker: &Worker) -> Result<Moment> {
        match self {
            Self::Killed => worker.process.signal(Signal::KILL),
            Self::Stopped => worker.process.signal(Signal::STOP),
            Self::CutOff => {
                let line = worker.line.as_ref().context("it has a line")?;
                let moment = Moment::now();
                line.cut();
                Ok(moment)
            }
        }
    }
}

/// Take-overs of one kind.
#[derive(Default)]
pub(super) struct Rounds {
    whole: Samples,
    parts: [Samples; PARTS.len()],
    /// New against old, in ms of media time; signed.
    errors: Samples,
}

impl Rounds {
    /// One party, two workers: whoever plays is lost, and a new one comes for it.
    async fn play(pool: &mut Pool, loss: Loss, rounds: usize) -> Result<Self> {
        loss.add_worker(pool).await?;
        loss.add_worker(pool).await?;
        let party = pool.playing(0, Film::Copied).await?;
        // A first life of a process does a few things once: round 0 only warms up.
        let mut all = Self::default();
        for round in 0..=rounds {
            eprintln!("take-over, {loss:?}: {round}/{rounds}");
            let holder = pool.take_holder().await?;
            let listener = pool.listener(&party);
            listener.film_for(Duration::from_secs(3)).await?;
            let moment = loss.strike(&holder)?;
            let took = TakenOver::seen(pool, &party, moment).await?;
            drop(holder);
            loss.add_worker(pool).await?;
            let error = took
                .change
                .position_error(pool.discord(), &party, moment.at);
            let error = error.await?;
            if round > 0 {
                all.add(&took, moment, error);
            }
        }
        Ok(all)
    }

    pub(super) fn extend(&mut self, other: &Self) {
        self.whole.extend(&other.whole);
        self.errors.extend(&other.errors);
        for (part, others) in self.parts.iter_mut().zip(&other.parts) {
            part.extend(others);
        }
    }

    fn add(&mut self, took: &TakenOver, moment: Moment, error: f64) {
        self.whole.push_ms(took.change.first - moment.at);
        self.errors.push(error);
        for (part, at) in self.parts.iter_mut().zip(&took.moments) {
            if let Some(at) = at {
                part.push_ms(at.saturating_duration_since(moment.at));
            }
        }
    }

    fn killed(&self) -> Vec<Measurement> {
        let detail = self.detail("SIGKILL");
        vec![
            Measurement::new("takeover_kill_p50_ms", self.whole.median(), "ms", &detail)
                .at_most(500.0),
            Measurement::new(
                "takeover_kill_p99_ms",
                self.whole.percentile(99.0),
                "ms",
                detail,
            )
            .at_most(1500.0),
            Measurement::new(
                "takeover_position_error_max_ms",
                self.largest_error(),
                "ms",
                self.errors(),
            )
            .at_most(250.0),
        ]
    }

    pub(super) fn detail(&self, what: &str) -> String {
        let parts: Vec<String> = PARTS
            .iter()
            .zip(&self.parts)
            .map(|(name, part)| format!("{name} {:.0}", part.median()))
            .collect();
        format!(
            "{what} of the worker that plays, to the first packet of the next one that the member decrypts: {}; medians of \
             its moments in ms after the signal: {}; the source (picture copied, sound to Opus) is opened while voice \
             connects",
            self.whole.describe(),
            parts.join(", ")
        )
    }

    pub(super) fn errors(&self) -> String {
        format!(
            "begin of the next one's sound against the end of the old one's, in ms of media time; below zero it is heard twice: {}",
            self.errors.describe()
        )
    }

    /// Either way.
    pub(super) fn largest_error(&self) -> f64 {
        self.errors.percentile(0.0).abs().max(self.errors.max())
    }

    /// From the loss to the next one's first packet.
    pub(super) fn whole(&self) -> &Samples {
        &self.whole
    }
}

/// One take-over.
struct TakenOver {
    change: Change,
    /// In the order of [`PARTS`]; none where a log did not say.
    moments: [Option<Instant>; PARTS.len()],
}

impl TakenOver {
    async fn seen(pool: &Pool, party: &Party, moment: Moment) -> Result<Self> {
        let discord = pool.discord();
        let change = Change::after(discord, party, moment.at, TAKEN_OVER_WITHIN).await?;
        let leader = pool.leader()?;
        let of_next = |words: &[&str]| {
            let said = |worker: &Worker| worker.process.said(words, moment);
            pool.workers.iter().find_map(said)
        };
        let moments = [
            leader.said(&["worker detached"], moment),
            leader.said(&["placement decided"], moment),
            of_next(&["source is open"]),
            of_next(&["voice encryption", "EndToEnd"]),
            Some(change.first),
        ];
        Ok(Self { change, moments })
    }
}
