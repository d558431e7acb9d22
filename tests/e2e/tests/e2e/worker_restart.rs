//! A worker that dies takes its ffmpegs with it, and is replaced at the same second.

use std::time::{Duration, Instant};

use orb_e2e::{
    Party, Roles, Setting, Surroundings, Title, descendants, ffmpegs, is_running, until,
};

/// For anything that opens a file and starts an encoder, on a busy machine.
const SOON: Duration = Duration::from_secs(15);

async fn playing() -> (Roles, Party) {
    let surroundings = Surroundings::start(Setting::with(&[Title::TenBit])).await;
    let roles = Roles::start(surroundings).await;
    let party = Party::create(&roles.api, 111).await;
    party.play_title(&roles.surroundings, Title::TenBit).await;
    (roles, party)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_killed_and_started_again_goes_on_at_the_same_second() {
    let (mut roles, party) = playing().await;
    party.seek(40.0).await.expect_code(200);
    let ears = party.ears(&roles.surroundings.discord);
    let since = Instant::now();
    ears.seconds(since, 3, SOON).await;
    let children = descendants(roles.worker.pid());
    assert!(!ffmpegs(roles.worker.pid()).is_empty());

    roles.worker.kill().await;
    let last = ears.last_sound(since).unwrap();
    let was = ears.end_of_sound(last);
    until(
        "the worker's children to be gone",
        Duration::from_secs(2),
        async || {
            let left = children.iter().filter(|child| is_running(child.pid));
            (left.count() == 0).then_some(())
        },
    )
    .await;
    let lost = party.becomes_so("not connected", SOON, |status| {
        status.text_of("workerStatus") != "connected"
    });
    let lost = lost.await;
    println!("without a worker: {}", lost.text);
    assert_eq!(
        lost.text_of("workerStatus"),
        "reconnecting",
        "{}",
        lost.text
    );

    roles.start_worker_again();
    let ears = party.ears(&roles.surroundings.discord);
    let (begun_at, begun) = ears
        .start_of_sound(last + Duration::from_millis(100), was, SOON)
        .await;
    println!(
        "ended at {was:.3} s, went on at {begun:.3} s after {} ms",
        (begun_at - last).as_millis()
    );
    assert!(
        (begun - was).abs() <= 1.0,
        "positions are reported four times a second"
    );
    let status = party.becomes("playing", SOON).await;
    assert_eq!(
        status.text_of("workerStatus"),
        "connected",
        "{}",
        status.text
    );
    assert!(ears.apart_from(&status).await.abs() <= 0.25);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_leaves_no_ffmpeg() {
    let (roles, party) = playing().await;
    assert!(!ffmpegs(roles.worker.pid()).is_empty());
    party.control("stop").await.expect_code(200);
    until("no ffmpeg to run", Duration::from_secs(3), async || {
        ffmpegs(roles.worker.pid()).is_empty().then_some(())
    })
    .await;
}
