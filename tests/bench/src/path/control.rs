//! Pause and resume: HTTP in to answer. The answer waits until the worker has said that it is done.

use std::time::Duration;

use anyhow::{Result, bail};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::Scene;
use crate::film::Film;
use crate::report::Measurement;
use crate::statistics::Samples;

/// Each a pause and a resume.
const PAIRS: usize = 150;

/// Between two calls, by chance: else they would fall in step with the worker's ticks and beats.
const BETWEEN_MS: std::ops::Range<u64> = 20..100;

/// A call that was not done in its own 5 s is done after so long, or something hangs.
const DONE_WITHIN: Duration = Duration::from_secs(10);

pub(super) async fn measure(scene: &Scene<'_>) -> Result<Vec<Measurement>> {
    eprintln!("controls: {PAIRS} pauses and resumes");
    let mut random = StdRng::seed_from_u64(1);
    let [mut pauses, mut resumes] = [Samples::default(), Samples::default()];
    scene.play(Film::Copied).await?;
    for _ in 0..PAIRS {
        for (action, state, samples) in [
            ("pause", "paused", &mut pauses),
            ("resume", "playing", &mut resumes),
        ] {
            let between = Duration::from_millis(random.random_range(BETWEEN_MS));
            tokio::time::sleep(between).await;
            let call = scene.party.control(action).await?;
            if !call.done {
                // Its time stands for "longer than a call waits".
                scene
                    .party
                    .becomes("playbackState", state, DONE_WITHIN)
                    .await?;
            } else if call.status["playbackState"] != state {
                bail!("the answer to {action} is {}", call.status);
            }
            samples.push_ms(call.took);
        }
    }
    scene.skip().await?;
    let mut both = pauses.clone();
    both.extend(&resumes);
    let detail = format!(
        "pause and resume, HTTP in to answer: {}; pause {}; resume {}",
        both.describe(),
        pauses.describe(),
        resumes.describe()
    );
    Ok(vec![
        Measurement::new("control_p50_ms", both.median(), "ms", detail.clone()),
        Measurement::new("control_p99_ms", both.percentile(99.0), "ms", detail).at_most(60.0),
    ])
}
