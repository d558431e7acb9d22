//! The worker with either driver: what many sessions cost it, and how punctual their packets are.
//!
//! On stages of their own, so that neither takes time from the other, and in both orders: what else the machine does grows
//! and fades, and shall not favour who comes first.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use discord_sim::{DiscordSimConfig, HeardDetail};

use super::deficit::Deficit;
use super::{STAMPING, TICK};
use crate::film::Film;
use crate::lateness::{lateness, of_a_bare_thread, of_stream, undisturbed};
use crate::listener::Listener;
use crate::machine::put_first;
use crate::party::Party;
use crate::process_cost::{CpuMeter, settled_mb};
use crate::report::Measurement;
use crate::stage::{Setup, Stage};
use crate::statistics::{Samples, slope};

/// Sessions that play at once.
const SESSIONS: u64 = 32;

/// How long lateness and CPU time are measured, each time.
const MEASURED: Duration = Duration::from_secs(40);

/// What ffmpeg makes ahead, and more: until then it works at full speed.
const RUN_AHEAD_IS_MADE: Duration = Duration::from_secs(10);

/// Sessions after which memory is looked at.
const LOOKS: [u64; 7] = [1, 2, 4, 8, 16, 24, 32];

/// A stream with fewer of its packets was not playing.
const HEARD_AT_LEAST: f64 = 0.95;

/// Thirty-two starts, and the measurement. Beyond this something hangs.
const STAGE_WITHIN: Duration = Duration::from_mins(8);

pub(super) async fn measure() -> Result<Vec<Measurement>> {
    let (mut orb, mut songbird) = (Turns::default(), Turns::default());
    for driver in ["songbird", "orb", "orb", "songbird"] {
        let played = play(driver).await.context(driver)?;
        eprintln!("{driver}: {}", played.describe());
        let turns = if driver == "orb" {
            &mut orb
        } else {
            &mut songbird
        };
        turns.0.push(played);
    }
    let cpu = |driver: &Turns, name| {
        Measurement::new(name, driver.cores_per_stream(), "cores", driver.cost())
    };
    let late = |driver: &Turns, name| {
        let value = driver.late().percentile(99.0);
        Measurement::new(name, value, "ms", driver.punctuality())
    };
    let theirs = (
        songbird.cores_per_stream(),
        songbird.late().percentile(99.0),
    );
    Ok(vec![
        cpu(&orb, "orb_cpu_per_stream").at_most(theirs.0.min(0.005)),
        cpu(&songbird, "songbird_cpu_per_stream"),
        late(&orb, "orb_lateness_p99_ms").at_most(theirs.1.min(3.0)),
        late(&songbird, "songbird_lateness_p99_ms"),
        Measurement::new(
            "orb_lateness_undisturbed_p99_ms",
            orb.undisturbed().percentile(99.0),
            "ms",
            format!(
                "without packets around which the bare thread was over 1 ms late: {}; songbird's: {}",
                orb.undisturbed().describe(),
                songbird.undisturbed().describe()
            ),
        ),
        orb.memory_slope("orb_rss_per_session_mb").at_most(2.0),
        songbird.memory_slope("songbird_rss_per_session_mb"),
    ])
}

/// What one driver did in one turn.
struct Played {
    cores: f64,
    /// Of this process: both simulators.
    cores_here: f64,
    late: Samples,
    undisturbed: Samples,
    bare: Samples,
    deficit: Deficit,
    memory: Vec<(f64, f64)>,
    stamps_first: bool,
}

async fn play(driver: &'static str) -> Result<Played> {
    eprintln!("{SESSIONS} sessions over {driver}");
    let stage = Stage::start_as(Setup {
        // Minutes of dozens of streams.
        discord: DiscordSimConfig {
            heard_detail: HeardDetail::Arrivals,
            ..DiscordSimConfig::default()
        },
        worker: vec![
            ("ORB_VOICE_DRIVER", driver.to_owned()),
            // However few cores it has: what they cost is to be seen, not estimated.
            (
                "ORB_WORKER__CAPACITY_MILLICORES",
                (1000 * SESSIONS).to_string(),
            ),
        ],
        ..Setup::default()
    })
    .await?;
    let stamps_first = put_first(STAMPING).await?;
    let played = stage.run(async |stage| on(stage, stamps_first).await, STAGE_WITHIN);
    played.await
}

async fn on(stage: &Stage, stamps_first: bool) -> Result<Played> {
    let worker = stage.worker_pid();
    let mut memory = Vec::new();
    let mut crowd = Vec::new();
    for number in 1..=SESSIONS {
        crowd.push(begin(stage, number).await?);
        if LOOKS.contains(&number) {
            memory.push((number as f64, settled_mb(worker).await?));
        }
    }
    tokio::time::sleep(RUN_AHEAD_IS_MADE).await;
    eprintln!("measuring: {MEASURED:?}");
    let since = Instant::now();
    let (cpu, here) = (
        CpuMeter::start(worker)?,
        CpuMeter::start(std::process::id())?,
    );
    let bare = tokio::task::spawn_blocking(|| of_a_bare_thread(MEASURED));
    tokio::time::sleep(MEASURED).await;
    let (cores, cores_here) = (cpu.cores()?, here.cores()?);
    let bare = bare.await.context("the bare thread")?;
    let mut played = Played {
        cores,
        cores_here,
        late: Samples::default(),
        undisturbed: Samples::default(),
        bare: lateness(&bare),
        deficit: Deficit::default(),
        memory,
        stamps_first,
    };
    for party in &crowd {
        let heard = stage.discord().heard_since(party.guild(), since);
        let packets = heard.packets();
        let film = packets.iter().filter(|one| !one.silence).count();
        if (film as f64) < HEARD_AT_LEAST * MEASURED.div_duration_f64(TICK) {
            bail!("a session gave {film} packets of film in {MEASURED:?}");
        }
        let schedule: Vec<_> = packets.iter().map(|one| (one.at, one.timestamp)).collect();
        let stream = of_stream(&schedule);
        played.late.extend(&lateness(&stream));
        let calm = undisturbed(&stream, &bare);
        played.undisturbed.extend(&lateness(&calm));
        played.deficit.add(&packets, MEASURED);
    }
    Ok(played)
}

async fn begin(stage: &Stage, number: u64) -> Result<Party> {
    let party = stage.party(number).await?;
    let url = stage.fresh_url(Film::Sound);
    let played = party.play(Film::Sound, &url).await?;
    let listener = Listener::new(stage.discord(), party.guild());
    listener.first_sound(played.asked).await?;
    Ok(party)
}

impl Played {
    fn describe(&self) -> String {
        format!(
            "{:.3} cores, simulators {:.3}; late {}; {}; bare thread {}",
            self.cores,
            self.cores_here,
            self.late.describe(),
            self.deficit.describe(),
            self.bare.describe()
        )
    }
}

/// All turns of one driver.
#[derive(Default)]
struct Turns(Vec<Played>);

impl Turns {
    fn cores_per_stream(&self) -> f64 {
        let cores = self.0.iter().map(|turn| turn.cores);
        cores.sum::<f64>() / (self.0.len() as u64 * SESSIONS) as f64
    }

    fn all(&self, samples: impl Fn(&Played) -> &Samples) -> Samples {
        let mut all = Samples::default();
        self.0.iter().for_each(|turn| all.extend(samples(turn)));
        all
    }

    fn late(&self) -> Samples {
        self.all(|turn| &turn.late)
    }

    fn undisturbed(&self) -> Samples {
        self.all(|turn| &turn.undisturbed)
    }

    fn each(&self) -> String {
        let turns: Vec<String> = self.0.iter().map(Played::describe).collect();
        turns.join(" | ")
    }

    fn cost(&self) -> String {
        format!(
            "orb worker without ffmpeg, {SESSIONS} sessions of a film of sound alone, its Opus as ffmpeg gave it, mean of \
             turns of {MEASURED:?} (songbird, orb, orb, songbird): {}",
            self.each()
        )
    }

    fn punctuality(&self) -> String {
        let first = self.0.iter().all(|turn| turn.stamps_first);
        let stamping = if first { "" } else { "not " };
        format!(
            "{SESSIONS} sessions, arrival against RTP timestamp, from each stream's earliest packet, all turns: {}; by turn: \
             {}; the member's stamping thread did {stamping}go before others of the bench",
            self.late().describe(),
            self.each()
        )
    }

    fn memory_slope(&self, name: &'static str) -> Measurement {
        let slopes: Vec<f64> = self.0.iter().map(|turn| slope(&turn.memory)).collect();
        let memory: Vec<_> = self.0.iter().map(|turn| &turn.memory).collect();
        let mean = slopes.iter().sum::<f64>() / slopes.len() as f64;
        let detail = format!(
            "mean over turns ({slopes:.2?}) of the slope of the worker's VmRSS from 1 to {SESSIONS} sessions, in (sessions, \
             MB): {memory:.1?}"
        );
        Measurement::new(name, mean, "MB", detail)
    }
}
