//! How many sessions this machine holds: the driver alone in a process of its own, the simulator in this one.
//!
//! They share the cores, so what is found is what both can do together: the simulator decrypts every packet twice, as
//! the driver encrypts it.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use discord_sim::{DiscordSim, DiscordSimConfig, HeardDetail};

use super::STAMPING;
use super::deficit::Deficit;
use super::drive::Account;
use super::driving::Driving;
use crate::lateness::{lateness, of_a_bare_thread, of_stream};
use crate::machine::{allow_many_sockets, put_first};
use crate::process_cost::{CpuMeter, resident_mb};
use crate::report::Measurement;
use crate::statistics::{Samples, slope};
use crate::waiting::until;

/// Sessions at once, one step after the other until one is not held.
const STEPS: [u64; 9] = [100, 200, 400, 500, 700, 1000, 1400, 1800, 2200];

/// How long each step is listened to.
const MEASURED: Duration = Duration::from_secs(15);

/// After the last connection of a step: its handshakes are not what is measured.
const SETTLES: Duration = Duration::from_secs(2);

/// Connections that are made at once: as many as a restarted cluster's worker would allow itself.
const AT_ONCE: u64 = 20;

/// For those, on a machine that is nearly full.
const CONNECTED_WITHIN: Duration = Duration::from_secs(30);

/// A step that is missed is tried so often: somebody else may have used the machine.
const TRIES: usize = 2;

/// A session is held when its packets are no later.
const LATE_MS: f64 = 5.0;

pub(super) async fn measure() -> Result<Vec<Measurement>> {
    allow_many_sockets()?;
    let sim = DiscordSim::start(DiscordSimConfig {
        heard_detail: HeardDetail::Arrivals,
        heard_window: 2 * MEASURED,
        ..DiscordSimConfig::default()
    })
    .await?;
    let stamps_first = put_first(STAMPING).await?;
    let mut driving = Driving::start(sim.ca_file()).await?;
    let pid = driving.pid()?;
    // Whoever answers has begun.
    driving.report().await?;
    let mut memory = vec![(0.0, resident_mb(pid)?)];
    let mut steps: Vec<Step> = Vec::new();
    'steps: for sessions in STEPS {
        if let Err(error) = join_up_to(&sim, &mut driving, sessions).await {
            eprintln!("{sessions} sessions: {error:#}");
            break;
        }
        memory.push((sessions as f64, resident_mb(pid)?));
        for attempt in 1..=TRIES {
            let step = listen(&sim, &mut driving, sessions).await?;
            eprintln!("{}", step.describe());
            let held = step.is_held();
            steps.push(step);
            if held {
                break;
            }
            if attempt == TRIES {
                break 'steps;
            }
        }
    }
    drop(driving);
    sim.shutdown().await;
    Ok(measurements(&steps, &memory, stamps_first))
}

async fn join_up_to(sim: &DiscordSim, driving: &mut Driving, sessions: u64) -> Result<()> {
    let mut joined = driving.report().await?.encrypted as u64;
    while joined < sessions {
        let next = (joined + AT_ONCE).min(sessions);
        for number in joined..next {
            let credentials = sim.voice_credentials(guild(number), 1 + guild(number), 7)?;
            driving.join(credentials).await?;
        }
        until("connections", CONNECTED_WITHIN, async || {
            let account = driving.report().await?;
            if account.ended > 0 {
                bail!("{} connections ended", account.ended);
            }
            Ok((account.encrypted as u64 >= next).then_some(()))
        })
        .await?;
        joined = next;
    }
    tokio::time::sleep(SETTLES).await;
    Ok(())
}

/// With room for the channel's id.
fn guild(number: u64) -> u64 {
    100_000 + 2 * number
}

struct Step {
    sessions: u64,
    late: Samples,
    deficit: Deficit,
    account: Account,
    bare: Samples,
    driver_cores: f64,
    sim_cores: f64,
}

async fn listen(sim: &DiscordSim, driving: &mut Driving, sessions: u64) -> Result<Step> {
    driving.report().await?;
    let driver = CpuMeter::start(driving.pid()?)?;
    let here = CpuMeter::start(std::process::id())?;
    let since = Instant::now();
    let bare = tokio::task::spawn_blocking(|| of_a_bare_thread(MEASURED));
    tokio::time::sleep(MEASURED).await;
    let (driver_cores, sim_cores) = (driver.cores()?, here.cores()?);
    let until = since + MEASURED;
    let account = driving.report().await?;
    let mut late = Samples::default();
    let mut deficit = Deficit::default();
    for number in 0..sessions {
        let heard = sim.heard_since(guild(number), since);
        let packets = heard.packets();
        let packets: Vec<_> = packets.into_iter().filter(|one| one.at < until).collect();
        let schedule: Vec<_> = packets.iter().map(|one| (one.at, one.timestamp)).collect();
        late.extend(&lateness(&of_stream(&schedule)));
        deficit.add(&packets, MEASURED);
    }
    Ok(Step {
        sessions,
        late,
        deficit,
        account,
        bare: lateness(&bare.await.context("the bare thread")?),
        driver_cores,
        sim_cores,
    })
}

impl Step {
    fn is_held(&self) -> bool {
        self.late.percentile(99.0) <= LATE_MS
            && self.deficit == Deficit::default()
            && self.account.ended == 0
    }

    fn describe(&self) -> String {
        let Account {
            late_p50_ms,
            late_p99_ms,
            late_max_ms,
            send_errors,
            ended,
            ..
        } = self.account;
        format!(
            "{} sessions: at the member p50 {:.2}, p99 {:.2}, max {:.1} ms; when sent p50 {late_p50_ms:.1}, \
             p99 {late_p99_ms:.1}, max {late_max_ms:.1} ms; bare thread p99 {:.2}, max {:.1} ms; {}; {ended} connections \
             ended, {send_errors} datagrams not taken by the kernel; driver {:.3} cores, simulator {:.3}",
            self.sessions,
            self.late.median(),
            self.late.percentile(99.0),
            self.late.max(),
            self.bare.percentile(99.0),
            self.bare.max(),
            self.deficit.describe(),
            self.driver_cores,
            self.sim_cores
        )
    }
}

fn measurements(steps: &[Step], memory: &[(f64, f64)], stamps_first: bool) -> Vec<Measurement> {
    let held = steps.iter().rev().find(|step| step.is_held());
    let sessions = held.map_or(0, |step| step.sessions);
    let told: Vec<String> = steps.iter().map(Step::describe).collect();
    let stamping = if stamps_first {
        "goes before other threads"
    } else {
        "waits like other threads: going first was not allowed"
    };
    let detail = format!(
        "the largest step with lateness p99 <= {LATE_MS} ms and no deficit in {MEASURED:?}: driver alone in one process, \
         Opus from memory, DAVE; the simulator, which decrypts every packet, in another on the same cores; its thread that \
         stamps arrivals {stamping}. {}",
        told.join(" | ")
    );
    let cost = held.map_or(0.0, |step| step.driver_cores / step.sessions as f64);
    vec![
        Measurement::new("sessions_held", sessions as f64, "sessions", detail).at_least(500.0),
        Measurement::new(
            "driver_cpu_per_stream",
            cost,
            "cores",
            "of the driver's process at that step",
        ),
        Measurement::new(
            "driver_rss_per_session_mb",
            slope(memory),
            "MB",
            format!("slope of the driver's process over (sessions, MB) {memory:.1?}"),
        ),
    ]
}
