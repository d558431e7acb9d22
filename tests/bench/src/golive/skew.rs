//! Picture against sound at the member: through play, pause, seek, a change of rate, and a take-over.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use discord_sim::{CodedSecond, Fault, Heard, LinkDirection, LinkShape, Listening, Media};

use super::Scene;
use crate::children::kill;
use crate::film::Film;
use crate::report::Measurement;
use crate::stage::Stage;
use crate::statistics::Samples;

/// How long is listened and looked after each event.
const LOOKED: Duration = Duration::from_secs(8);

/// What comes right after an event may be on its way to its place.
const SETTLES: Duration = Duration::from_secs(3);

/// A numbered second of sound is compared with pictures so near to it, in seconds of media time.
const NEAR_S: f64 = 1.5;

pub(super) async fn measure(stage: &Stage) -> Result<Vec<Measurement>> {
    let scene = Scene::new(stage, 1).await?;
    let mut all = Samples::default();
    let mut parts = Vec::new();
    let mut note = async |what: &str| -> Result<()> {
        eprintln!("skew: {what}");
        tokio::time::sleep(SETTLES).await;
        let skew = skew(&scene).await.with_context(|| what.to_owned())?;
        parts.push(format!("{what}: {}", skew.describe()));
        all.extend(&skew);
        Ok(())
    };
    scene.play(Film::Steady).await?;
    note("play").await?;
    scene.party.control("pause").await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    scene.party.control("resume").await?;
    note("pause").await?;
    scene.party.seek(300.5).await?;
    note("seek").await?;
    let line = |mbit: Option<u64>| Fault::Link {
        guild: scene.party.guild().into(),
        user: None,
        direction: LinkDirection::Up,
        shape: LinkShape {
            bits_per_second: mbit.map(|mbit| mbit * 100_000),
            ..LinkShape::default()
        },
        seed: 1,
    };
    stage.discord().fault(&line(Some(15)))?;
    tokio::time::sleep(Duration::from_secs(8)).await;
    note("a narrower line").await?;
    stage.discord().fault(&line(None))?;
    let _successor = stage.add_worker("bench-successor")?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    kill(stage.worker_pid())?;
    note("a take-over").await?;
    let detail = format!(
        "how far the time in a picture is from the clicks in the sound, both by the sender's clock (RTP time through sender \
         reports), absolute; {}",
        parts.join("; ")
    );
    Ok(vec![
        Measurement::new("skew_p99_ms", all.percentile(99.0), "ms", detail).at_most(20.0),
    ])
}

/// Of each picture that has a heard second near by; absolute, in ms.
async fn skew(scene: &Scene<'_>) -> Result<Samples> {
    let since = Instant::now();
    tokio::time::sleep(LOOKED).await;
    let pictures = scene.viewer().timed(since).await?;
    let discord = scene.stage.discord();
    let heard = discord.heard_since(scene.party.guild(), since);
    let listened = heard.clone();
    let report =
        tokio::task::spawn_blocking(move || Listening::default().report(&listened)).await??;
    let seen = scene.viewer().seen();
    let sound_offset = |second: &CodedSecond| {
        let connection = seen
            .connections
            .iter()
            .find(|c| c.info.ssrc == second.ssrc)?;
        let (rtp_time, into) = packet_of(&heard, second)?;
        let sender = connection.sender_time(Media::Sound, rtp_time)? + into;
        Some(sender.as_secs_f64() - f64::from(second.second))
    };
    let mut skews = Samples::default();
    for picture in &pictures {
        let (Some(media), Some(sender)) = (picture.media, picture.sender) else {
            continue;
        };
        let media = media.as_secs_f64();
        let confirmed = report.seconds.iter().filter(|second| second.confirmed);
        let near = confirmed.min_by(|one, other| {
            let apart = |second: &CodedSecond| (f64::from(second.second) - media).abs();
            apart(one).total_cmp(&apart(other))
        });
        let Some(near) = near.filter(|near| (f64::from(near.second) - media).abs() <= NEAR_S)
        else {
            continue;
        };
        if let Some(sound) = sound_offset(near) {
            skews.push(((sender.as_secs_f64() - media) - sound).abs() * 1e3);
        }
    }
    if skews.len() < 24 {
        bail!(
            "{} of {} pictures could be compared with {} heard seconds",
            skews.len(),
            pictures.len(),
            report.seconds.len()
        );
    }
    Ok(skews)
}

/// The RTP time of the packet that a second begins in, and how far into it.
fn packet_of(heard: &Heard, second: &CodedSecond) -> Option<(u32, Duration)> {
    let connection = heard
        .connections
        .iter()
        .find(|c| c.info.ssrc == second.ssrc)?;
    let packets = connection.packets.iter();
    let last = packets
        .filter(|packet| packet.at <= second.moment.at)
        .last()?;
    Some((last.timestamp, second.moment.at - last.at))
}
