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

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use discord_sim::DiscordSimConfig;

use crate::film::Film;
use crate::party::Party;
use crate::report::{Absent, Measurement, Results};
use crate::stage::{Setup, Stage};

use self::viewer::Viewer;

/// Streams that play at once where cost and punctuality are measured: copies, so that their encoders leave the machine
/// alone.
const STREAMS: usize = 4;

/// For one part; the longest plays for ten minutes. Beyond this something hangs.
const PART_WITHIN: Duration = Duration::from_mins(14);

/// For all of them; a part that has no time left any more is said to be absent.
const WHOLE_WITHIN: Duration = Duration::from_mins(34);

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

    /// The rows of the issue's table that it is there for.
    fn rows(self) -> &'static [&'static str] {
        match self {
            Self::Start => &[
                "start_copy_ratio",
                "start_transcode_ratio",
                "start_copy_ms",
                "start_transcode_ms",
            ],
            Self::Seek => &["seek_ms", "seek_transcode_ms"],
            Self::Load => &["lateness_p99_ms", "sender_cpu_per_stream"],
            Self::Skew => &["skew_p99_ms"],
            Self::Clean => &["clean_lost_frames"],
            Self::Loss => &["loss2_decodable_ratio", "loss5_worst_freeze_ms"],
            Self::Rate => &["abr_queue_delay_ms", "abr_recover_s"],
            Self::Takeover => &["takeover_kill_p99_ms"],
            Self::Peer => &[
                "peer_start_ms",
                "peer_lateness_p99_ms",
                "peer_cpu_per_stream",
            ],
        }
    }

    /// Rows are taken down as they come: a part that breaks off keeps those that it had.
    async fn measure(self, stage: &Stage, rows: &mut Vec<Measurement>) -> Result<()> {
        match self {
            Self::Start => rows.extend(start::measure(stage).await?),
            Self::Seek => seek::measure(stage, rows).await?,
            Self::Load => rows.extend(load::measure(stage).await?),
            Self::Skew => rows.push(skew::measure(stage).await?),
            Self::Clean => rows.push(clean::measure(stage).await?),
            Self::Loss => line::lossy(stage, rows).await?,
            Self::Rate => rows.extend(line::narrowing(stage).await?),
            Self::Takeover => rows.extend(takeover::measure(stage).await?),
            Self::Peer => peer::measure(stage, rows).await?,
        }
        Ok(())
    }

    /// The same on a stage of its own.
    async fn run(self, within: Duration, rows: &mut Vec<Measurement>) -> Result<()> {
        if within.is_zero() {
            bail!("the parts before it took {WHOLE_WITHIN:?}");
        }
        let stage = tokio::time::timeout(within, Stage::start_as(setup()));
        let stage = stage
            .await
            .with_context(|| format!("no stage within {within:?}"))??;
        let measured = stage.run(async |stage| self.measure(stage, rows).await, within);
        measured.await
    }
}

/// All numbers of the bench, or those of one part. What cannot be measured is absent and keeps nothing else away.
pub(crate) async fn run(only: Option<Part>) -> Result<Results> {
    let began = Instant::now();
    let mut results = Results::default();
    for part in Part::ALL {
        if only.is_some_and(|only| only != part) {
            continue;
        }
        eprintln!("{} after {} s", part.name(), began.elapsed().as_secs());
        let left = WHOLE_WITHIN.saturating_sub(began.elapsed());
        let mut rows = Vec::new();
        let measured = part.run(PART_WITHIN.min(left), &mut rows).await;
        if let Err(error) = measured {
            eprintln!("{} broke off: {error:#}", part.name());
            let missing = part.rows().iter();
            let missing = missing.filter(|name| rows.iter().all(|row| row.name() != **name));
            results.absent.extend(missing.map(|name| {
                let absent = Absent::new(name, format!("{error:#}"));
                // Where the peer cannot be installed or does not play, Orb is measured all the same.
                if part == Part::Peer {
                    absent.excused()
                } else {
                    absent
                }
            }));
        }
        results.measured.extend(rows);
    }
    Ok(results)
}

fn setup() -> Setup {
    Setup {
        discord: DiscordSimConfig {
            // Longer than what is looked at together.
            seen_bytes_window: Duration::from_mins(1),
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
