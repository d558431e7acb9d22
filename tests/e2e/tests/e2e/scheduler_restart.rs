//! Schedulers come and go; the party goes on, and what was acknowledged is true.

use std::time::{Duration, Instant};

use discord_sim::DiscordSimConfig;
use orb_e2e::{
    Answer, Installation, OrbProcess, Party, Roles, Setting, Surroundings, Title, entry, until,
};
use serde_json::{Value, json};

const GUILD: u64 = 111;

/// For anything that opens a file and starts an encoder, on a busy machine.
const SOON: Duration = Duration::from_secs(10);

/// The most that the status and the member may be apart.
const TOLERANCE: f64 = 0.25;

/// How long Discord keeps a main gateway session whose socket is gone. Its end must not be heard either.
const RESUME_WINDOW: Duration = Duration::from_secs(8);

async fn surroundings() -> Surroundings {
    Surroundings::start(Setting {
        discord: DiscordSimConfig {
            resume_window: RESUME_WINDOW,
            ..DiscordSimConfig::default()
        },
        ..Setting::default()
    })
    .await
}

async fn playing() -> (Roles, Party) {
    let roles = Roles::start(surroundings().await).await;
    let party = Party::playing(&roles.api, &roles.surroundings, GUILD).await;
    (roles, party)
}

/// A call that is made again, with its key, until it is answered with 200; and the first answer.
async fn retried(party: &Party, roles: &Roles, body: &Value, key: &str) -> Answer {
    until("a retried call to be 200", 2 * SOON, async || {
        let answer = roles.api.post_once(&party.path("control"), body, key).await;
        match answer.code {
            200 => Some(answer),
            202 => None,
            503 => {
                assert!(answer.retry_after.is_some(), "{}", answer.text);
                None
            }
            _ => panic!("answer: {}", answer.text),
        }
    })
    .await
}

/// The scheduler ends by `end` while a film plays, and comes back.
async fn the_party_goes_on(end: impl AsyncFn(&mut OrbProcess)) {
    let (mut roles, party) = playing().await;
    let began = Instant::now();

    // Acknowledged a moment before.
    let sought = party.seek(60.0).await.expect_code(200);
    let other = Party::create(&roles.api, GUILD + 1).await;
    end(&mut roles.scheduler).await;
    println!("the scheduler is gone");

    // Away: an honest refusal, in time.
    let seek = json!({"action": "seek", "positionSeconds": 90});
    let control = party.path("control");
    let refused = roles.api.post_once(&control, &seek, "seek-90").await;
    println!(
        "away: {} after {:?}: {}",
        refused.code,
        refused.took(),
        refused.text
    );
    refused.expect_problem(503, "scheduler_unavailable");
    assert!(refused.retry_after.is_some());
    assert!(refused.took() < Duration::from_secs(10));
    let ready = roles.api.get("/readyz").await;
    assert_eq!(ready.code, 503, "{}", ready.text);

    roles.start_scheduler_again().await;
    println!("the scheduler is back");
    let status = until("GET to be 200", SOON, async || {
        let answer = roles.api.get(&format!("/sessions/{}", party.id())).await;
        (answer.code == 200).then_some(answer)
    })
    .await;
    println!("at once: {}", status.text);
    assert_eq!(status.text_of("endReason"), "", "{}", status.text);
    roles
        .api
        .get(&format!("/sessions/{}", other.id()))
        .await
        .expect_code(200);

    // It is known again whose the session is, and the old gateway session ends.
    party
        .becomes_so("connected and playing", 2 * SOON, |status| {
            status.text_of("workerStatus") == "connected"
                && status.text_of("playbackState") == "playing"
        })
        .await;
    let ears = party.ears(&roles.surroundings.discord);
    party.assert_in_step(&ears).await;
    let back = Instant::now();
    ears.seconds(back, RESUME_WINDOW.as_secs() as usize + 4, 3 * SOON)
        .await;
    let (since, _) = ears.start_of_sound(sought.asked, 60.0, SOON).await;
    assert!(since > began);
    ears.assert_unbroken(since + Duration::from_millis(20));
    party.assert_in_step(&ears).await;

    // The retry of the refused call has one effect, however often it comes.
    let done = retried(&party, &roles, &seek, "seek-90").await;
    let (_, begun) = ears.start_of_sound(done.asked, 90.0, SOON).await;
    assert!(
        (begun - 90.0).abs() <= TOLERANCE,
        "it began at {begun:.3} s"
    );
    let again = retried(&party, &roles, &seek, "seek-90").await;
    assert!(again.position() > 91.0, "{}", again.text);

    let paused = party.control("pause").await.expect_code(200);
    assert_eq!(paused.text_of("playbackState"), "paused");
    party.control("resume").await.expect_code(200);
    party.assert_in_step(&ears).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scheduler_that_is_killed() {
    the_party_goes_on(async |scheduler| scheduler.kill().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scheduler_that_is_asked_to_stop() {
    the_party_goes_on(async |scheduler| {
        scheduler.terminate();
        let ended = scheduler.ended(SOON).await;
        assert!(ended.success(), "{ended}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_a_moment_before_is_done_afterwards() {
    let mut roles = Roles::start(surroundings().await).await;
    let party = Party::create(&roles.api, GUILD).await;
    // No waiting for the worker: the answer to the play may be under way when the scheduler dies.
    let play = entry(&roles.surroundings, 1, Title::Clock);
    let (api, path) = (roles.api.clone(), party.path("play"));
    let body = play.clone();
    let call = tokio::spawn(async move { api.post_once(&path, &body, "play-1").await });
    party
        .becomes_so("the play to be stored", SOON, |status| {
            status.body["queueEntryId"] == 1
        })
        .await;
    roles.scheduler.kill().await;
    roles.start_scheduler_again().await;
    // Repeated by the gateway itself, or by its caller.
    let first = call.await.unwrap();
    println!("the call that was cut: {} {}", first.code, first.text);
    assert!(matches!(first.code, 200 | 202 | 503), "{}", first.text);
    party
        .becomes_so("playing", 2 * SOON, |status| {
            status.text_of("playbackState") == "playing"
        })
        .await;
    let ears = party.ears(&roles.surroundings.discord);
    ears.seconds(Instant::now(), 2, SOON).await;
    let again = roles
        .api
        .post_once(&party.path("play"), &play, "play-1")
        .await;
    assert_eq!(again.code, 200, "{}", again.text);
    party.assert_in_step(&ears).await;
}

/// `orb up` ends by `end` while a film plays, and is started again with its database.
async fn the_party_is_taken_up_again(end: impl AsyncFn(&mut OrbProcess)) {
    let mut orb = Installation::up(surroundings().await).await;
    let party = Party::create(&orb.api, GUILD).await;
    party.play_title(&orb.surroundings, Title::Clock).await;
    party.seek(30.0).await.expect_code(200);
    // Long enough for a position to be stored that is not the seek's.
    let since = Instant::now();
    party
        .ears(&orb.surroundings.discord)
        .seconds(since, 4, SOON)
        .await;

    end(&mut orb.orb).await;
    let ears = party.ears(&orb.surroundings.discord);
    let last = ears.last_sound(since).unwrap();
    let was = ears.end_of_sound(last);
    orb.start_again().await;
    let party = party.at(&orb.api);
    let status = party.becomes("playing", SOON).await;
    let ears = party.ears(&orb.surroundings.discord);
    let (begun_at, begun) = ears
        .start_of_sound(last + Duration::from_millis(100), was, SOON)
        .await;
    println!(
        "ended at {was:.3} s, went on at {begun:.3} s after {} ms: {}",
        (begun_at - last).as_millis(),
        status.text
    );
    assert!((begun - was).abs() <= 2.0);
    party.assert_in_step(&ears).await;
    party.control("pause").await.expect_code(200);
    party.seek(100.0).await.expect_code(200);

    // Paused it stays paused, where it was.
    end(&mut orb.orb).await;
    orb.start_again().await;
    let party = party.at(&orb.api);
    let paused = party.becomes("paused", SOON).await;
    assert!((paused.position() - 100.0).abs() < 0.1, "{}", paused.text);
    let resume = party.control("resume").await.expect_code(200);
    let ears = party.ears(&orb.surroundings.discord);
    let (_, begun) = ears.start_of_sound(resume.asked, 100.0, SOON).await;
    assert!(
        (begun - 100.0).abs() <= TOLERANCE,
        "it went on at {begun:.3} s"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn orb_up_that_is_killed() {
    the_party_is_taken_up_again(async |orb| orb.kill().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn orb_up_that_is_asked_to_stop() {
    the_party_is_taken_up_again(async |orb| {
        orb.terminate();
        let ended = orb.ended(SOON).await;
        assert!(ended.success(), "{ended}");
    })
    .await;
}
