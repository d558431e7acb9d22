//! A worker is asked to go (SIGTERM) and hands over all that it plays.

use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::Signal;

use super::processes::{Pool, Setup, gone};
use super::track::Change;
use crate::film::Film;
use crate::moment::Moment;
use crate::party::Party;
use crate::report::Measurement;
use crate::role_process::RoleProcess;
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

/// For the whole part; beyond this something hangs.
const PART_WITHIN: Duration = Duration::from_mins(5);

pub(super) async fn measure() -> Result<Vec<Measurement>> {
    let mut pool = Pool::start(Setup::default()).await?;
    let drains = pool.run(play, PART_WITHIN).await?;
    let parts: Vec<String> = PARTS
        .iter()
        .zip(&drains.parts)
        .map(|(name, part)| format!("{name} {:.0} ({:.0})", part.median(), part.max()))
        .collect();
    let detail = format!(
        "{DRAINS} workers with {SESSIONS} audio sessions each, asked to go by SIGTERM one after the other; per session the time \
         without a packet while it changes hands, less the regular 20 ms: {}; medians (and maxima) of its moments in ms after the \
         old worker's last packet: {}; begin of the next one's sound against the end of \
         the old one's in ms of media time: {}; ms from SIGTERM to the end of the process: {}",
        drains.gaps.describe(),
        parts.join(", "),
        drains.errors.describe(),
        drains.took.describe()
    );
    let lost = format!(
        "of {} hand-overs; a session that no other worker had taken when the old one had gone, or that did not play then",
        DRAINS as u64 * SESSIONS
    );
    Ok(vec![
        Measurement::new(
            "drain_gap_p99_ms",
            drains.gaps.percentile(99.0),
            "ms",
            detail,
        )
        .at_most(200.0),
        Measurement::new("drain_lost", f64::from(drains.lost), "sessions", lost).at_most(0.0),
    ])
}

#[derive(Default)]
struct Drains {
    gaps: Samples,
    parts: [Samples; PARTS.len()],
    errors: Samples,
    took: Samples,
    lost: u32,
}

async fn play(pool: &mut Pool) -> Result<Drains> {
    pool.add_worker().await?;
    let crowd = pool.crowd(SESSIONS, Film::Sound).await?;
    let mut drains = Drains::default();
    for drain in 1..=DRAINS {
        eprintln!("drains: {drain}/{DRAINS}");
        pool.add_worker().await?;
        for party in &crowd {
            pool.listener(party).film_for(LISTEN).await?;
        }
        let mut old = pool.workers.remove(0);
        let asked = old.signal(Signal::TERM)?;
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
    async fn add(
        &mut self,
        pool: &Pool,
        old: &RoleProcess,
        (party, change): (&Party, &Change),
        asked: Moment,
    ) -> Result<()> {
        self.gaps.push_ms(change.gap());
        let error = change.position_error(pool.discord(), party, asked.at);
        self.errors.push(error.await?);

        let session = format!("session={} ", party.id());
        let guild = format!("guild={} ", party.guild());
        let next = pool.workers.first().context("a worker is left")?;
        let moments = [
            old.said(&["stopped for another worker", &session], asked),
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
