//! The worker that plays is killed: how long until the next picture.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::Scene;
use crate::children::{ffmpegs, kill};
use crate::film::Film;
use crate::report::Measurement;
use crate::role_process::RoleProcess;
use crate::stage::Stage;
use crate::statistics::Samples;
use crate::waiting::until;

const KILLS: usize = 20;

/// How long a holder plays before it is killed.
const PLAYS: Duration = Duration::from_secs(4);

/// For a worker to be there.
const STARTS_WITHIN: Duration = Duration::from_secs(10);

pub(super) async fn measure(stage: &Stage) -> Result<Vec<Measurement>> {
    let scene = Scene::new(stage, 1).await?;
    scene.play(Film::Steady).await?;
    let mut others: Vec<RoleProcess> = vec![stage.add_worker("bench-other-0")?];
    let mut holder = stage.worker_pid();
    let mut took = Samples::default();
    let mut freezes = Samples::default();
    for round in 0..=KILLS {
        eprintln!("take-over: {round}/{KILLS}");
        tokio::time::sleep(PLAYS).await;
        let killed = Instant::now();
        kill(holder)?;
        // What was on its way is no picture of the next one.
        let next = next_connection(&scene, killed).await?;
        if round > 0 {
            took.push_ms(next.saturating_duration_since(killed));
            let since = killed.checked_sub(Duration::from_secs(1)).unwrap_or(killed);
            freezes.push_ms(scene.viewer().longest_freeze(since, next));
        }
        holder = until("a worker with an ffmpeg", STARTS_WITHIN, async || {
            let plays = |worker: &&RoleProcess| {
                worker.pid() != holder && ffmpegs(worker.pid()).is_ok_and(|all| !all.is_empty())
            };
            Ok(others.iter().find(plays).map(RoleProcess::pid))
        })
        .await?;
        others.push(stage.add_worker(&format!("bench-other-{}", round + 1))?);
    }
    let detail = format!(
        "SIGKILL of the worker to the first decodable picture of the next one, film copied: {}; the longest time without a \
         picture: {}",
        took.describe(),
        freezes.describe()
    );
    Ok(vec![
        Measurement::new("takeover_kill_p50_ms", took.median(), "ms", detail.clone()),
        Measurement::new("takeover_kill_p99_ms", took.percentile(99.0), "ms", detail)
            .at_most(2000.0),
    ])
}

/// When the first picture of a connection that was opened after `killed` was whole.
async fn next_connection(scene: &Scene<'_>, killed: Instant) -> Result<Instant> {
    until(
        "a picture of the next worker",
        Duration::from_secs(20),
        async || {
            let seen = scene.viewer().seen();
            let newer = seen
                .connections
                .iter()
                .filter(|one| one.info.opened_at > killed);
            let decodable = newer.flat_map(|one| one.pictures.iter().filter(|p| p.decodable));
            Ok(decodable.map(|picture| picture.at).min())
        },
    )
    .await
    .context("no take-over")
}
