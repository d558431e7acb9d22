//! Bench `path`: from an HTTP request to what a member of the voice channel hears.
//!
//! Two stages, each with processes of its own. On the first, one session shows how fast things are; on the second, eight
//! sessions show what they cost, from the worker's first session on.

mod control;
mod load;
mod recover;
mod seek;
mod start;

use std::time::Duration;

use anyhow::{Context, Result};
use discord_sim::DiscordSim;

use crate::film::Film;
use crate::listener::Listener;
use crate::party::Party;
use crate::report::Measurement;
use crate::stage::Stage;

/// Sessions that play at once.
const SESSIONS: u64 = 8;

/// Packets of a film come so often.
const TICK: Duration = Duration::from_millis(20);

/// More than the voice output needs to have nothing left to say.
const QUIET: Duration = Duration::from_millis(300);

/// For each of the two stages. They take about two minutes each; beyond this something hangs.
const STAGE_WITHIN: Duration = Duration::from_mins(5);

/// All numbers of the bench.
pub(crate) async fn run() -> Result<Vec<Measurement>> {
    let first = Stage::start().await?;
    let (mut measurements, starting) = first.run(alone, STAGE_WITHIN).await?;
    drop(first);
    let second = Stage::start().await?;
    let (load, playing) = second.run(together, STAGE_WITHIN).await?;
    measurements.extend(load);
    measurements.extend(recover::measurements(&starting, &playing));
    Ok(measurements)
}

async fn alone(stage: &Stage) -> Result<(Vec<Measurement>, recover::Kills)> {
    let scene = Scene {
        stage,
        party: stage.party(1).await?,
    };
    let mut measurements = start::measure(&scene).await.context("starts")?;
    measurements.extend(control::measure(&scene).await.context("controls")?);
    measurements.extend(seek::measure(&scene).await.context("seeks")?);
    let kills = recover::while_starting(&scene)
        .await
        .context("kills while starting")?;
    Ok((measurements, kills))
}

async fn together(stage: &Stage) -> Result<(Vec<Measurement>, recover::Kills)> {
    let mut crowd = Vec::new();
    let measurements = load::measure(stage, &mut crowd)
        .await
        .context("eight sessions")?;
    let kills = recover::while_playing(stage, &crowd)
        .await
        .context("kills while playing")?;
    Ok((measurements, kills))
}

/// One session on a stage.
struct Scene<'a> {
    stage: &'a Stage,
    party: Party,
}

impl<'a> Scene<'a> {
    fn discord(&self) -> &'a DiscordSim {
        self.stage.discord()
    }

    fn listener(&self) -> Listener<'a> {
        Listener::new(self.discord(), self.party.guild())
    }

    /// Plays a film under an address that is new; comes back when it is heard.
    async fn play(&self, film: Film) -> Result<()> {
        let url = self.stage.fresh_url(film);
        let played = self.party.play(film, &url).await?;
        self.listener().first_sound(played.asked).await?;
        Ok(())
    }

    /// Ends what plays; the bot stays in the channel.
    async fn skip(&self) -> Result<()> {
        self.party.control("skip").await?;
        self.listener().quiet_for(QUIET).await
    }
}
