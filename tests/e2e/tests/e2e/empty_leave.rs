//! A party without anybody: the bot leaves, and its account is free for the next one.

use std::time::{Duration, Instant};

use discord_sim::{Fault, GuildId, RecordEvent};
use orb_e2e::{Installation, Party, Setting, Surroundings, until};
use serde_json::json;

const GUILD: u64 = 111;

/// For anything that opens a file and starts an encoder, on a busy machine.
const SOON: Duration = Duration::from_secs(15);

/// In place of two minutes.
const EMPTY_LEAVE: Duration = Duration::from_secs(3);

async fn playing() -> (Installation, Party) {
    let surroundings = Surroundings::start(Setting::default()).await;
    let environment = surroundings.environment().with(
        "ORB_TIMING__EMPTY_LEAVE",
        format!("{}s", EMPTY_LEAVE.as_secs()),
    );
    let orb = Installation::up_with(surroundings, environment).await;
    let party = Party::playing(&orb.api, &orb.surroundings, GUILD).await;
    (orb, party)
}

fn listeners(orb: &Installation, here: bool) -> Instant {
    let guild = GuildId(GUILD);
    let fault = if here {
        Fault::ListenersReturn { guild }
    } else {
        Fault::ListenersLeave { guild }
    };
    assert_eq!(orb.surroundings.discord.fault(&fault).unwrap(), 1);
    Instant::now()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_without_anybody_is_left_and_its_account_is_free() {
    let (orb, party) = playing().await;
    let since = listeners(&orb, false);
    let status = party.becomes("stopped", EMPTY_LEAVE + SOON).await;
    assert!(
        since.elapsed() >= EMPTY_LEAVE,
        "after {:?}",
        since.elapsed()
    );
    assert_eq!(status.text_of("endReason"), "stopped");
    let left = until("the bot to leave", SOON, async || {
        let record = orb.surroundings.discord.record().into_iter();
        let leave = |event: &RecordEvent| {
            matches!(event, RecordEvent::VoiceStateRequest { guild, channel: None, .. } if guild.0 == GUILD)
        };
        record.map(|entry| entry.event).find(leave)
    })
    .await;
    println!("{left:?}");
    // There is one account: another party in this guild needs it.
    let body = json!({
        "sessionId": "next", "guildId": GUILD.to_string(), "voiceChannelId": "457", "textChannelId": "789",
    });
    until("the account to be free", SOON, async || {
        (orb.api.post("/sessions", &body).await.code == 201).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_who_comes_back_in_time_finds_the_party_going_on() {
    let (orb, party) = playing().await;
    let began = Instant::now();
    for _ in 0..3 {
        listeners(&orb, false);
        tokio::time::sleep(EMPTY_LEAVE / 2).await;
        listeners(&orb, true);
    }
    // Longer than an absence that was not counted from its own beginning would have been allowed.
    tokio::time::sleep(EMPTY_LEAVE).await;
    let ears = party.ears(&orb.surroundings.discord);
    ears.assert_unbroken(began);
    party.assert_in_step(&ears).await;
}
