//! Waiting for conditions, never for time.

use std::time::{Duration, Instant};

/// How often a condition is looked at. Well below what any test measures.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Asks `look` until it finds something.
///
/// # Panics
///
/// With `what` when nothing was found `within` the time.
pub async fn until<T>(what: &str, within: Duration, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + within;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "waited {within:?} for: {what}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
