//! Starts: `POST /play` in, voice connected, to the first packet at the member; beside what ffprobe and ffmpeg need.

use std::time::Instant;

use anyhow::{Result, bail};

use super::Scene;
use crate::film::Film;
use crate::reference::probe_and_first_byte;
use crate::report::Measurement;
use crate::statistics::Samples;

/// Each a start and a reference of both films, in turn, so that a busy machine is busy for both.
const ROUNDS: usize = 15;

#[derive(Default)]
struct Starts {
    started: Samples,
    reference: Samples,
    /// Parts of `started`: the call becomes a lease and ffprobe asks the server for the film; then ffmpeg does; then
    /// the first packet comes.
    parts: [Samples; 3],
}

pub(super) async fn measure(scene: &Scene<'_>) -> Result<Vec<Measurement>> {
    let [mut copy, mut transcode] = [Starts::default(), Starts::default()];
    // The first start of a worker and the first read of a file are not what is compared: round 0 only warms up.
    for round in 0..=ROUNDS {
        eprintln!("starts: {round}/{ROUNDS}");
        for (film, starts) in [
            (Film::Copied, &mut copy),
            (Film::Transcoded, &mut transcode),
        ] {
            let url = scene.stage.fresh_url(film);
            let reference = probe_and_first_byte(film, &url).await?;
            let started = start(scene, film).await?;
            if round > 0 {
                starts.reference.push_ms(reference);
                starts.add(&started);
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

/// The moments of one start, by time.
struct Start {
    asked: Instant,
    probe_asks: Instant,
    ffmpeg_asks: Instant,
    heard: Instant,
}

/// One start, of an address that nobody has probed before.
async fn start(scene: &Scene<'_>, film: Film) -> Result<Start> {
    let url = scene.stage.fresh_url(film);
    let asked = scene.party.play(film, &url).await?.asked;
    let heard = scene.listener().first_sound(asked).await?;
    scene.skip().await?;
    let requests = scene.stage.asked_for(&url);
    let [probe_asks, ffmpeg_asks, ..] = requests[..] else {
        bail!("a film was heard after {} requests for it", requests.len());
    };
    Ok(Start {
        asked,
        probe_asks,
        ffmpeg_asks,
        heard,
    })
}

impl Starts {
    fn add(&mut self, start: &Start) {
        let moments = [
            start.asked,
            start.probe_asks,
            start.ffmpeg_asks,
            start.heard,
        ];
        for (part, moments) in self.parts.iter_mut().zip(moments.windows(2)) {
            part.push_ms(moments[1].saturating_duration_since(moments[0]));
        }
        self.started.push_ms(start.heard - start.asked);
    }

    fn ratio(&self, name: &'static str) -> Measurement {
        let Self {
            started, reference, ..
        } = self;
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
        let [probe_asks, ffmpeg_asks, heard] = self.parts.each_ref().map(Samples::median);
        let detail = format!(
            "median; POST /play in to the first packet at the member: {}; medians of its parts: until ffprobe asks the \
             server {probe_asks:.0}, until ffmpeg does {ffmpeg_asks:.0}, until the packet {heard:.0}",
            self.started.describe()
        );
        Measurement::new(name, self.started.median(), "ms", detail)
    }
}
