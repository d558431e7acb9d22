//! Starts: `POST /play` in, stream connected, to the first picture that the member can decode.

use anyhow::Result;

use super::Scene;
use crate::film::Film;
use crate::reference::probe_and_first_byte;
use crate::report::Measurement;
use crate::stage::Stage;
use crate::statistics::Samples;

/// Each a start and a reference of both films, in turn, so that a busy machine is busy for both.
const ROUNDS: usize = 15;

#[derive(Default)]
struct Starts {
    started: Samples,
    reference: Samples,
}

pub(super) async fn measure(stage: &Stage) -> Result<Vec<Measurement>> {
    let scene = Scene::new(stage, 1).await?;
    let [mut copy, mut transcode] = [Starts::default(), Starts::default()];
    // The first start of a worker and the first read of a file are not what is compared: round 0 only warms up.
    for round in 0..=ROUNDS {
        eprintln!("starts: {round}/{ROUNDS}");
        for (film, starts) in [
            (Film::Copied, &mut copy),
            (Film::Transcoded, &mut transcode),
        ] {
            let reference = probe_and_first_byte(film, &stage.fresh_url(film)).await?;
            let asked = scene.party.play(film, &stage.fresh_url(film)).await?.asked;
            let seen = scene.viewer().first_since(asked).await?;
            scene.party.control("skip").await?;
            if round > 0 {
                starts.reference.push_ms(reference);
                starts.started.push_ms(seen - asked);
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

impl Starts {
    fn ratio(&self, name: &'static str) -> Measurement {
        let (started, reference) = (self.started.median(), self.reference.median());
        let detail = format!(
            "medians {started:.1} ms / {reference:.1} ms; ffprobe and ffmpeg's first byte (of its first picture) in ms: {}",
            self.reference.describe()
        );
        Measurement::new(name, started / reference, "ratio", detail).at_most(1.3)
    }

    fn absolute(&self, name: &'static str) -> Measurement {
        let detail = format!(
            "median; POST /play in to the first decodable picture whole at the member: {}",
            self.started.describe()
        );
        Measurement::new(name, self.started.median(), "ms", detail)
    }
}
