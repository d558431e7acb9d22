//! Waiting for conditions, with a deadline.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// How often a condition is looked at. What is measured bears times of its own, so this adds nothing to it; shorter
/// would take CPU from what is measured.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Asks `look` until it finds something; an error of `what` when that takes too long.
pub(crate) async fn until<T>(
    what: &str,
    within: Duration,
    mut look: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<T> {
    let deadline = Instant::now() + within;
    loop {
        if let Some(found) = look().await? {
            return Ok(found);
        }
        if Instant::now() > deadline {
            bail!("waited {within:?} for {what}");
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
