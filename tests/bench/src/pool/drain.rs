//! A worker is asked to go (SIGTERM) and hands over all that it plays.

use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::Signal;

use super::distance::ROUND_TRIP;
use super::processes::{Pool, Setup, Worker, gone};
use super::track::Change;
use crate::film::Film;
use crate::moment::Moment;
use crate::party::Party;
use crate::report::Measurement;
use crate::statistics::Samples;

/// Sessions on the worker that goes.
const SESSIONS: u64 = 20;

/// Workers that go, one after the other.
const DRAINS: usize = 4;

/// Heard before and after each.
const LISTEN: Duration = Duration::from_secs(3);

/// Of sessions that were never handed over, none comes later.
const HANDED_OVER_WITHIN: Duration = Duration::from_secs(10);

/// What the time between two moments of a hand-over is called, beginning with the last packet of the old worker.
const PARTS: [&str; 4] = [
    "it says that it stopped",
    "the next one may begin",
    "its voice is up",
    "first packet",
];

/// And at a round trip of 30 ms.
const FAR_DRAINS: usize = 1;

/// For the whole part; beyond this something hangs.
const PART_WITHIN: Duration = Duration::from_mins(5);

pub(super) async fn measure() -> Result<Vec<Measurement>> {
    let near = drained(Setup::default(), DRAINS).await?;
    let far = Setup {
        far: true,
        ..Setup::default()
    };
    let far = drained(far, FAR_DRAINS).await?;
    let lost = format!(
        "of {} hand-overs; a session that no other worker had taken when the old one had gone, or that did not play then",
        DRAINS as u64 * SESSIONS
    );
    let p99 = |drains: &Drains| drains.gaps.percentile(99.0);
    let far_detail = format!(
        "the same, voice server and film a round trip of {ROUND_TRIP:?} away: {}; lost: {}",
        far.describe(FAR_DRAINS),
        far.lost
    );
    Ok(vec![
        Measurement::new("drain_gap_p99_ms", p99(&near), "ms", near.describe(DRAINS))
            .at_most(200.0),
        Measurement::new("drain_lost", f64::from(near.lost), "sessions", lost).at_most(0.0),
        Measurement::new("drain_gap_rtt_30_p99_ms", p99(&far), "ms", far_detail),
    ])
}

async fn drained(setup: Setup, drains: usize) -> Result<Drains> {
    let mut pool = Pool::start(setup).await?;
    let play = async |pool: &mut Pool| play(pool, drains).await;
    pool.run(play, PART_WITHIN).await
}

#[derive(Default)]
struct Drains {
    gaps: Samples,
    parts: [Samples; PARTS.len()],
    errors: Samples,
    took: Samples,
    lost: u32,
}

async fn play(pool: &mut Pool, rounds: usize) -> Result<Drains> {
    pool.add_worker().await?;
    let crowd = pool.crowd(SESSIONS, Film::Sound).await?;
    let mut drains = Drains::default();
    for drain in 1..=rounds {
        eprintln!("drains: {drain}/{rounds}");
        pool.add_worker().await?;
        for party in &crowd {
            pool.listener(party).film_for(LISTEN).await?;
        }
        let mut old = pool.workers.remove(0);
        let asked = old.process.signal(Signal::TERM)?;
        gone(&mut old).await?;
        drains.took.push_ms(asked.at.elapsed());
        for party in &crowd {
            let change = Change::after(pool.discord(), party, asked.at, HANDED_OVER_WITHIN).await;
            let goes_on = pool.listener(party).film_for(LISTEN).await;
            match (change, goes_on) {
                (Ok(change), Ok(())) => drains.add(pool, &old, (party, &change), asked).await?,
                _ => drains.lost += 1,
            }
        }
    }
    Ok(drains)
}

impl Drains {
    fn describe(&self, drains: usize) -> String {
        let parts: Vec<String> = PARTS
            .iter()
            .zip(&self.parts)
            .map(|(name, part)| format!("{name} {:.0} ({:.0})", part.median(), part.max()))
            .collect();
        format!(
            "{drains} workers with {SESSIONS} audio sessions each, asked to go by SIGTERM one after the other; per session the \
             time without a packet while it changes hands, less the regular 20 ms: {}; medians (and maxima) of its moments in ms \
             after the old worker's last packet: {}; begin of the next one's sound against the end of the old one's in ms of media \
             time: {}; ms from SIGTERM to the end of the process: {}",
            self.gaps.describe(),
            parts.join(", "),
            self.errors.describe(),
            self.took.describe()
        )
    }

    async fn add(
        &mut self,
        pool: &Pool,
        old: &Worker,
        (party, change): (&Party, &Change),
        asked: Moment,
    ) -> Result<()> {
        self.gaps.push_ms(change.gap());
        let error = change.position_error(pool.discord(), party, asked.at);
        self.errors.push(error.await?);

        let session = format!("session={} ", party.id());
        let guild = format!("guild={} ", party.guild());
        let next = &pool.workers.first().context("a worker is left")?.process;
        let moments = [
            old.process
                .said(&["stopped for another worker", &session], asked),
            next.said(&["goes on from what is warm", &session], asked),
            next.said(&["voice encryption", "EndToEnd", &guild], asked),
            Some(change.first),
        ];
        for (part, at) in self.parts.iter_mut().zip(moments) {
            if let Some(at) = at {
                part.push_ms(at.saturating_duration_since(change.last));
            }
        }
        Ok(())
    }
}
