//! A worker that plays stops in the middle of everything without a word, or is cut off and plays on.

use anyhow::Result;

use super::processes::Setup;
use super::takeover::{Loss, Rounds, rounds};
use crate::report::Measurement;

/// Workers that are stopped.
const STOPPED: usize = 6;

/// Workers that are cut off.
const CUT_OFF: usize = 6;

pub(super) async fn measure() -> Result<Vec<Measurement>> {
    let stopped = rounds(Setup::default(), Loss::Stopped, STOPPED).await?;
    let cut_off = rounds(Setup::default(), Loss::CutOff, CUT_OFF).await?;
    let mut both = Rounds::default();
    both.extend(&stopped);
    both.extend(&cut_off);
    let detail = format!(
        "{}; cut off from the scheduler, which the old worker does not hear of, so that it plays on until it is displaced: {}",
        stopped.detail("SIGSTOP"),
        cut_off.detail("the cut")
    );
    let p99 = both.whole().percentile(99.0);
    let errors = format!(
        "SIGSTOP: {}; cut off (what the old worker played on is heard again): {}",
        stopped.errors(),
        cut_off.errors()
    );
    Ok(vec![
        Measurement::new("takeover_silent_p99_ms", p99, "ms", detail).at_most(3000.0),
        Measurement::new(
            "silent_position_error_max_ms",
            both.largest_error(),
            "ms",
            errors,
        ),
    ])
}
