//! ffmpeg is killed: how long the film is not heard.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::load::Playing;
use super::{Scene, TICK, seek};
use crate::children::{ffmpegs, kill};
use crate::film::Film;
use crate::report::Measurement;
use crate::stage::Stage;
use crate::statistics::Samples;
use crate::waiting::until;

/// Kills before the first packet, when nothing that was made ahead can hide them.
const KILLS_WHILE_STARTING: usize = 12;

/// How long a new ffmpeg may take to appear.
const APPEARS_WITHIN: Duration = Duration::from_secs(5);

/// Between two kills of different sessions: time for a restart, so that they do not add up.
const BETWEEN: Duration = Duration::from_secs(1);

/// More than the worker has made ahead: what is heard then is of the new ffmpeg.
const RUN_AHEAD_IS_OVER: Duration = Duration::from_secs(18);

/// Kills of one kind.
#[derive(Default)]
pub(super) struct Kills {
    /// From the kill to the next packet, without the regular 20 ms.
    next: Samples,
    /// The longest time without a packet since the kill, without the regular 20 ms.
    hole: Samples,
}

impl Kills {
    fn add(&mut self, next: Duration, hole: Duration) {
        self.next.push_ms(next.saturating_sub(TICK));
        self.hole.push_ms(hole.saturating_sub(TICK));
    }
}

/// Kills the ffmpeg of a seek as soon as it runs, again and again.
pub(super) async fn while_starting(scene: &Scene<'_>) -> Result<Kills> {
    eprintln!("kills while starting: {KILLS_WHILE_STARTING}");
    let worker = scene.stage.worker_pid();
    let mut random = StdRng::seed_from_u64(3);
    let mut kills = Kills::default();
    scene.play(Film::Copied).await?;
    for _ in 0..KILLS_WHILE_STARTING {
        let others = ffmpegs(worker)?;
        let place = seek::place(Film::Copied, &mut random);
        let asked = Instant::now();
        // The answer may wait for what is killed.
        let (sought, killed) = tokio::join!(
            scene.party.seek(place as f64 / 1000.0),
            until("an ffmpeg to kill", APPEARS_WITHIN, async || {
                let now = ffmpegs(worker)?;
                let Some(new) = now.difference(&others).next() else {
                    return Ok(None);
                };
                let killed = Instant::now();
                kill(*new)?;
                Ok(Some(killed))
            })
        );
        sought?;
        let killed = killed?;
        let heard = scene.listener().first_sound_after_break(asked).await?;
        let Some(away) = heard.checked_duration_since(killed) else {
            bail!("a packet was heard before its ffmpeg was killed");
        };
        kills.add(away, away);
    }
    scene.skip().await?;
    Ok(kills)
}

/// Kills the ffmpeg of each session in turn, and listens until what they had made ahead is played out.
pub(super) async fn while_playing(stage: &Stage, crowd: &[Playing<'_>]) -> Result<Kills> {
    eprintln!("kills while playing: {}", crowd.len());
    let worker = stage.worker_pid();
    let mut killed = Vec::new();
    for one in crowd {
        if !ffmpegs(worker)?.contains(&one.ffmpeg) {
            bail!("an ffmpeg ended before it was killed");
        }
        killed.push(Instant::now());
        kill(one.ffmpeg)?;
        tokio::time::sleep(BETWEEN).await;
    }
    tokio::time::sleep(RUN_AHEAD_IS_OVER).await;
    let mut kills = Kills::default();
    for (one, killed) in crowd.iter().zip(killed) {
        let listener = one.scene.listener();
        let film = listener.film(killed);
        let first = film.first().context("a session was heard no more")?;
        kills.add(*first - killed, listener.longest_hole(killed));
    }
    let restarted = ffmpegs(worker)?;
    if restarted.len() < crowd.len() {
        bail!("{} of {} ffmpegs came back", restarted.len(), crowd.len());
    }
    Ok(kills)
}

pub(super) fn measurements(starting: &Kills, playing: &Kills) -> [Measurement; 2] {
    let mut next = starting.next.clone();
    next.extend(&playing.next);
    let mut hole = starting.hole.clone();
    hole.extend(&playing.hole);
    let detail = format!(
        "SIGKILL to the next packet, less the regular 20 ms; before the first packet of a seek: {}; while playing, \
         with frames made ahead: {}",
        starting.next.describe(),
        playing.next.describe()
    );
    let gaps = format!(
        "longest time without the film until all made ahead is played, less the regular 20 ms; while playing: {}",
        playing.hole.describe()
    );
    [
        Measurement::new(
            "recover_ffmpeg_kill_p99_ms",
            next.percentile(99.0),
            "ms",
            detail,
        )
        .at_most(2000.0),
        Measurement::new("recover_ffmpeg_kill_longest_gap_ms", hole.max(), "ms", gaps),
    ]
}
