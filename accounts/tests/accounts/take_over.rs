//! Another process goes on with an account: after a crash, after a hand-over, after too long.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use crate::support::*;
use discord_sim::{ClosedBy, DiscordSim, DiscordSimConfig, Fault, GuildId, RecordEvent};
use orb_accounts::{
    AccountConfig, AccountEvent, AccountId, AccountTiming, GatewaySession, Permission,
    RestoredAccount, Shutdown, VoiceCredentials,
};
use secrecy::ExposeSecret;

/// Another process, given the stored session and the stored credentials.
async fn successor(
    sim: &DiscordSim,
    account: AccountId,
    session: GatewaySession,
    held: VoiceCredentials,
) -> Bot {
    let restored = RestoredAccount {
        account,
        sessions: vec![(WHOLE, session)],
        held: vec![held],
    };
    let always = Permission::always();
    Bot::connect_restored(
        config(sim),
        vec![restored],
        AccountTiming::default(),
        always,
    )
    .await
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

/// What a test grants and takes.
#[derive(Clone)]
struct Grant {
    holds: Arc<AtomicBool>,
    confirms: Arc<AtomicBool>,
}

impl Grant {
    fn new() -> Self {
        Self {
            holds: Arc::new(AtomicBool::new(true)),
            confirms: Arc::new(AtomicBool::new(true)),
        }
    }

    fn permission(&self) -> Permission {
        let Self { holds, confirms } = self.clone();
        Permission::new(
            move || holds.load(Ordering::Relaxed),
            move |_| confirms.load(Ordering::Relaxed),
        )
    }
}

#[tokio::test]
async fn a_connection_that_was_cut_comes_back_only_after_a_confirmation() {
    for account in [config, user_config] {
        comes_back_only_after_a_confirmation(account).await;
    }
}

async fn comes_back_only_after_a_confirmation(account: fn(&DiscordSim) -> AccountConfig) {
    let sim = sim(DiscordSimConfig::default()).await;
    let grant = Grant::new();
    let timing = AccountTiming::default();
    let mut bot =
        Bot::connect_restored(account(&sim), Vec::new(), timing, grant.permission()).await;
    assert!(!bot.ready().await);
    let connects = |event: &RecordEvent| {
        matches!(
            event,
            RecordEvent::GatewayIdentify { .. } | RecordEvent::GatewayResume { .. }
        )
    };
    grant.confirms.store(false, Ordering::Relaxed);
    sim.fault(&Fault::DropGateway { user: None }).unwrap();
    let lost =
        |event: &AccountEvent| matches!(event, AccountEvent::Disconnected { .. }).then_some(());
    bot.until("loss", lost).await;
    // A redial takes some milliseconds; this is far more than that.
    let quiet = bot.until("nothing", |_| None::<()>);
    assert!(
        tokio::time::timeout(Duration::from_millis(500), quiet)
            .await
            .is_err()
    );
    assert_eq!(count(&sim, connects), 1, "it has not come back");
    grant.confirms.store(true, Ordering::Relaxed);
    assert!(bot.ready().await, "resumed");
    assert_eq!(count(&sim, connects), 2);
}

#[tokio::test]
async fn without_permission_nothing_is_said_any_more() {
    for account in [config, user_config] {
        says_nothing_without_permission(account).await;
    }
}

async fn says_nothing_without_permission(account: fn(&DiscordSim) -> AccountConfig) {
    let sim = sim(DiscordSimConfig::default()).await;
    let grant = Grant::new();
    let timing = AccountTiming::default();
    let mut bot =
        Bot::connect_restored(account(&sim), Vec::new(), timing, grant.permission()).await;
    bot.ready().await;
    grant.holds.store(false, Ordering::Relaxed);
    // Whatever makes it look again: here a command.
    let _ = bot.accounts.join(bot.id, GUILD, CHANNEL, false).await;
    let cut = |event: &RecordEvent| {
        let by = ClosedBy::Client;
        matches!(event, RecordEvent::GatewayClosed { code: None, by: b, .. } if *b == by)
    };
    recorded(&sim, "end without a close frame", cut).await;
    let requests = |event: &RecordEvent| matches!(event, RecordEvent::VoiceStateRequest { .. });
    assert_eq!(count(&sim, requests), 0);
}
