//! What happens because time passes: sessions and connections that nobody resumed end, and DAVE
//! steps that somebody did not answer go on without them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::world::World;

/// How often is looked: finer than any window that a test would set.
const INTERVAL: Duration = Duration::from_millis(20);

/// Sweeps until the simulator stops.
pub(crate) async fn run(world: Arc<World>) {
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let cancel = world.context.cancel.clone();
    while cancel.run_until_cancelled(ticks.tick()).await.is_some() {
        let now = Instant::now();
        let mut state = world.state();
        state.end_expired_sessions(now);
        state.end_expired_connections(now);
        state.dave_overdue(now);
        state.end_stream_calls();
    }
}
