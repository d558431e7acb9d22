//! Bench `golive`: sound and picture of a Go Live stream, as the member of the voice channel gets them.
//!
//! ```text
//!  party ── HTTP ──▶ gateway ─▶ scheduler ─▶ worker ── WebRTC, DAVE ──▶ the link model ──▶ DiscordSim here
//!                                             └ ffmpeg                    loss, delay,      └ a member decrypts, puts
//!                                                                         bandwidth            pictures together: Viewer
//! ```
//!
//! A picture counts when the member could decode it: decrypted, whole, and in an unbroken chain from a key frame. What it
//! shows is read off it (`discord_sim::TimedPicture`). Each part has processes of its own.

mod clean;
mod line;
mod load;
mod peer;
mod seek;
mod skew;
mod start;
mod takeover;
mod viewer;

use std::time::Duration;

use anyhow::{Context, Result};
use clap::ValueEnum;
use discord_sim::DiscordSimConfig;

use crate::film::Film;
use crate::party::Party;
use crate::report::Measurement;
use crate::stage::{Setup, Stage};

use self::viewer::Viewer;

/// Streams that play at once where cost and punctuality are measured: copies, so that their encoders leave the machine
/// alone.
const STREAMS: usize = 4;

/// For one part; the longest plays for ten minutes. Beyond this something hangs.
const PART_WITHIN: Duration = Duration::from_mins(14);

/// A part of the bench.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// From play to the first picture.
    Start,
    /// From a seek to the next picture.
    Seek,
    /// Several streams: how punctual, and what they cost.
    Load,
    /// Picture against sound.
    Skew,
    /// Ten minutes on a line without fault.
    Clean,
    /// Packets are lost.
    Loss,
    /// The line narrows and widens again.
    Rate,
    /// The worker is killed.
    Takeover,
    /// The peer: what npm's discord-video-stream gives on the same film.
    Peer,
}

impl Part {
    const ALL: [Self; 9] = [
        Self::Start,
        Self::Seek,
        Self::Load,
        Self::Skew,
        Self::Clean,
        Self::Loss,
        Self::Rate,
        Self::Takeover,
        Self::Peer,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Seek => "seek",
            Self::Load => "load",
            Self::Skew => "skew",
            Self::Clean => "clean",
            Self::Loss => "loss",
            Self::Rate => "rate",
            Self::Takeover => "takeover",
            Self::Peer => "peer",
        }
    }

    async fn measure(self, stage: &Stage) -> Result<Vec<Measurement>> {
        match self {
            Self::Start => start::measure(stage).await,
            Self::Seek => seek::measure(stage).await,
            Self::Load => load::measure(stage).await,
            Self::Skew => skew::measure(stage).await,
            Self::Clean => clean::measure(stage).await,
            Self::Loss => line::lossy(stage).await,
            Self::Rate => line::narrowing(stage).await,
            Self::Takeover => takeover::measure(stage).await,
            Self::Peer => Ok(peer::measure(stage).await),
        }
    }
}

/// All numbers of the bench, or those of one part.
pub(crate) async fn run(only: Option<Part>) -> Result<Vec<Measurement>> {
    let mut measurements = Vec::new();
    for part in Part::ALL {
        if only.is_none_or(|only| only == part) {
            let stage = Stage::start_as(setup()).await?;
            let measured = stage.run(async |stage| part.measure(stage).await, PART_WITHIN);
            measurements.extend(measured.await.context(part.name())?);
        }
    }
    Ok(measurements)
}

fn setup() -> Setup {
    Setup {
        discord: DiscordSimConfig {
            // Longer than what is looked at together.
            seen_bytes_window: Duration::from_secs(40),
            seen_window: Duration::from_mins(12),
            ..DiscordSimConfig::default()
        },
        users: STREAMS,
        ..Setup::default()
    }
}

/// One party with a picture.
struct Scene<'a> {
    stage: &'a Stage,
    party: Party,
}

impl<'a> Scene<'a> {
    async fn new(stage: &'a Stage, number: u64) -> Result<Self> {
        Ok(Self {
            stage,
            party: stage.party(number).await?,
        })
    }

    fn viewer(&self) -> Viewer<'a> {
        Viewer::new(self.stage.discord(), self.party.guild())
    }

    /// Plays a film under an address that is new; comes back when it is seen.
    async fn play(&self, film: Film) -> Result<()> {
        let url = self.stage.fresh_url(film);
        let played = self.party.play(film, &url).await?;
        self.viewer().first_since(played.asked).await?;
        Ok(())
    }
}
