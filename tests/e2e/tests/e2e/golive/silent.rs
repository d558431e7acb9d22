//! A film without any sound: silence takes its place, so that the picture has its clock.

use std::time::{Duration, Instant};

use discord_sim::TimedPicture;
use orb_e2e::{Title, until};

use super::{SOON, Stage, TWO_SECONDS, assert_unbroken};

/// How far the status may be from what the member sees, in seconds.
const POSITION_ERROR: f64 = 0.25;

/// The media second that the member sees at `at`, by the picture that came last before it.
fn seen_at(pictures: &[TimedPicture], at: Instant) -> f64 {
    let last = pictures
        .iter()
        .rfind(|picture| picture.moment.at <= at)
        .expect("a picture came before");
    let shown = last.media.expect("its time can be read");
    (shown + (at - last.moment.at)).as_secs_f64()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_film_without_sound_is_seen_to_its_end() {
    let began = Instant::now();
    let stage = Stage::playing(Title::Silent).await;
    let pictures = stage.eyes().sees(2 * TWO_SECONDS, began, SOON).await;
    assert_unbroken(&pictures);
    let status = stage.party.status().await;
    let pictures = stage.eyes().sees(1, status.answered, SOON).await;
    assert_unbroken(&pictures);
    let pictures = stage.eyes().pictures(began);
    let (from, to) = (
        seen_at(&pictures, status.asked),
        seen_at(&pictures, status.answered),
    );
    println!(
        "measured: status {:.3} s, member {from:.3} to {to:.3} s",
        status.position()
    );
    assert!(
        status.position() >= from - POSITION_ERROR && status.position() <= to + POSITION_ERROR,
        "{}",
        status.text
    );

    // Beyond a key frame, so that it leads in.
    let sought = Instant::now();
    stage.party.seek(7.0).await.expect_code(200);
    until("a picture of the new place", SOON, async || {
        let pictures = stage.eyes().pictures(sought);
        let there = |picture: &TimedPicture| picture.media >= Some(Duration::from_secs(7));
        pictures.into_iter().find(there)
    })
    .await;

    let ended = stage.party.becomes("ended", SOON).await;
    let pictures = stage.eyes().pictures(sought);
    let last = pictures.last().and_then(|picture| picture.media).unwrap();
    println!(
        "measured: ended at {:.3} s, last picture {last:?}",
        ended.position()
    );
    // The last second of pictures at most may be missing: they end with the sound, or a picture before it.
    let length = Duration::from_secs(Title::Silent.seconds().into());
    assert!(last + Duration::from_millis(100) >= length, "{last:?}");
    stage.assert_nothing_in_the_clear();
}
