//! A worker that plays is killed, or falls silent: how long until the next one is heard, and from where.

use std::time::{Duration, Instant};

use anyhow::Result;
use rustix::process::Signal;

use super::processes::{Pool, Setup};
use super::track::Change;
use crate::film::Film;
use crate::moment::Moment;
use crate::party::Party;
use crate::report::Measurement;
use crate::role_process::RoleProcess;
use crate::statistics::Samples;

/// Kills that count.
const KILLS: usize = 24;

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

pub(super) async fn measure() -> Result<Vec<Measurement>> {
    let mut pool = Pool::start(Setup::default()).await?;
    let kills = pool
        .run(
            async |pool| Rounds::play(pool, Signal::KILL, KILLS).await,
            PART_WITHIN,
        )
        .await?;
    Ok(kills.killed())
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
    /// One party, two workers: whoever plays gets the signal, and a new one comes for it.
    pub(super) async fn play(pool: &mut Pool, signal: Signal, rounds: usize) -> Result<Self> {
        pool.add_worker().await?;
        pool.add_worker().await?;
        let party = pool.playing(0, Film::Copied).await?;
        // A first life of a process does a few things once: round 0 only warms up.
        let mut all = Self::default();
        for round in 0..=rounds {
            eprintln!("take-over after {signal:?}: {round}/{rounds}");
            let holder = pool.take_holder().await?;
            pool.listener(&party)
                .film_for(Duration::from_secs(3))
                .await?;
            let moment = holder.signal(signal)?;
            let took = TakenOver::seen(pool, &party, moment).await?;
            drop(holder);
            pool.add_worker().await?;
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
            self.position("takeover_position_error_max_ms")
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

    pub(super) fn position(&self, name: &'static str) -> Measurement {
        let largest = self.errors.percentile(0.0).abs().max(self.errors.max());
        let detail = format!(
            "begin of the next one's sound against the end of the old one's, in media time, either way; below zero it is heard \
             twice: {}",
            self.errors.describe()
        );
        Measurement::new(name, largest, "ms", detail)
    }

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
            let said = |worker: &RoleProcess| worker.said(words, moment);
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
