//! Starts: `POST /play` in, voice connected, to the first packet at the member; beside what ffprobe and ffmpeg need.

use std::time::Duration;

use anyhow::Result;

use super::Scene;
use crate::film::Film;
use crate::reference::probe_and_first_byte;
use crate::report::Measurement;
use crate::statistics::Samples;

/// Each a start and a reference of both films, in turn, so that a busy machine is busy for both.
const ROUNDS: usize = 15;

/// The first start of a worker and the first read of a file are not what is compared.
const WARM_UP: usize = 1;

#[derive(Default)]
struct Starts {
    started: Samples,
    reference: Samples,
}

pub(super) async fn measure(scene: &Scene<'_>) -> Result<Vec<Measurement>> {
    let [mut copy, mut transcode] = [Starts::default(), Starts::default()];
    for round in 0..WARM_UP + ROUNDS {
        eprintln!("starts: {round}/{ROUNDS}");
        for (film, starts) in [
            (Film::Copied, &mut copy),
            (Film::Transcoded, &mut transcode),
        ] {
            let url = scene.stage.fresh_url(film);
            let reference = probe_and_first_byte(film, &url).await?;
            let started = start(scene, film).await?;
            if round >= WARM_UP {
                starts.reference.push_ms(reference);
                starts.started.push_ms(started);
            }
        }
    }
    Ok(vec![
        copy.ratio("start_copy_ratio"),
        copy.absolute("start_copy_ms"),
        transcode.ratio("start_transcode_ratio"),
        transcode.absolute("start_transcode_ms"),
    ])
}

/// One start, of an address that nobody has probed before.
async fn start(scene: &Scene<'_>, film: Film) -> Result<Duration> {
    let url = scene.stage.fresh_url(film);
    let listener = scene.listener();
    let played = scene.party.play(film, &url).await?;
    let heard = listener.first_sound(played.asked).await?;
    scene.skip().await?;
    Ok(heard - played.asked)
}

impl Starts {
    fn ratio(&self, name: &'static str) -> Measurement {
        let Self { started, reference } = self;
        let ratio = started.median() / reference.median();
        let detail = format!(
            "medians {:.1} ms / {:.1} ms; ffprobe and ffmpeg's first byte in ms: {}",
            started.median(),
            reference.median(),
            reference.describe()
        );
        Measurement::new(name, ratio, "ratio", detail).at_most(1.5)
    }

    fn absolute(&self, name: &'static str) -> Measurement {
        let detail = format!(
            "median; POST /play in to the first packet at the member: {}",
            self.started.describe()
        );
        Measurement::new(name, self.started.median(), "ms", detail)
    }
}
