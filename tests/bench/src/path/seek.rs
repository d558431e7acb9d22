//! Seeks to places anywhere between key frames that are 10 s apart: HTTP in to the first packet of the new place.

use std::time::Duration;

use anyhow::{Result, bail};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::Scene;
use crate::film::Film;
use crate::report::Measurement;
use crate::statistics::Samples;

const COPY_SEEKS: usize = 100;
const TRANSCODE_SEEKS: usize = 40;

/// How long the new place plays before the next seek, by chance.
const DWELL_MS: std::ops::Range<u64> = 200..600;

/// A seek that is this far from the asked place was none.
const PLACE_TOLERANCE_MS: u64 = 3_000;

pub(super) async fn measure(scene: &Scene<'_>) -> Result<Vec<Measurement>> {
    let copy = seeks(scene, Film::Copied, COPY_SEEKS).await?;
    let transcode = seeks(scene, Film::Transcoded, TRANSCODE_SEEKS).await?;
    Ok(vec![
        copy.percentile("seek_p50_ms", 50.0),
        copy.percentile("seek_p99_ms", 99.0).at_most(600.0),
        transcode.percentile("seek_transcode_p50_ms", 50.0),
        transcode.percentile("seek_transcode_p99_ms", 99.0),
    ])
}

#[derive(Default)]
struct Seeks {
    heard: Samples,
    answered: Samples,
}

async fn seeks(scene: &Scene<'_>, film: Film, count: usize) -> Result<Seeks> {
    eprintln!("seeks, {}: {count}", film.name());
    let mut random = StdRng::seed_from_u64(2);
    let mut seeks = Seeks::default();
    scene.play(film).await?;
    for _ in 0..count {
        let dwell = Duration::from_millis(random.random_range(DWELL_MS));
        tokio::time::sleep(dwell).await;
        let place_ms = place(film, &mut random);
        let call = scene.party.seek(place_ms as f64 / 1000.0).await?;
        let heard = scene.listener().first_sound_after_break(call.asked).await?;
        seeks.heard.push_ms(heard - call.asked);
        seeks.answered.push_ms(call.took);
        let status = scene.party.status().await?;
        let position = status["positionMs"].as_u64().unwrap_or_default();
        if position.abs_diff(place_ms) > PLACE_TOLERANCE_MS {
            bail!("asked for {place_ms} ms, but the status is {status}");
        }
    }
    scene.skip().await?;
    Ok(seeks)
}

/// Anywhere in the film, with some of it left to play.
pub(super) fn place(film: Film, random: &mut impl Rng) -> u64 {
    let last = u64::from(film.seconds() - 30) * 1000;
    random.random_range(1_000..last)
}

impl Seeks {
    fn percentile(&self, name: &'static str, percent: f64) -> Measurement {
        let detail = format!(
            "HTTP in to the first packet of the new place: {}; to the answer: {}",
            self.heard.describe(),
            self.answered.describe()
        );
        Measurement::new(name, self.heard.percentile(percent), "ms", detail)
    }
}
