//! Many who listen to the events of one party, and what one who reads nothing costs the gateway.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use futures::future::try_join_all;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use reqwest::Response;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::queue::Queue;
use super::reorder::ENTRIES;
use super::rows::Rows;
use crate::process_cost::settled_mb;
use crate::report::Measurement;
use crate::stage::Stage;
use crate::statistics::{Samples, slope};

const LISTENERS: usize = 500;

/// Each is heard by all before the next is made.
const CHANGES: usize = 40;

/// A change that somebody has not heard by now is lost.
const HEARD_WITHIN: Duration = Duration::from_secs(20);

/// As it stands in the events.
const CHANGE: &str = "queue_moved";

/// Those who read nothing come in groups, whose cost is the slope.
const GROUP: usize = 100;
const GROUPS: usize = 5;

/// What each group does not read: reorders of the whole queue, some 2 KB each with the state that goes with it, 700 KB
/// for the first group in the end.
const UNREAD: usize = 70;

pub(super) async fn measure(stage: &Stage) -> Result<Vec<Measurement>> {
    let party = stage.party(1).await?;
    let queue = Queue::of(&party, stage.api());
    let mut entries = queue.add(0..ENTRIES).await?;
    // First: who comes later may live in the memory that others have left.
    let silent = who_do_not(stage, &queue, &mut entries).await?;
    let mut measurements = who_read(&queue, &entries).await?;
    measurements.push(silent);
    Ok(measurements)
}

async fn who_read(queue: &Queue, entries: &[u64]) -> Result<Vec<Measurement>> {
    eprintln!("listeners: {LISTENERS}, {CHANGES} changes");
    let (heard, mut all_heard) = mpsc::channel(LISTENERS);
    let mut listeners = JoinSet::new();
    for answer in try_join_all((0..LISTENERS).map(|_| queue.listen())).await? {
        listeners.spawn(hear(answer, heard.clone()));
    }
    let (mut since_sent, mut since_answered) = (Samples::default(), Samples::default());
    for change in 0..CHANGES {
        let sent = Instant::now();
        // To the head: each is a change.
        queue.shift(entries[change + 1], 0).await?;
        let answered = Instant::now();
        for _ in 0..LISTENERS {
            let next = tokio::time::timeout(HEARD_WITHIN, all_heard.recv()).await;
            let heard = next.with_context(|| format!("change {change} was not heard by all"))?;
            let at = heard.context("the listeners are gone")?;
            since_sent.push_ms(at - sent);
            since_answered.push_ms(at.saturating_duration_since(answered));
        }
        if let Some(ended) = listeners.try_join_next() {
            bail!("a listener's stream ended: {ended:?}");
        }
    }
    let detail = format!(
        "{LISTENERS} streams of one party, {CHANGES} changes, from sending the change to each who hears it: {}; from \
         its answer: {}",
        since_sent.describe(),
        since_answered.describe()
    );
    let p99 = since_sent.percentile(99.0);
    Ok(vec![
        Measurement::new("sse_500_p99_ms", p99, "ms", detail.clone()).at_most(200.0),
        Measurement::new("sse_500_max_ms", since_sent.max(), "ms", detail).at_most(200.0),
    ])
}

/// Tells when each change came in, until the stream ends.
async fn hear(mut answer: Response, heard: mpsc::Sender<Instant>) -> Result<()> {
    let mut rows = Rows::of(CHANGE);
    while let Some(piece) = answer.chunk().await? {
        let at = Instant::now();
        for _ in 0..rows.count(&piece) {
            heard.send(at).await?;
        }
    }
    Ok(())
}

async fn who_do_not(stage: &Stage, queue: &Queue, entries: &mut [u64]) -> Result<Measurement> {
    eprintln!("listeners who read nothing: up to {}", GROUP * GROUPS);
    let mut random = StdRng::seed_from_u64(1);
    let mut silent = Vec::new();
    let mut points = Vec::new();
    for group in 0..=GROUPS {
        if group > 0 {
            // Kept, and never read.
            silent.extend(try_join_all((0..GROUP).map(|_| queue.listen())).await?);
        }
        for _ in 0..UNREAD {
            entries.shuffle(&mut random);
            queue.reorder(entries).await?;
        }
        let resident = settled_mb(stage.gateway_pid()).await?;
        points.push((silent.len() as f64, resident));
    }
    let steps: Vec<_> = points
        .iter()
        .map(|(n, mb)| format!("{n}: {mb:.1}"))
        .collect();
    let detail = format!(
        "resident memory of the gateway in MB, by streams that are never read, {UNREAD} changes after each {GROUP}: {}",
        steps.join(", ")
    );
    let kilobytes = slope(&points) * 1000.0;
    Ok(Measurement::new(
        "sse_idle_listener_kb",
        kilobytes,
        "KB",
        detail,
    ))
}
