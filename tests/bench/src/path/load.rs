//! Eight sessions that play a copy: how punctual their packets are, and what they cost the worker.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::{SESSIONS, Scene, TICK};
use crate::children::ffmpegs;
use crate::film::Film;
use crate::lateness::{Arrival, lateness, of_a_bare_thread, of_stream, undisturbed};
use crate::process_cost::{CpuMeter, settled_mb};
use crate::report::Measurement;
use crate::stage::Stage;
use crate::statistics::{Samples, slope};

/// How long lateness and CPU time are measured.
const MEASURED: Duration = Duration::from_mins(1);

/// A stream with fewer of its packets was not playing.
const HEARD_AT_LEAST: f64 = 0.95;

/// A session of the eight and its ffmpeg.
pub(super) struct Playing<'a> {
    pub(super) scene: Scene<'a>,
    pub(super) ffmpeg: u32,
}

/// Leaves the eight sessions playing in `crowd`.
pub(super) async fn measure<'a>(
    stage: &'a Stage,
    crowd: &mut Vec<Playing<'a>>,
) -> Result<Vec<Measurement>> {
    let worker = stage.worker_pid();
    let idle = settled_mb(worker).await?;
    let mut memory = Vec::new();
    for number in 1..=SESSIONS {
        crowd.push(begin(stage, number).await?);
        let resident = settled_mb(worker).await?;
        eprintln!("session {number}: worker at {resident:.1} MB");
        memory.push((number as f64, resident));
    }
    eprintln!("eight sessions: {MEASURED:?}");
    let since = Instant::now();
    let cpu = CpuMeter::start(worker)?;
    // A thread of its own that sleeps: costs nothing that is measured.
    let bare = tokio::task::spawn_blocking(|| of_a_bare_thread(MEASURED));
    tokio::time::sleep(MEASURED).await;
    let cores = cpu.cores()?;
    let streams = heard_streams(crowd, since)?;
    let bare = bare.await.context("the bare thread")?;
    let per_stream = cores / SESSIONS as f64;
    let mut measurements = punctuality(&streams, &bare);
    measurements.extend([
        Measurement::new(
            "worker_cpu_per_stream",
            per_stream,
            "cores",
            format!("{cores:.3} cores of orb worker without ffmpeg, {SESSIONS} sessions, {MEASURED:?}"),
        )
        .at_most(0.01),
        Measurement::new(
            "worker_rss_per_session_mb",
            slope(&memory),
            "MB",
            format!("slope of VmRSS over 1 to {SESSIONS} sessions; without any {idle:.1} MB, then {memory:.1?}"),
        )
        .at_most(8.0),
    ]);
    Ok(measurements)
}

/// A session that plays a film of its own address.
async fn begin(stage: &Stage, number: u64) -> Result<Playing<'_>> {
    let worker = stage.worker_pid();
    let others = ffmpegs(worker)?;
    let scene = Scene {
        stage,
        party: stage.party(number).await?,
    };
    scene.play(Film::Copied).await?;
    let now = ffmpegs(worker)?;
    let ffmpeg = now.difference(&others).next().copied();
    Ok(Playing {
        scene,
        ffmpeg: ffmpeg.context("a playing session has an ffmpeg")?,
    })
}

/// The packets of each session since then.
fn heard_streams(crowd: &[Playing<'_>], since: Instant) -> Result<Vec<Vec<Arrival>>> {
    let expected = MEASURED.as_secs_f64() / TICK.as_secs_f64();
    let stream = |one: &Playing<'_>| {
        let listener = one.scene.listener();
        let film = listener.film(since).len();
        if (film as f64) < expected * HEARD_AT_LEAST {
            bail!("a session gave {film} packets of film in {MEASURED:?}");
        }
        Ok(of_stream(&listener.schedule(since)))
    };
    crowd.iter().map(stream).collect()
}

fn punctuality(streams: &[Vec<Arrival>], bare: &[Arrival]) -> Vec<Measurement> {
    let all = lateness(streams.iter().flatten());
    let mut left = Samples::default();
    for stream in streams {
        left.extend(&lateness(&undisturbed(stream, bare)));
    }
    // High for a stream that fell behind and stayed there.
    let medians: Vec<f64> = streams.iter().map(|one| lateness(one).median()).collect();
    let bare = lateness(bare);
    vec![
        Measurement::new(
            "lateness_p99_ms",
            all.percentile(99.0),
            "ms",
            format!(
                "{SESSIONS} copy sessions for {MEASURED:?}, arrival against RTP timestamp, from each stream's earliest \
                 packet: {}; medians of the streams {medians:.1?}; a bare thread on this machine: {}",
                all.describe(),
                bare.describe()
            ),
        )
        .at_most(5.0),
        Measurement::new(
            "lateness_undisturbed_p99_ms",
            left.percentile(99.0),
            "ms",
            format!("the same without packets around which the bare thread was over 1 ms late: {}", left.describe()),
        ),
        Measurement::new(
            "lateness_bare_thread_p99_ms",
            bare.percentile(99.0),
            "ms",
            format!("a thread that only sleeps to every 20 ms, meanwhile: {}", bare.describe()),
        ),
    ]
}
