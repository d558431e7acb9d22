//! The peer beside Orb: npm's `@dank074/discord-video-stream`, with its ways to Discord cut off.
//!
//! What is measured is its media half: its own ffmpeg, pipes, Opus encoder, pacing, RTP packets and encryption, up to the
//! socket, which is left out (`peer/play.mjs`); Orb's sockets are counted.
//! It is software of others under a licence of its own: installed on demand, run for measuring, never linked nor shipped.

mod player;

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use self::player::{Pacing, Played, Player};
use crate::film::Film;
use crate::lateness::{lateness, of_stream_at};
use crate::process_cost::CpuMeter;
use crate::report::Measurement;
use crate::stage::Stage;
use crate::statistics::Samples;

/// Pictures a second of the film, and asked of the peer.
const RATE: u64 = 24;

/// Starts of each way of pacing, beside a first one that only warms up.
const STARTS: usize = 10;

/// How long lateness and CPU time are measured.
const MEASURED: Duration = Duration::from_secs(40);

/// What comes right after a start is no steady play.
const SETTLES: Duration = Duration::from_secs(5);

/// Names of the rows of one way of pacing.
struct Rows {
    start: &'static str,
    lateness: &'static str,
    cpu: &'static str,
}

const WAYS: [(Pacing, Rows); 2] = [
    (
        Pacing::Ffmpeg,
        Rows {
            start: "peer_start_ms",
            lateness: "peer_lateness_p99_ms",
            cpu: "peer_cpu_per_stream",
        },
    ),
    (
        Pacing::Timer,
        Rows {
            start: "peer_timer_start_ms",
            lateness: "peer_timer_lateness_p99_ms",
            cpu: "peer_timer_cpu_per_stream",
        },
    ),
];

/// Its numbers; an error where it cannot be installed or does not play.
pub(super) async fn measure(stage: &Stage, rows: &mut Vec<Measurement>) -> Result<()> {
    let mut player = Player::start().await.context("no peer beside Orb")?;
    for (pacing, names) in WAYS {
        let starts = starts(stage, &mut player, pacing).await?;
        rows.extend(steady(stage, &mut player, pacing, &names, &starts).await?);
    }
    Ok(())
}

async fn starts(stage: &Stage, player: &mut Player, pacing: Pacing) -> Result<Samples> {
    let mut starts = Samples::default();
    for round in 0..=STARTS {
        eprintln!("starts of the peer: {round}/{STARTS}");
        let first = player.play(pacing, &stage.fresh_url(Film::Steady)).await?;
        player.stop().await?;
        if round > 0 {
            starts.push_ms(first);
        }
    }
    Ok(starts)
}

async fn steady(
    stage: &Stage,
    player: &mut Player,
    pacing: Pacing,
    rows: &Rows,
    starts: &Samples,
) -> Result<[Measurement; 3]> {
    let first = player.play(pacing, &stage.fresh_url(Film::Steady)).await?;
    tokio::time::sleep(SETTLES).await;
    eprintln!("the peer: {MEASURED:?}");
    let cpu = CpuMeter::start(player.pid()?)?;
    tokio::time::sleep(MEASURED).await;
    let cores = cpu.cores()?;
    let played = player.stop().await?;
    let times = played.times_from(first + SETTLES);
    let length = played.length_from(first + SETTLES);
    let pictures = times.len() as f64;
    // It may fall behind, which is its lateness; a picture that is not there at all was not measured.
    if pictures < RATE as f64 * MEASURED.as_secs_f64() * 0.5 {
        bail!("{pictures} pictures in {MEASURED:?}");
    }
    let late = lateness(&of_stream_at(RATE, &counted(&times)));
    let who = format!("{}, paced by {}", player.describe(), pacing.describe());
    let sent = sent(&played, length, times.len());
    Ok([
        Measurement::new(
            rows.start,
            starts.median(),
            "ms",
            format!(
                "median; play called to the first picture handed to its connection: {}; {who}",
                starts.describe()
            ),
        ),
        Measurement::new(
            rows.lateness,
            late.percentile(99.0),
            "ms",
            format!(
                "each picture handed over against picture number / {RATE} s, from the earliest: {}; {sent}; {who}: {}",
                late.describe(),
                played.command
            ),
        ),
        Measurement::new(
            rows.cpu,
            cores,
            "cores",
            format!(
                "of the node process without its ffmpeg, one stream, {MEASURED:?}; {sent}; {who}"
            ),
        ),
    ])
}

/// Pictures by their numbers: it has no clock of the film, and counts them itself.
fn counted(times: &[Duration]) -> Vec<(Instant, u32)> {
    let base = Instant::now();
    times.iter().map(|at| base + *at).zip(0..).collect()
}

fn sent(played: &Played, length: Duration, pictures: usize) -> String {
    let share = pictures as f64 / played.pictures_ms.len().max(1) as f64;
    let mbit = played.picture_bytes as f64 * share * 8.0 / 1e6 / length.as_secs_f64();
    format!(
        "{:.2} pictures a second, {mbit:.2} Mbit/s of picture; in all {} packets and {} sound frames, encoded by {} in the \
         node process",
        pictures as f64 / length.as_secs_f64(),
        played.packets,
        played.sound_frames,
        played.opus,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_late_against_its_number() {
        let frame = Duration::from_secs(1) / 24;
        let mut times: Vec<_> = (0..24)
            .map(|n| Duration::from_secs(3) + frame * n)
            .collect();
        let late = |times: &[Duration]| lateness(&of_stream_at(RATE, &counted(times)));
        assert!(late(&times).max() < 0.001);
        times[7] += Duration::from_millis(12);
        assert!((late(&times).max() - 12.0).abs() < 0.001);
        assert!(late(&times).median() < 0.001);
    }
}
