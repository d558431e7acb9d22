//! A queue of 200 in another order: HTTP in to answer, which comes when it is durable.

use anyhow::Result;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use super::queue::Queue;
use crate::report::Measurement;
use crate::stage::Stage;
use crate::statistics::Samples;

/// Entries that wait; as many as one call may add.
pub(super) const ENTRIES: u32 = 200;

/// Each into an order by chance.
const TIMES: usize = 300;

pub(super) async fn measure(stage: &Stage) -> Result<Vec<Measurement>> {
    eprintln!("reordering: {ENTRIES} entries, {TIMES} times");
    let party = stage.party(1).await?;
    let queue = Queue::of(&party, stage.api());
    let mut entries = queue.add(0..ENTRIES).await?;
    let mut random = StdRng::seed_from_u64(1);
    let mut reorders = Samples::default();
    for _ in 0..TIMES {
        entries.shuffle(&mut random);
        reorders.push_ms(queue.reorder(&entries).await?);
    }
    let detail = format!(
        "PUT of all {ENTRIES} waiting entries in an order by chance, HTTP in to answer: {}",
        reorders.describe()
    );
    let p99 = reorders.percentile(99.0);
    Ok(vec![
        Measurement::new("queue_reorder_200_ms", p99, "ms", detail).at_most(50.0),
    ])
}
