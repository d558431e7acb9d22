//! Another process goes on with an account: after a crash, after a hand-over, after too long.
#![allow(clippy::unwrap_used)]

mod support;

use std::time::Duration;

use discord_sim::{ClosedBy, DiscordSim, DiscordSimConfig, Fault, GuildId, RecordEvent};
use orb_accounts::{
    AccountEvent, AccountId, AccountTiming, GatewaySession, RestoredAccount, Shutdown,
    VoiceCredentials,
};
use secrecy::ExposeSecret;
use support::*;

/// Another process, given the stored session and the stored credentials.
async fn successor(
    sim: &DiscordSim,
    account: AccountId,
    session: GatewaySession,
    held: VoiceCredentials,
) -> Bot {
    let restored = RestoredAccount {
        account,
        session,
        held: vec![held],
    };
    Bot::connect_restored(config(sim), vec![restored], AccountTiming::default()).await
}

#[tokio::test]
async fn a_successor_resumes_what_a_dead_process_stored() {
    let sim = sim(DiscordSimConfig::default()).await;
    let (mut first, held) = seated(&sim).await;
    let stored = first.progress().await;
    let account = first.id;
    drop(first);
    let cut = |event: &RecordEvent| {
        let by = ClosedBy::Client;
        matches!(event, RecordEvent::GatewayClosed { code: None, by: b, .. } if *b == by)
    };
    recorded(&sim, "end without a close frame", cut).await;

    // What happens while nobody is connected is not lost.
    let (guild, user, listener, close) = (GuildId(GUILD), None, 1, None);
    sim.fault(&Fault::MoveServer {
        guild,
        user,
        listener,
        close,
    })
    .unwrap();

    let mut second = successor(&sim, account, stored, held.clone()).await;
    let replayed = second.credentials().await;
    assert_eq!(replayed.voice_session_id, held.voice_session_id);
    assert_eq!(replayed.endpoint, sim.voice_endpoints()[1].to_string());
    assert!(second.ready().await, "resumed");
    assert_eq!(identifies(&sim), 1, "by the first process only");

    let held_still = second.join(CHANNEL).await;
    assert_eq!(
        held_still.token.expose_secret(),
        replayed.token.expose_secret()
    );
    let requests = |event: &RecordEvent| matches!(event, RecordEvent::VoiceStateRequest { .. });
    assert_eq!(
        count(&sim, requests),
        1,
        "op 4 was sent by the first process only"
    );

    // Every guild's state is known by now: where the account is not, nothing has to be left.
    let elsewhere = GUILD + 1;
    second.accounts.leave(second.id, elsewhere).await.unwrap();
    assert!(second.left().await, "asked");
    assert_eq!(count(&sim, requests), 1);

    sim.fault(&Fault::Kick { guild, user }).unwrap();
    assert!(
        !second.left().await,
        "it owns the voice state, so it hears of the kick"
    );
}

#[tokio::test]
async fn a_successor_of_an_expired_session_joins_again() {
    let sim = sim(DiscordSimConfig {
        resume_window: Duration::from_millis(1),
        ..DiscordSimConfig::default()
    })
    .await;
    let (mut first, held) = seated(&sim).await;
    let stored = first.progress().await;
    first.accounts.shutdown(Shutdown::Abandon).await;
    let ended = |event: &RecordEvent| matches!(event, RecordEvent::GatewaySessionEnded { .. });
    recorded(&sim, "end of the session", ended).await;

    let mut second = successor(&sim, first.id, stored, held.clone()).await;
    assert!(!second.ready().await, "a new session");
    let after = second.credentials().await;
    assert_eq!(after.channel_id, CHANNEL);
    assert_ne!(after.voice_session_id, held.voice_session_id);
    assert!(!second.has_left());
}

#[tokio::test]
async fn a_planned_hand_over_keeps_the_session() {
    let sim = sim(DiscordSimConfig::default()).await;
    let (mut first, held) = seated(&sim).await;
    first.accounts.shutdown(Shutdown::HandOver).await;
    let tidy = |event: &RecordEvent| {
        matches!(
            event,
            RecordEvent::GatewayClosed {
                code: Some(4000),
                ..
            }
        )
    };
    recorded(&sim, "close with 4000", tidy).await;
    while let Some(event) = first.events.recv().await {
        if let AccountEvent::Progress { session, .. } = event {
            first.stored = Some(session);
        }
    }
    let stored = first.stored.unwrap();
    let mut second = successor(&sim, first.id, stored, held).await;
    assert!(second.ready().await, "resumed");
    let replayed = |event: &RecordEvent| matches!(event, RecordEvent::GatewayResume { replayed, .. } if *replayed > 0);
    assert_eq!(
        count(&sim, replayed),
        0,
        "the last progress covered everything"
    );
}
