//! A worker that plays stops in the middle of everything, without a word: SIGSTOP.

use std::time::Duration;

use anyhow::Result;
use rustix::process::Signal;

use super::processes::{Pool, Setup};
use super::takeover::Rounds;
use crate::report::Measurement;

/// Silences that count.
const SILENCES: usize = 10;

/// For the whole part; beyond this something hangs.
const PART_WITHIN: Duration = Duration::from_mins(5);

pub(super) async fn measure() -> Result<Vec<Measurement>> {
    let mut pool = Pool::start(Setup::default()).await?;
    let silences = pool
        .run(
            async |pool| Rounds::play(pool, Signal::STOP, SILENCES).await,
            PART_WITHIN,
        )
        .await?;
    let p99 = silences.whole().percentile(99.0);
    Ok(vec![
        Measurement::new(
            "takeover_silent_p99_ms",
            p99,
            "ms",
            silences.detail("SIGSTOP"),
        )
        .at_most(3000.0),
        silences.position("silent_position_error_max_ms"),
    ])
}
