//! A worker that is about to go hands its parties over, and nobody in the channel notices much.

use std::time::{Duration, Instant};

use discord_sim::RecordEvent;
use orb_e2e::{Ears, OrbProcess, Party, Roles, Setting, Surroundings, Title, until};

const GUILD: u64 = 111;

/// For anything that opens a file and starts an encoder, on a busy machine.
const SOON: Duration = Duration::from_secs(15);

/// What a member may miss while it changes hands: a debug build, on a machine that does other things. The bench has
/// the real bound.
const GAP: Duration = Duration::from_secs(1);

/// How far the film may be from where it would be.
const POSITION_ERROR: f64 = 0.25;

/// A party that plays on the first of two workers.
async fn two_workers() -> (Roles, OrbProcess, Party) {
    let surroundings = Surroundings::start(Setting::default()).await;
    let roles = Roles::start(surroundings).await;
    let party = Party::playing(&roles.api, &roles.surroundings, GUILD).await;
    let second = roles.start_worker("worker-2");
    attached(&second).await;
    (roles, second, party)
}

async fn attached(worker: &OrbProcess) {
    until("the worker to be attached", SOON, async || {
        worker.log().contains("attached").then_some(())
    })
    .await;
}

/// Channels that the bot asked to be in since, none for leaving.
fn moves(roles: &Roles, since: Instant) -> Vec<String> {
    let record = roles.surroundings.discord.record();
    let asked = record.into_iter().filter(|entry| entry.at >= since);
    asked
        .filter_map(|entry| match entry.event {
            RecordEvent::VoiceStateRequest { channel, .. } => Some(format!("{channel:?}")),
            _ => None,
        })
        .collect()
}

/// The next worker's sound: when it began, and how far the film is from where the old one stopped.
async fn goes_on(ears: &Ears<'_>, since: Instant) -> (Duration, f64) {
    // Enough of it for two positions.
    ears.seconds(since + Duration::from_secs(1), 3, SOON).await;
    let (last, first) = ears.longest_hole(since);
    let was = ears.end_of_sound(last);
    let (_, begun) = ears
        .start_of_sound(last + Duration::from_millis(1), was, SOON)
        .await;
    let gap = first - last;
    println!(
        "ended at {was:.3} s, went on at {begun:.3} s, after {} ms",
        gap.as_millis()
    );
    (gap, begun - was)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_asked_to_go_hands_over_and_exits() {
    let (mut roles, second, party) = two_workers().await;
    let ears = party.ears(&roles.surroundings.discord);
    let since = Instant::now();
    roles.worker.terminate();
    let status = roles.worker.ended(SOON).await;
    assert_eq!(status.code(), Some(0), "{}", roles.worker.log());
    let gone_after = since.elapsed();

    let (gap, error) = goes_on(&ears, since).await;
    println!("drained in {} ms", gone_after.as_millis());
    assert!(gap <= GAP, "{gap:?}");
    assert!(error.abs() <= POSITION_ERROR, "{error:+.3} s");
    assert!(
        second.log().contains("goes on from what is warm"),
        "it was warm"
    );
    assert_eq!(
        moves(&roles, since),
        [""; 0],
        "the bot never left its channel"
    );
    let status = party.becomes("playing", SOON).await;
    assert_eq!(
        status.text_of("workerStatus"),
        "connected",
        "{}",
        status.text
    );
    assert!(ears.apart_from(&status).await.abs() <= POSITION_ERROR);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_party_is_handed_over_and_resumes_where_it_was() {
    let (mut roles, _second, party) = two_workers().await;
    let ears = party.ears(&roles.surroundings.discord);
    let since = Instant::now();
    party.control("pause").await.expect_code(200);
    roles.worker.terminate();
    let status = roles.worker.ended(SOON).await;
    assert_eq!(status.code(), Some(0));
    let status = party.becomes("paused", SOON).await;
    println!("paused at {:.3} s", status.position());
    let resumed = Instant::now();
    party.control("resume").await.expect_code(200);
    let (_, begun) = ears.start_of_sound(resumed, status.position(), SOON).await;
    assert!(
        (begun - status.position()).abs() <= POSITION_ERROR,
        "{begun:.3}"
    );
    assert_eq!(moves(&roles, since), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_with_nothing_on_it_exits_at_once_and_a_second_signal_waits_for_nothing() {
    let surroundings = Surroundings::start(Setting::default()).await;
    let mut roles = Roles::start(surroundings).await;
    attached(&roles.worker).await;
    let asked = Instant::now();
    roles.worker.terminate();
    assert_eq!(roles.worker.ended(SOON).await.code(), Some(0));
    println!("nothing to hand over: {} ms", asked.elapsed().as_millis());

    // Nobody else could take the party: it is kept for as long as a drain may take, unless somebody insists.
    roles.start_worker_again();
    let party = Party::create(&roles.api, GUILD).await;
    party.play_title(&roles.surroundings, Title::Clock).await;
    let ears = party.ears(&roles.surroundings.discord);
    roles.worker.terminate();
    until("the worker to drain", SOON, async || {
        roles.worker.log().contains("draining").then_some(())
    })
    .await;
    ears.seconds(Instant::now(), 2, SOON).await;
    roles.worker.terminate();
    assert_eq!(roles.worker.ended(SOON).await.code(), Some(0));
    let ended = ears.last_sound(asked).unwrap();

    roles.start_worker_again();
    let ears = party.ears(&roles.surroundings.discord);
    ears.sound(ended + Duration::from_millis(100), SOON).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_of_either_worker_in_the_middle_is_a_plain_take_over() {
    let (mut roles, second, party) = two_workers().await;
    let ears = party.ears(&roles.surroundings.discord);
    // The old one, while the next one warms up.
    let since = Instant::now();
    roles.worker.terminate();
    until("the next one to warm up", SOON, async || {
        second.log().contains("opening").then_some(())
    })
    .await;
    roles.worker.kill().await;
    let (gap, error) = goes_on(&ears, since).await;
    println!("the old one crashed: {} ms", gap.as_millis());
    assert!(error.abs() <= 1.0, "{error:+.3} s");
    assert_eq!(moves(&roles, since), [""; 0]);

    // The next one, while it warms up: the old one plays on until there is another.
    let mut next = roles.start_worker("worker-3");
    attached(&next).await;
    let since = Instant::now();
    second.terminate();
    until("the next one to warm up", SOON, async || {
        next.log().contains("opening").then_some(())
    })
    .await;
    next.kill().await;
    ears.seconds(since + Duration::from_secs(1), 2, SOON).await;
    let (from, to) = ears.longest_hole(since);
    println!("the next one crashed: {} ms", (to - from).as_millis());
    assert_eq!(moves(&roles, since), [""; 0]);
    party.becomes("playing", SOON).await;
}
