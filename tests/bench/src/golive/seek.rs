//! Seeks to places anywhere between key frames that are 10 s apart: HTTP in to the first picture of the new place.

use std::time::Duration;

use anyhow::Result;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::Scene;
use crate::film::Film;
use crate::report::Measurement;
use crate::stage::Stage;
use crate::statistics::Samples;
use crate::waiting::until;

const SEEKS: usize = 40;

/// How long the new place plays before the next seek, by chance.
const DWELL_MS: std::ops::Range<u64> = 1_500..2_500;

/// No seek takes longer.
const SEEN_WITHIN: Duration = Duration::from_secs(20);

/// The key frame before a place is at most so far from it, and a picture of the old place farther.
const GOP_MS: u64 = 10_000;

pub(super) async fn measure(stage: &Stage) -> Result<Vec<Measurement>> {
    let scene = Scene::new(stage, 1).await?;
    let copy = seeks(&scene, Film::Copied).await?;
    let transcode = seeks(&scene, Film::Transcoded).await?;
    Ok(vec![
        copy.whole("seek_ms").at_most(400.0),
        copy.place("seek_place_ms"),
        transcode.whole("seek_transcode_ms"),
    ])
}

#[derive(Default)]
struct Seeks {
    /// To the first picture from the new place's key frame on.
    seen: Samples,
    /// To the first picture of the place itself.
    there: Samples,
}

async fn seeks(scene: &Scene<'_>, film: Film) -> Result<Seeks> {
    eprintln!("seeks, {}: {SEEKS}", film.name());
    let mut random = StdRng::seed_from_u64(2);
    let mut seeks = Seeks::default();
    scene.play(film).await?;
    let mut here: u64 = 0;
    for _ in 0..SEEKS {
        tokio::time::sleep(Duration::from_millis(random.random_range(DWELL_MS))).await;
        let place = loop {
            let place = random.random_range(1_000..u64::from(film.seconds() - 30) * 1000);
            // So far away that no picture can be of both.
            if place.abs_diff(here) > 3 * GOP_MS {
                break place;
            }
        };
        let asked = scene.party.seek(place as f64 / 1000.0).await?.asked;
        let (first, there) = until("pictures of the new place", SEEN_WITHIN, async || {
            let pictures = scene.viewer().timed(asked).await?;
            let ms = |media: Duration| media.as_millis() as u64;
            let of_place = pictures
                .iter()
                .filter_map(|one| Some((one, ms(one.media?))));
            let mut of_place = of_place.filter(|(_, ms)| ms.abs_diff(place) <= GOP_MS + 100);
            let first = of_place.clone().next().map(|(one, _)| one.moment.at);
            let there = of_place.find(|(_, ms)| *ms + 42 >= place);
            Ok(first.zip(there.map(|(one, _)| one.moment.at)))
        })
        .await?;
        seeks.seen.push_ms(first - asked);
        seeks.there.push_ms(there - asked);
        here = place;
    }
    scene.party.control("skip").await?;
    Ok(seeks)
}

impl Seeks {
    fn whole(&self, name: &'static str) -> Measurement {
        let detail = format!(
            "median; HTTP in to the first decodable picture of the new place, a key frame before it included: {}",
            self.seen.describe()
        );
        Measurement::new(name, self.seen.median(), "ms", detail)
    }

    fn place(&self, name: &'static str) -> Measurement {
        let detail = format!(
            "median; the same to the picture of the place itself: a copy begins up to 10 s before it, and those pictures go \
             out first, as fast as the line takes them: {}",
            self.there.describe()
        );
        Measurement::new(name, self.there.median(), "ms", detail)
    }
}
