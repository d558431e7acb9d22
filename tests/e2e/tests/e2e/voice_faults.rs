//! What becomes of a party whose voice connection, or main gateway connection, is lost.

use std::time::{Duration, Instant};

use discord_sim::{ChannelId, DiscordSim, Fault, GuildId};
use orb_e2e::{Answer, Ears, Installation, Party, Setting, Surroundings, Title};
use serde_json::Value;

const GUILD: u64 = 111;

/// For anything that opens a file and starts an encoder, on a busy machine.
const SOON: Duration = Duration::from_secs(10);

/// A hole that nobody calls one: a busy machine makes some that long.
const UNHEARD: Duration = Duration::from_millis(500);

/// A new voice connection: credentials, TLS, DAVE. On a busy machine.
const JOINED_AGAIN: Duration = Duration::from_secs(3);

/// The leader gives Discord 5 s to say what a 4014 meant, then joins anew.
const JUDGED_AND_JOINED: Duration = Duration::from_secs(8);

/// How far the film may have gone on unheard: what was on its way when the connection was lost.
const SAME_SECOND: f64 = 0.25;

async fn playing() -> (Installation, Party) {
    let surroundings = Surroundings::start(Setting::with(&[Title::Clock])).await;
    let orb = Installation::up(surroundings).await;
    let party = Party::create(&orb.api, GUILD).await;
    party.play_title(&orb.surroundings, Title::Clock).await;
    let ears = party.ears(&orb.surroundings.discord);
    ears.seconds(Instant::now(), 2, SOON).await;
    (orb, party)
}

fn close(code: u16) -> Fault {
    Fault::CloseVoice {
        guild: GuildId(GUILD),
        user: None,
        code,
    }
}

/// Applies the fault, and gives all different statuses from then on until the member has heard two seconds of film
/// after a hole; says how long that was, and that the film went on where it was.
async fn lives_through(
    discord: &DiscordSim,
    party: &Party,
    fault: &Fault,
    longest: Duration,
) -> Vec<Answer> {
    let ears = party.ears(discord);
    let before = Instant::now();
    assert_eq!(discord.fault(fault).unwrap(), 1, "one connection was hit");
    let mut statuses: Vec<Answer> = Vec::new();
    let heard_again = loop {
        let status = party.status().await;
        let shown = |status: &Answer| {
            ["workerStatus", "playbackState", "lastError"].map(|field| status.body[field].clone())
        };
        if statuses.last().map(shown) != Some(shown(&status)) {
            println!(
                "{:>5} ms: {}",
                (status.answered - before).as_millis(),
                Value::from(shown(&status).to_vec())
            );
            statuses.push(status);
        }
        assert!(
            before.elapsed() < longest + SOON,
            "nothing was heard any more: {}",
            statuses.last().unwrap().text
        );
        if before.elapsed() > Duration::from_secs(3)
            && let Some(again) = heard_on(&ears, before)
        {
            break again;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    let (broke_off, went_on) = heard_again;
    let was = ears.end_of_sound(broke_off);
    let (_, is) = ears.start_of_sound(went_on, was, SOON).await;
    let gap = went_on - broke_off;
    println!(
        "{fault:?}: a gap of {} ms, broke off at {was:.3} s, went on at {is:.3} s",
        gap.as_millis()
    );
    let totals = discord.heard(GUILD).totals();
    println!("{totals:?}");
    assert!(gap <= longest, "a gap of {gap:?}");
    assert!((is - was).abs() <= SAME_SECOND, "not at the same second");
    assert_eq!(totals.in_the_clear, 0);
    statuses
}

/// The longest hole after `since`, when two seconds of film came after it.
fn heard_on(ears: &Ears<'_>, since: Instant) -> Option<(Instant, Instant)> {
    let before = since.checked_sub(Duration::from_secs(1)).unwrap();
    ears.last_sound(since)?;
    let (broke_off, went_on) = ears.longest_hole(before);
    (ears.numbers(went_on).len() >= 2).then_some((broke_off, went_on))
}

#[track_caller]
fn assert_reconnected(statuses: &[Answer]) {
    let said = |name: &str| {
        statuses
            .iter()
            .any(|one| one.text_of("workerStatus") == name)
    };
    assert!(said("reconnecting"), "the loss was to be seen");
    let last = statuses.last().unwrap();
    assert_eq!(last.text_of("workerStatus"), "connected", "{}", last.text);
    assert_eq!(last.text_of("playbackState"), "playing", "{}", last.text);
    assert_eq!(last.body["endReason"], Value::Null, "{}", last.text);
    let ended = |one: &&Answer| matches!(one.text_of("playbackState"), "ended" | "stopped");
    assert!(statuses.iter().find(ended).is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn closed_with_4006() {
    let (orb, party) = playing().await;
    let discord = &orb.surroundings.discord;
    let statuses = lives_through(discord, &party, &close(4006), JOINED_AGAIN).await;
    assert_reconnected(&statuses);
}

#[tokio::test(flavor = "multi_thread")]
async fn closed_with_4009() {
    let (orb, party) = playing().await;
    let discord = &orb.surroundings.discord;
    let statuses = lives_through(discord, &party, &close(4009), JOINED_AGAIN).await;
    assert_reconnected(&statuses);
}

#[tokio::test(flavor = "multi_thread")]
async fn closed_with_4015() {
    let (orb, party) = playing().await;
    let discord = &orb.surroundings.discord;
    let statuses = lives_through(discord, &party, &close(4015), JOINED_AGAIN).await;
    let last = statuses.last().unwrap();
    assert_eq!(last.text_of("workerStatus"), "connected", "{}", last.text);
    assert_eq!(last.text_of("playbackState"), "playing", "{}", last.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn closed_with_4014_and_nobody_says_why() {
    let (orb, party) = playing().await;
    let discord = &orb.surroundings.discord;
    let statuses = lives_through(discord, &party, &close(4014), JUDGED_AND_JOINED).await;
    assert_reconnected(&statuses);
}

#[tokio::test(flavor = "multi_thread")]
async fn kicked() {
    let (orb, party) = playing().await;
    let discord = &orb.surroundings.discord;
    let before = party.status().await;
    let kick = Fault::Kick {
        guild: GuildId(GUILD),
        user: None,
    };
    assert_eq!(discord.fault(&kick).unwrap(), 1);
    let stopped = party.becomes("stopped", SOON).await;
    println!(
        "{} ms: {}",
        (stopped.answered - before.answered).as_millis(),
        stopped.text
    );
    for status in [stopped, party.status().await] {
        assert!(
            status.text_of("lastError").contains("disconnected"),
            "{}",
            status.text
        );
        assert_eq!(status.text_of("endReason"), "stopped", "{}", status.text);
        assert!(
            status.position() >= before.position() - 0.1,
            "{}",
            status.text
        );
    }
    party
        .becomes_so("workerStatus disconnected", SOON, |status| {
            status.text_of("workerStatus") == "disconnected"
        })
        .await;
    // It comes back when it is asked to.
    party.play_title(&orb.surroundings, Title::Clock).await;
    let ears = party.ears(discord);
    ears.seconds(Instant::now(), 2, SOON).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn moved_to_another_channel() {
    let (orb, party) = playing().await;
    let discord = &orb.surroundings.discord;
    let elsewhere = ChannelId(4_567);
    let to = Fault::Move {
        guild: GuildId(GUILD),
        user: None,
        channel: elsewhere,
    };
    let statuses = lives_through(discord, &party, &to, JOINED_AGAIN).await;
    let last = statuses.last().unwrap();
    assert_eq!(last.text_of("workerStatus"), "connected", "{}", last.text);
    assert_eq!(last.text_of("playbackState"), "playing", "{}", last.text);
    let heard = discord.heard(GUILD);
    let open = heard.connections.iter().find(|one| one.closed_at.is_none());
    assert_eq!(open.unwrap().info.channel, elsewhere);
}

#[tokio::test(flavor = "multi_thread")]
async fn moved_to_another_voice_server() {
    let (orb, party) = playing().await;
    let discord = &orb.surroundings.discord;
    for (listener, close) in [(1, None), (0, Some(4014))] {
        let to = Fault::MoveServer {
            guild: GuildId(GUILD),
            user: None,
            listener,
            close,
        };
        let statuses = lives_through(discord, &party, &to, JOINED_AGAIN).await;
        let last = statuses.last().unwrap();
        assert_eq!(last.text_of("workerStatus"), "connected", "{}", last.text);
        assert_eq!(last.text_of("playbackState"), "playing", "{}", last.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_main_gateway_socket_is_not_heard() {
    let (orb, party) = playing().await;
    let discord = &orb.surroundings.discord;
    let ears = party.ears(discord);
    let before = Instant::now();
    assert_eq!(
        discord.fault(&Fault::DropGateway { user: None }).unwrap(),
        1
    );
    ears.seconds(before, 5, SOON).await;
    let (from, to) = ears.longest_hole(before);
    println!("longest hole {} ms", (to - from).as_millis());
    assert!(to - from <= UNHEARD);
    // The account is back: it can be asked for new credentials.
    let statuses = lives_through(discord, &party, &close(4006), JOINED_AGAIN).await;
    assert_reconnected(&statuses);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_main_gateway_session_is_joined_anew() {
    let (orb, party) = playing().await;
    let discord = &orb.surroundings.discord;
    let lost = Fault::InvalidSession {
        user: None,
        resumable: false,
    };
    // A client waits 1 to 5 s before it identifies anew (Discord, "Invalid Session").
    let statuses = lives_through(discord, &party, &lost, Duration::from_secs(10)).await;
    assert_reconnected(&statuses);
}
