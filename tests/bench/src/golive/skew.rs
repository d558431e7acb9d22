//! Picture against sound at the member: through play, pause, seek, changes of rate, and a take-over, from the moment that
//! each is asked for.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use discord_sim::{Fault, LinkDirection, LinkShape, Listening, Skew};

use super::Scene;
use crate::children::kill;
use crate::film::Film;
use crate::report::Measurement;
use crate::stage::Stage;
use crate::statistics::Samples;
use crate::waiting::until;

/// How long is listened and looked once an event has happened.
const LOOKED: Duration = Duration::from_secs(12);

/// At least so many seconds of film must have been both heard and seen by then, or by a later look.
const LEAST: usize = 8;

/// No later look than this: a full line loses sound as well, and a second that was not heard cannot be compared.
const LOOKS_WITHIN: Duration = Duration::from_secs(30);

/// A line changes its rung within this, up or down.
const CHANGES_WITHIN: Duration = Duration::from_mins(1);

/// What a film of 2.5 Mbit/s does not fit through.
const NARROW: u64 = 1_500_000;

/// A worker is up and known to the scheduler.
const ATTACHES: Duration = Duration::from_secs(3);

pub(super) async fn measure(stage: &Stage) -> Result<Measurement> {
    let scene = Scene::new(stage, 1).await?;
    let mut skews = Skews::default();

    let since = Instant::now();
    scene.play(Film::Steady).await?;
    skews.look(&scene, "play", since).await?;

    scene.party.control("pause").await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let since = Instant::now();
    scene.party.control("resume").await?;
    skews.look(&scene, "resume", since).await?;

    let since = Instant::now();
    scene.party.seek(300.5).await?;
    skews.look(&scene, "seek", since).await?;

    let mut changed = rung_changes(&scene).await?;
    for (what, bits_per_second) in [("lower rung", Some(NARROW)), ("higher rung", None)] {
        let since = Instant::now();
        line(&scene, bits_per_second)?;
        changed = until(what, CHANGES_WITHIN, async || {
            let changes = rung_changes(&scene).await?;
            Ok((changes > changed).then_some(changes))
        })
        .await?;
        skews.look(&scene, what, since).await?;
    }

    let _successor = stage.add_worker("bench-successor")?;
    tokio::time::sleep(ATTACHES).await;
    let since = Instant::now();
    kill(stage.worker_pid())?;
    skews.look(&scene, "take-over", since).await?;

    let Skews { played, parts } = skews;
    let detail = format!(
        "for each second of film that was heard: how far the time that the pictures show is from its click, both by the \
         sender's clock (RTP times through sender reports), absolute: {}. Signed, below zero the picture is before its \
         sound: {}",
        played.describe(),
        parts.join("; ")
    );
    Ok(Measurement::new("skew_p99_ms", played.percentile(99.0), "ms", detail).at_most(20.0))
}

/// Changes of size or rate since the film began.
async fn rung_changes(scene: &Scene<'_>) -> Result<u64> {
    let status = scene.party.status().await?;
    let changes = status["picture"]["rungChanges"].as_u64();
    changes.with_context(|| format!("a status without a picture: {status}"))
}

fn line(scene: &Scene<'_>, bits_per_second: Option<u64>) -> Result<()> {
    scene.stage.discord().fault(&Fault::Link {
        guild: scene.party.guild().into(),
        user: None,
        direction: LinkDirection::Up,
        shape: LinkShape {
            bits_per_second,
            ..LinkShape::default()
        },
        seed: 1,
    })?;
    Ok(())
}

#[derive(Default)]
struct Skews {
    /// How far both are to be played apart, absolute, of all events.
    played: Samples,
    /// What was seen of each, in words.
    parts: Vec<String>,
}

impl Skews {
    /// Looks and listens for a while, and takes down what came since then.
    async fn look(&mut self, scene: &Scene<'_>, what: &str, since: Instant) -> Result<()> {
        eprintln!("skew: {what}");
        let compared = until(what, LOOKS_WITHIN, async || {
            tokio::time::sleep(LOOKED).await;
            let compared = compared(scene, since).await?;
            Ok((compared.len() >= LEAST).then_some(compared))
        })
        .await?;
        let [mut played, mut came] = [Samples::default(), Samples::default()];
        for skew in &compared {
            self.played.push(skew.played_ms.abs());
            played.push(skew.played_ms);
            came.push(skew.came_ms);
        }
        self.parts.push(format!(
            "{what}: to be played {}; came {}",
            played.describe(),
            came.describe()
        ));
        Ok(())
    }
}

/// Each second of film of which both sides came since then.
async fn compared(scene: &Scene<'_>, since: Instant) -> Result<Vec<Skew>> {
    let (discord, guild) = (scene.stage.discord(), scene.party.guild());
    let seen = discord.seen_since(guild, since);
    let heard = discord.heard_since(guild, since);
    let compared = tokio::task::spawn_blocking(move || {
        let pictures = seen.look()?;
        let report = Listening::default().report(&heard)?;
        Ok::<_, discord_sim::Error>(seen.skews(&pictures, &report))
    });
    Ok(compared.await.context("looking and listening")??)
}
