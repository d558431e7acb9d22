//! Streams that play a copy of 2.5 Mbit/s: how punctual their pictures are, and what they cost the worker.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::{STREAMS, Scene};
use crate::film::Film;
use crate::lateness::{lateness, of_stream_at};
use crate::process_cost::CpuMeter;
use crate::report::Measurement;
use crate::stage::Stage;
use crate::statistics::Samples;

/// How long lateness and CPU time are measured.
const MEASURED: Duration = Duration::from_mins(1);

/// The RTP clock of pictures.
const TICKS_PER_SECOND: u64 = 90_000;

/// Pictures a second of the film.
const RATE: f64 = 24.0;

pub(super) async fn measure(stage: &Stage) -> Result<Vec<Measurement>> {
    let mut scenes = Vec::new();
    for number in 1..=STREAMS as u64 {
        let scene = Scene::new(stage, number).await?;
        scene.play(Film::Steady).await?;
        scenes.push(scene);
    }
    // What was read ahead at the starts is sent.
    tokio::time::sleep(Duration::from_secs(5)).await;
    eprintln!("{STREAMS} streams: {MEASURED:?}");
    let since = Instant::now();
    let cpu = CpuMeter::start(stage.worker_pid())?;
    tokio::time::sleep(MEASURED).await;
    let cores = cpu.cores()?;
    let [mut first, mut whole] = [Samples::default(), Samples::default()];
    let mut bytes = 0;
    for scene in &scenes {
        let pictures = scene.viewer().pictures(since);
        if (pictures.len() as f64) < RATE * MEASURED.as_secs_f64() * 0.95 {
            bail!("{} pictures in {MEASURED:?}", pictures.len());
        }
        bytes += pictures.iter().map(|one| one.bytes).sum::<usize>();
        let begins: Vec<_> = pictures.iter().map(|p| (p.first_at, p.rtp_time)).collect();
        let ends: Vec<_> = pictures.iter().map(|p| (p.at, p.rtp_time)).collect();
        first.extend(&lateness(&of_stream_at(TICKS_PER_SECOND, &begins)));
        whole.extend(&lateness(&of_stream_at(TICKS_PER_SECOND, &ends)));
    }
    let mbit = bytes as f64 * 8.0 / 1e6 / MEASURED.as_secs_f64() / STREAMS as f64;
    let detail = format!(
        "{STREAMS} copies of 720p24 at {mbit:.2} Mbit/s for {MEASURED:?}; first packet of each picture against its RTP time, \
         from each stream's earliest: {}",
        first.describe()
    );
    let spread = format!(
        "the same, last packet of each picture: a key frame each second is spread over some time on purpose: {}",
        whole.describe()
    );
    let cost = format!(
        "{cores:.3} cores of orb worker without ffmpeg, {STREAMS} streams at {mbit:.2} Mbit/s, {MEASURED:?}"
    );
    Ok(vec![
        Measurement::new("lateness_p99_ms", first.percentile(99.0), "ms", detail).at_most(5.0),
        Measurement::new("whole_p99_ms", whole.percentile(99.0), "ms", spread),
        Measurement::new(
            "sender_cpu_per_stream",
            cores / STREAMS as f64,
            "cores",
            cost,
        )
        .at_most(0.02),
    ])
}
