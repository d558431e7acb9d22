//! A worker is asked to go (SIGTERM) and hands over all that it plays.

use std::time::{Duration, Instant};

use anyhow::Result;
use rustix::process::Signal;

use super::processes::{Pool, Setup, gone};
use super::track::Change;
use crate::film::Film;
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

/// For the whole part; beyond this something hangs.
const PART_WITHIN: Duration = Duration::from_mins(5);

pub(super) async fn measure() -> Result<Vec<Measurement>> {
    let mut pool = Pool::start(Setup::default()).await?;
    let drains = pool.run(play, PART_WITHIN).await?;
    let detail = format!(
        "{DRAINS} workers with {SESSIONS} audio sessions each, asked to go by SIGTERM one after the other; per session the time \
         without a packet while it changes hands, less the regular 20 ms: {}; begin of the next one's sound against the end of \
         the old one's in ms of media time: {}; ms from SIGTERM to the end of the process: {}",
        drains.gaps.describe(),
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
        let old = pool.workers.remove(0);
        let asked = old.signal(Signal::TERM)?.at;
        gone(old).await?;
        drains.took.push_ms(asked.elapsed());
        for party in &crowd {
            drains.add(pool, party, asked).await?;
        }
    }
    Ok(drains)
}

impl Drains {
    async fn add(&mut self, pool: &Pool, party: &Party, asked: Instant) -> Result<()> {
        let discord = pool.discord();
        let Ok(change) = Change::after(discord, party, asked, HANDED_OVER_WITHIN).await else {
            self.lost += 1;
            return Ok(());
        };
        if pool.listener(party).film_for(LISTEN).await.is_err() {
            self.lost += 1;
            return Ok(());
        }
        self.gaps.push_ms(change.gap());
        self.errors
            .push(change.position_error(discord, party, asked).await?);
        Ok(())
    }
}
