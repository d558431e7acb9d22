//! Ten minutes of film on a line without fault: pictures that did not come.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::Scene;
use crate::film::Film;
use crate::report::Measurement;
use crate::stage::Stage;

const PLAYED: Duration = Duration::from_mins(10);

/// Between two pictures of the film, in ticks of RTP's 90,000 a second; and what rounding to ms may add.
const PICTURE_TICKS: u32 = 90_000 / 24;
const ROUNDING_TICKS: u32 = 200;

pub(super) async fn measure(stage: &Stage) -> Result<Measurement> {
    let scene = Scene::new(stage, 1).await?;
    scene.play(Film::Steady).await?;
    eprintln!("a clean line: {PLAYED:?}");
    let since = Instant::now();
    tokio::time::sleep(PLAYED).await;
    let pictures = scene.viewer().pictures(since);
    let totals = scene.viewer().seen().totals();
    let missing: u32 = pictures
        .windows(2)
        .map(|pair| {
            let ticks = pair[1].rtp_time.wrapping_sub(pair[0].rtp_time);
            (ticks + ROUNDING_TICKS) / PICTURE_TICKS
        })
        .map(|steps| steps.saturating_sub(1))
        .sum();
    let undecodable = totals.pictures - totals.decodable;
    let detail = format!(
        "{} decodable pictures in {PLAYED:?}: holes in their RTP times {missing}, not decodable {undecodable}; packets {}, \
         given up {}, sent again {}",
        pictures.len(),
        totals.packets,
        totals.lost,
        totals.retransmitted
    );
    let lost = u64::from(missing) + undecodable;
    Ok(Measurement::new("clean_lost_frames", lost as f64, "frames", detail).at_most(0.0))
}
