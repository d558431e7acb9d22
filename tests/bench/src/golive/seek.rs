//! Seeks to places anywhere between key frames that are 10 s apart: HTTP in to the first picture of the new place.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::Scene;
use crate::film::{Film, GOP_SECONDS, key_frames};
use crate::report::Measurement;
use crate::stage::Stage;
use crate::statistics::Samples;
use crate::waiting::until;

const SEEKS: usize = 30;

/// How long the new place plays before anybody looks, by chance. Looking decodes, which is not to slow what is measured.
const DWELL_MS: std::ops::Range<u64> = 1_500..2_500;

/// Between two looks, where the first one was too early.
const LOOKS: Duration = Duration::from_millis(500);

/// No seek takes longer.
const SEEN_WITHIN: Duration = Duration::from_secs(20);

/// The key frame before a place is at most so far from it, and a picture of the old place farther.
const GOP: Duration = Duration::from_secs(GOP_SECONDS as u64);

/// What rounding does to a media time.
const ROUNDING: Duration = Duration::from_millis(100);

/// From one picture to the next.
const PICTURE: Duration = Duration::from_millis(42);

pub(super) async fn measure(stage: &Stage, rows: &mut Vec<Measurement>) -> Result<()> {
    let scene = Scene::new(stage, 1).await?;
    let copy = seeks(&scene, Film::Copied).await?;
    rows.extend([
        copy.first("seek_ms").at_most(400.0),
        copy.place("seek_place_ms"),
    ]);
    let transcode = seeks(&scene, Film::Transcoded).await?;
    rows.push(transcode.first("seek_transcode_ms"));
    rows.push(transcode.place("seek_transcode_place_ms"));
    Ok(())
}

#[derive(Default)]
struct Seeks {
    /// To the first picture from the new place's key frame on.
    first: Samples,
    /// To the first picture of the place itself.
    place: Samples,
}

async fn seeks(scene: &Scene<'_>, film: Film) -> Result<Seeks> {
    let key_frames = key_frames(film).await?;
    if key_frames.len() < 2 || !key_frames.windows(2).all(|pair| pair[1] - pair[0] > 9.9) {
        bail!("the film's key frames are not 10 s apart: {key_frames:?}");
    }
    let mut random = StdRng::seed_from_u64(2);
    let mut seeks = Seeks::default();
    scene.play(film).await?;
    let mut here = Duration::ZERO;
    for number in 1..=SEEKS {
        eprintln!("seeks, {}: {number}/{SEEKS}", film.name());
        let place = loop {
            let place = random.random_range(1_000..u64::from(film.seconds() - 30) * 1000);
            let place = Duration::from_millis(place);
            // So far away that no picture can be of both.
            if place.abs_diff(here) > 3 * GOP {
                break place;
            }
        };
        let asked = scene.party.seek(place.as_secs_f64()).await?.asked;
        tokio::time::sleep(Duration::from_millis(random.random_range(DWELL_MS))).await;
        let (first, there) = seen(scene, asked, place).await?;
        seeks.first.push_ms(first - asked);
        seeks.place.push_ms(there - asked);
        here = place;
    }
    scene.party.control("skip").await?;
    Ok(seeks)
}

/// When the first picture of the new place was whole, lead-in included, and when that of the place itself.
async fn seen(scene: &Scene<'_>, asked: Instant, place: Duration) -> Result<(Instant, Instant)> {
    until("pictures of the new place", SEEN_WITHIN, async || {
        let pictures = scene.viewer().timed(asked).await?;
        let media = pictures.iter().map(|one| (one.moment.at, one.media));
        let media = media.filter_map(|(at, media)| Some((at, media?)));
        let mut of_place = media.filter(|(_, media)| media.abs_diff(place) <= GOP + ROUNDING);
        let first = of_place.clone().next();
        let there = of_place.find(|(_, media)| *media + PICTURE >= place);
        if there.is_none() {
            tokio::time::sleep(LOOKS).await;
        }
        Ok(first
            .zip(there)
            .map(|((first, _), (there, _))| (first, there)))
    })
    .await
}

impl Seeks {
    fn first(&self, name: &'static str) -> Measurement {
        let detail = format!(
            "median; HTTP in to the first decodable picture of the new place, a key frame before it included: {}",
            self.first.describe()
        );
        Measurement::new(name, self.first.median(), "ms", detail)
    }

    fn place(&self, name: &'static str) -> Measurement {
        let detail = format!(
            "median; the same to the picture of the place itself; a copy begins up to 10 s before it, and those pictures go \
             out first, as fast as the line takes them: {}",
            self.place.describe()
        );
        Measurement::new(name, self.place.median(), "ms", detail)
    }
}
