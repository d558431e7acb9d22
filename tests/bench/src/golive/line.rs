//! Lines with faults: what is lost, how long the picture stands, and how the rate follows the line.

use std::time::{Duration, Instant};

use anyhow::Result;
use discord_sim::{Fault, LinkDirection, LinkShape};

use super::{Scene, Viewer};
use crate::film::Film;
use crate::report::Measurement;
use crate::stage::Stage;

/// How long each loss is played.
const PLAYED: Duration = Duration::from_mins(1);

const SEED: u64 = 7;

pub(super) async fn lossy(stage: &Stage, rows: &mut Vec<Measurement>) -> Result<()> {
    let scene = Scene::new(stage, 1).await?;
    scene.play(Film::Steady).await?;
    for (percent, delay_ms) in [(2.0, 80), (5.0, 80)] {
        let shape = LinkShape {
            loss_percent: percent,
            delay_ms,
            ..LinkShape::default()
        };
        shaped(stage, scene.viewer(), LinkDirection::Up, &shape)?;
        tokio::time::sleep(Duration::from_secs(5)).await;
        eprintln!("{percent} % loss: {PLAYED:?}");
        let since = Instant::now();
        let before = scene.viewer().seen().totals();
        tokio::time::sleep(PLAYED).await;
        let until = Instant::now();
        let after = scene.viewer().seen().totals();
        let decodable = after.decodable - before.decodable;
        let sent = PLAYED.as_secs_f64() * 24.0;
        let freeze = scene.viewer().longest_freeze(since, until);
        let detail = format!(
            "{percent} % of packets lost, {delay_ms} ms more delay, {PLAYED:?}: {decodable} decodable pictures of {sent:.0}; \
             packets given up {}, sent again {}; key frames asked for {}; longest time without a picture {:.0} ms",
            after.lost - before.lost,
            after.retransmitted - before.retransmitted,
            after.key_frame_requests - before.key_frame_requests,
            freeze.as_secs_f64() * 1e3,
        );
        let ratio = (decodable as f64 / sent).min(1.0);
        let freeze = freeze.as_secs_f64() * 1e3;
        rows.extend(if percent < 3.0 {
            [
                Measurement::new("loss2_decodable_ratio", ratio, "ratio", detail.clone())
                    .at_least(0.999),
                Measurement::new("loss2_worst_freeze_ms", freeze, "ms", detail),
            ]
        } else {
            [
                Measurement::new("loss5_worst_freeze_ms", freeze, "ms", detail.clone())
                    .at_most(1000.0),
                Measurement::new("loss5_decodable_ratio", ratio, "ratio", detail),
            ]
        });
    }
    Ok(())
}

/// Before the line narrows: time for the rate to be what the line takes.
const SETTLED: Duration = Duration::from_secs(30);

/// When the queue is looked at, after the line has narrowed.
const AFTER_STEP: Duration = Duration::from_secs(2);

/// How long the line stays narrow.
const NARROW: Duration = Duration::from_secs(20);

/// How long a way back to the old rate is waited for.
const WIDE_AGAIN: Duration = Duration::from_mins(1);

pub(super) async fn narrowing(stage: &Stage) -> Result<Vec<Measurement>> {
    let scene = Scene::new(stage, 1).await?;
    let viewer = scene.viewer();
    let line = |mbit: f64| LinkShape {
        delay_ms: 20,
        bits_per_second: Some((mbit * 1e6) as u64),
        // Seconds of what is too much: routers are like that.
        queue_bytes: Some(2_000_000),
        ..LinkShape::default()
    };
    shaped(stage, viewer, LinkDirection::Up, &line(6.0))?;
    scene.play(Film::Steady).await?;
    eprintln!("6, 1.5, 6 Mbit/s");
    tokio::time::sleep(SETTLED).await;
    let before = rate(viewer, Instant::now(), Duration::from_secs(5));
    shaped(stage, viewer, LinkDirection::Up, &line(1.5))?;
    let narrowed = Instant::now();
    tokio::time::sleep(NARROW).await;
    let queue = |at: Instant| {
        let seen = viewer.seen();
        let waits = seen
            .connections
            .iter()
            .map(|connection| connection.queue_delay_at(at));
        waits.max().unwrap_or_default().as_secs_f64() * 1e3
    };
    let at_step = queue(narrowed + AFTER_STEP);
    let course: Vec<_> = (0..10_u32)
        .map(|half| queue(narrowed + Duration::from_millis(500) * half).round())
        .collect();
    let narrow = rate(viewer, Instant::now(), Duration::from_secs(5));
    let freeze = viewer.longest_freeze(narrowed, Instant::now());
    shaped(stage, viewer, LinkDirection::Up, &line(6.0))?;
    let widened = Instant::now();
    tokio::time::sleep(WIDE_AGAIN).await;
    let back = (2..=WIDE_AGAIN.as_secs())
        .find(|second| {
            let at = widened + Duration::from_secs(*second);
            rate(viewer, at, Duration::from_secs(2)) >= 0.8 * before
        })
        .map_or(f64::INFINITY, |second| second as f64);
    let status = scene.party.status().await?;
    let detail = format!(
        "a film of 2.5 Mbit/s on a line of 6, 1.5 and 6 Mbit/s: it got {:.2}, then {:.2} Mbit/s; queueing delay each 500 ms \
         after the step in ms: {course:?}; longest time without a picture {:.0} ms; at the end {}",
        before / 1e6,
        narrow / 1e6,
        freeze.as_secs_f64() * 1e3,
        status["picture"],
    );
    Ok(vec![
        Measurement::new("abr_queue_delay_ms", at_step, "ms", detail.clone()).at_most(300.0),
        Measurement::new("abr_recover_s", back, "s", detail).at_most(20.0),
    ])
}

/// Bits a second of pictures that were whole in the time before.
fn rate(viewer: Viewer<'_>, until: Instant, over: Duration) -> f64 {
    let pictures = viewer.pictures(until.checked_sub(over).unwrap_or(until));
    let before = pictures.iter().filter(|picture| picture.at <= until);
    before
        .map(|picture| picture.bytes as f64 * 8.0)
        .sum::<f64>()
        / over.as_secs_f64()
}

fn shaped(
    stage: &Stage,
    viewer: Viewer<'_>,
    direction: LinkDirection,
    shape: &LinkShape,
) -> Result<()> {
    stage.discord().fault(&Fault::Link {
        guild: viewer.guild().into(),
        user: None,
        direction,
        shape: *shape,
        seed: SEED,
    })?;
    Ok(())
}
