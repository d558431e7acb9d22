//! The gate, between real processes: a worker whose lease is in doubt dials, identifies and resumes nothing, whatever
//! becomes of its connection, and sends on what is open.

use std::time::{Duration, Instant};

use discord_sim::{DiscordSimConfig, Displacement, Fault, GuildId, RecordEvent};
use orb_e2e::{Ears, OrbProcess, Party, Roles, Setting, Surroundings, until};

const GUILD: u64 = 111;

/// For anything that opens a file and starts an encoder, on a busy machine.
const SOON: Duration = Duration::from_secs(15);

/// Long enough for several tries of a driver that would not ask.
const WATCH: Duration = Duration::from_millis(1500);

async fn playing(displacement: Displacement) -> (Roles, Party) {
    let surroundings = Surroundings::start(Setting {
        discord: DiscordSimConfig {
            displacement,
            ..DiscordSimConfig::default()
        },
        ..Setting::default()
    })
    .await;
    let roles = Roles::start(surroundings).await;
    let party = Party::playing(&roles.api, &roles.surroundings, GUILD).await;
    (roles, party)
}

/// Dials, IDENTIFYs and RESUMEs on the voice side since.
fn attempts(roles: &Roles, since: Instant) -> Vec<RecordEvent> {
    let record = roles.surroundings.discord.record();
    record
        .into_iter()
        .filter(|entry| entry.at >= since)
        .map(|entry| entry.event)
        .filter(|event| {
            matches!(
                event,
                RecordEvent::VoiceDialled { .. }
                    | RecordEvent::VoiceIdentify { .. }
                    | RecordEvent::VoiceResume { .. }
            )
        })
        .collect()
}

fn identifies(attempts: &[RecordEvent]) -> usize {
    let identify = |event: &&RecordEvent| matches!(event, RecordEvent::VoiceIdentify { .. });
    attempts.iter().filter(identify).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_scheduler_a_cut_connection_is_not_dialled_and_sound_goes_on() {
    let (roles, party) = playing(Displacement::Close(4006)).await;
    let ears = party.ears(&roles.surroundings.discord);
    // The scheduler stands still: nobody can say whether the lease still holds.
    roles.scheduler.freeze().await;
    let since = Instant::now();
    let (guild, user) = (GuildId(GUILD), None);
    assert_eq!(
        roles
            .surroundings
            .discord
            .fault(&Fault::ResetVoice { guild, user })
            .unwrap(),
        1
    );
    tokio::time::sleep(WATCH).await;
    assert!(
        attempts(&roles, since).is_empty(),
        "{:?}",
        attempts(&roles, since)
    );
    // Sending goes on.
    ears.sound(Instant::now(), SOON).await;

    roles.scheduler.thaw();
    until("the connection to be resumed", SOON, async || {
        let resumed = attempts(&roles, since);
        let resume = |event: &RecordEvent| matches!(event, RecordEvent::VoiceResume { .. });
        resumed.iter().any(resume).then_some(())
    })
    .await;
    assert_eq!(identifies(&attempts(&roles, since)), 0);
    party
        .becomes_so("connected", SOON, |status| {
            status.text_of("workerStatus") == "connected"
        })
        .await;
}

/// Freezes the worker that plays until another one has the channel, wakes it up, and watches.
async fn wakes_up_after_its_successor(displacement: Displacement) {
    let (roles, party) = playing(displacement).await;
    let ears = party.ears(&roles.surroundings.discord);
    let successor: OrbProcess = roles.start_worker("worker-2");
    until("the second worker to be attached", SOON, async || {
        successor.log().contains("attached").then_some(())
    })
    .await;

    let frozen = Instant::now();
    roles.worker.freeze().await;
    let taken_over = until("the successor to identify", SOON, async || {
        (identifies(&attempts(&roles, frozen)) == 1).then(Instant::now)
    })
    .await;
    ears.sound(taken_over, SOON).await;
    let woken = Instant::now();
    roles.worker.thaw();
    tokio::time::sleep(2 * WATCH).await;
    let after = attempts(&roles, woken);
    assert!(
        after.is_empty(),
        "{displacement:?}: the worker that woke up did {after:?}"
    );
    assert_the_successor_plays(&ears, &party).await;
    println!(
        "{displacement:?}: taken over after {} ms",
        (taken_over - frozen).as_millis()
    );
}

async fn assert_the_successor_plays(ears: &Ears<'_>, party: &Party) {
    ears.sound(Instant::now(), SOON).await;
    party.assert_plays().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_wakes_up_leaves_the_channel_to_its_successor_when_it_was_closed() {
    wakes_up_after_its_successor(Displacement::Close(4006)).await;
    wakes_up_after_its_successor(Displacement::Close(1000)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_wakes_up_leaves_the_channel_to_its_successor_when_it_was_cut() {
    wakes_up_after_its_successor(Displacement::Reset).await;
    wakes_up_after_its_successor(Displacement::Silence).await;
}
