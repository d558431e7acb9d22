//! Accounts against a simulated Discord: the connection's whole life, from the outside.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use discord_sim::{ChannelId, ClosedBy, DiscordSim, DiscordSimConfig, Fault, GuildId, RecordEvent};
use orb_accounts::{
    AccountConfig, AccountEvent, AccountId, AccountTiming, Accounts, Error, GatewaySession,
    Shutdown, VoiceCredentials,
};
use secrecy::ExposeSecret;
use tokio::{sync::mpsc, time::timeout};

/// One of the guilds that the simulator announces; others come to be when they are joined.
const GUILD: u64 = 900_000_000_000_000_001;
const CHANNEL: u64 = 31;
const OTHER_CHANNEL: u64 = 32;

/// Far above everything that is waited for; a second IDENTIFY waits 5 s, as Discord demands.
const PATIENCE: Duration = Duration::from_secs(20);

async fn sim(config: DiscordSimConfig) -> DiscordSim {
    let _ = tracing_subscriber::fmt().with_test_writer().try_init();
    DiscordSim::start(config).await.unwrap()
}

fn config(sim: &DiscordSim) -> AccountConfig {
    AccountConfig {
        token: sim.bot_token().into(),
        api_url: Some(sim.api_url()),
        resume: None,
        held: Vec::new(),
    }
}

/// A connected account and everything that it told.
struct Bot {
    accounts: Accounts,
    id: AccountId,
    events: mpsc::Receiver<AccountEvent>,
    told: Vec<AccountEvent>,
    /// As a scheduler would store it.
    stored: Option<GatewaySession>,
}

impl Bot {
    async fn connect(config: AccountConfig) -> Self {
        Self::connect_with(config, AccountTiming::default()).await
    }

    async fn connect_with(config: AccountConfig, timing: AccountTiming) -> Self {
        let (sender, events) = mpsc::channel(64);
        let accounts = Accounts::connect(vec![config], timing, sender)
            .await
            .unwrap();
        Self {
            id: accounts.ids()[0],
            accounts,
            events,
            told: Vec::new(),
            stored: None,
        }
    }

    /// Reads events until `wanted` picks one.
    async fn until<T>(&mut self, what: &str, wanted: impl Fn(&AccountEvent) -> Option<T>) -> T {
        let found = timeout(PATIENCE, async {
            loop {
                let event = self.events.recv().await.expect("the account has not ended");
                if let AccountEvent::Progress { session, .. } = &event {
                    self.stored = Some(session.clone());
                }
                let found = wanted(&event);
                self.told.push(event);
                if let Some(found) = found {
                    return found;
                }
            }
        });
        let Ok(found) = found.await else {
            panic!("no {what}, but {:#?}", self.told);
        };
        found
    }

    async fn ready(&mut self) -> bool {
        let ready = |event: &AccountEvent| match event {
            AccountEvent::Ready { resumed, .. } => Some(*resumed),
            _ => None,
        };
        self.until("ready", ready).await
    }

    async fn credentials(&mut self) -> VoiceCredentials {
        let credentials = |event: &AccountEvent| match event {
            AccountEvent::Credentials { credentials, .. } => Some(credentials.clone()),
            _ => None,
        };
        self.until("credentials", credentials).await
    }

    /// Whether the leave was asked for.
    async fn left(&mut self) -> bool {
        let left = |event: &AccountEvent| match event {
            AccountEvent::Left { asked, .. } => Some(*asked),
            _ => None,
        };
        self.until("left", left).await
    }

    async fn lost(&mut self) -> Option<Error> {
        let lost = |event: &AccountEvent| match event {
            AccountEvent::Disconnected { fatal, .. } => Some(fatal.clone()),
            _ => None,
        };
        self.until("disconnected", lost).await
    }

    /// The next progress, which covers everything that was told before.
    async fn progress(&mut self) -> GatewaySession {
        let progress = |event: &AccountEvent| match event {
            AccountEvent::Progress { session, .. } => Some(session.clone()),
            _ => None,
        };
        self.until("progress", progress).await
    }

    async fn join(&mut self, channel: u64) -> VoiceCredentials {
        self.accounts.join(self.id, GUILD, channel).await.unwrap();
        self.credentials().await
    }

    fn has_left(&self) -> bool {
        let mut told = self.told.iter();
        told.any(|event| matches!(event, AccountEvent::Left { .. }))
    }
}

/// A bot that is in [`CHANNEL`].
async fn seated(sim: &DiscordSim) -> (Bot, VoiceCredentials) {
    let mut bot = Bot::connect(config(sim)).await;
    assert!(!bot.ready().await, "a new session");
    let credentials = bot.join(CHANNEL).await;
    (bot, credentials)
}

fn identifies(sim: &DiscordSim) -> usize {
    count(sim, |event| {
        matches!(event, RecordEvent::GatewayIdentify { .. })
    })
}

fn count(sim: &DiscordSim, wanted: impl Fn(&RecordEvent) -> bool) -> usize {
    sim.record()
        .iter()
        .filter(|entry| wanted(&entry.event))
        .count()
}

async fn recorded(sim: &DiscordSim, what: &str, wanted: impl Fn(&RecordEvent) -> bool) {
    let seen = timeout(PATIENCE, async {
        while count(sim, &wanted) == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    assert!(seen.await.is_ok(), "no {what} in {:#?}", sim.record());
}

#[tokio::test]
async fn joins_a_channel_and_leaves_it() {
    let sim = sim(DiscordSimConfig::default()).await;
    let (mut bot, credentials) = seated(&sim).await;
    assert_eq!(bot.id.0, sim.bot_user().0);
    assert_eq!(credentials.user_id, sim.bot_user().0);
    assert_eq!(
        (credentials.guild_id, credentials.channel_id),
        (GUILD, CHANNEL)
    );
    assert_eq!(credentials.endpoint, sim.voice_endpoints()[0].to_string());
    assert!(credentials.voice_session_id.starts_with("voice-"));
    assert!(!credentials.token.expose_secret().is_empty());

    bot.accounts.leave(bot.id, GUILD).await.unwrap();
    assert!(bot.left().await, "asked");
    assert_eq!(identifies(&sim), 1);
    let refused = |event: &RecordEvent| matches!(event, RecordEvent::RestRefused { .. });
    assert_eq!(count(&sim, refused), 0);
}

#[tokio::test]
async fn a_leave_and_the_next_join_at_once() {
    let sim = sim(DiscordSimConfig::default()).await;
    let (mut bot, first) = seated(&sim).await;
    bot.accounts.leave(bot.id, GUILD).await.unwrap();
    let second = bot.join(OTHER_CHANNEL).await;
    assert_eq!(second.channel_id, OTHER_CHANNEL);
    assert_ne!(first.token.expose_secret(), second.token.expose_secret());
    let lefts: Vec<_> = bot
        .told
        .iter()
        .filter(|e| matches!(e, AccountEvent::Left { .. }))
        .collect();
    assert!(
        matches!(lefts[..], [AccountEvent::Left { asked: true, .. }]),
        "{lefts:?}"
    );
}

#[tokio::test]
async fn moved_then_on_another_server_then_kicked() {
    let sim = sim(DiscordSimConfig::default()).await;
    let (mut bot, _) = seated(&sim).await;
    let (guild, user) = (GuildId(GUILD), None);

    let channel = ChannelId(OTHER_CHANNEL);
    sim.fault(&Fault::Move {
        guild,
        user,
        channel,
    })
    .unwrap();
    let moved = |event: &AccountEvent| match event {
        AccountEvent::Moved { channel_id, .. } => Some(*channel_id),
        _ => None,
    };
    assert_eq!(bot.until("moved", moved).await, OTHER_CHANNEL);
    assert_eq!(bot.credentials().await.channel_id, OTHER_CHANNEL);

    let (listener, close) = (1, None);
    sim.fault(&Fault::MoveServer {
        guild,
        user,
        listener,
        close,
    })
    .unwrap();
    assert_eq!(
        bot.credentials().await.endpoint,
        sim.voice_endpoints()[1].to_string()
    );

    sim.fault(&Fault::Kick { guild, user }).unwrap();
    assert!(!bot.left().await, "not asked");
}

#[tokio::test]
async fn counts_who_listens() {
    let sim = sim(DiscordSimConfig::default()).await;
    let (mut bot, _) = seated(&sim).await;
    let audience = |event: &AccountEvent| match event {
        AccountEvent::Audience { listeners, .. } => Some(*listeners),
        _ => None,
    };
    let told: Vec<_> = bot.told.iter().filter_map(audience).collect();
    let listeners = match told.last() {
        Some(listeners) => *listeners,
        None => bot.until("audience", audience).await,
    };
    assert_eq!(
        listeners, 1,
        "the simulator's listening member, and not the bot"
    );
}

#[tokio::test]
async fn a_dropped_socket_is_resumed() {
    let sim = sim(DiscordSimConfig::default()).await;
    let (mut bot, before) = seated(&sim).await;
    for fault in [
        Fault::DropGateway { user: None },
        Fault::Reconnect { user: None },
    ] {
        assert_eq!(sim.fault(&fault).unwrap(), 1);
        assert_eq!(bot.lost().await, None, "not fatal");
        assert!(bot.ready().await, "resumed");
    }
    let (guild, user, listener, close) = (GuildId(GUILD), None, 1, None);
    sim.fault(&Fault::MoveServer {
        guild,
        user,
        listener,
        close,
    })
    .unwrap();
    let after = bot.credentials().await;
    assert_eq!(after.voice_session_id, before.voice_session_id);
    assert!(!bot.has_left());
    assert_eq!(identifies(&sim), 1);
}

#[tokio::test]
async fn an_invalid_session_is_identified_anew_and_joined_again() {
    let sim = sim(DiscordSimConfig::default()).await;
    let (mut bot, before) = seated(&sim).await;
    let (user, resumable) = (None, false);
    sim.fault(&Fault::InvalidSession { user, resumable })
        .unwrap();
    assert_eq!(bot.lost().await, None, "not fatal");
    assert!(!bot.ready().await, "a new session");
    let after = bot.credentials().await;
    assert_eq!(after.channel_id, CHANNEL);
    assert_ne!(after.voice_session_id, before.voice_session_id);
    assert!(!bot.has_left(), "the old session's end is no kick");
}

#[tokio::test]
async fn fresh_credentials_where_discord_repeats_none() {
    let sim = sim(DiscordSimConfig {
        same_channel_server_update: false,
        ..DiscordSimConfig::default()
    })
    .await;
    let timing = AccountTiming {
        voice_event_wait: Duration::from_millis(300),
        ..AccountTiming::default()
    };
    let mut bot = Bot::connect_with(config(&sim), timing).await;
    bot.ready().await;
    let before = bot.join(CHANNEL).await;
    bot.accounts.refresh(bot.id, GUILD).await.unwrap();
    let after = bot.credentials().await;
    assert_ne!(before.token.expose_secret(), after.token.expose_secret());
    assert!(!bot.has_left(), "out and in again is nobody's business");
}

#[tokio::test]
async fn a_token_that_rest_refuses_is_named() {
    let sim = sim(DiscordSimConfig {
        tokens: vec!["good".into()],
        ..DiscordSimConfig::default()
    })
    .await;
    let bad = AccountConfig {
        token: "bad".into(),
        ..config(&sim)
    };
    let (events, _told) = mpsc::channel(8);
    let configs = vec![config(&sim), bad];
    let error = Accounts::connect(configs, AccountTiming::default(), events)
        .await
        .unwrap_err();
    assert_eq!(error, Error::TokenRefused { number: 2 });
    assert!(
        error
            .to_string()
            .starts_with("ORB_DISCORD_TOKENS: token number 2 was refused")
    );
    assert_eq!(identifies(&sim), 0);
}

#[tokio::test]
async fn one_account_twice_is_refused() {
    let sim = sim(DiscordSimConfig::default()).await;
    let (events, _told) = mpsc::channel(8);
    let configs = vec![config(&sim), config(&sim)];
    let error = Accounts::connect(configs, AccountTiming::default(), events)
        .await
        .unwrap_err();
    let (first, second) = (1, 2);
    assert_eq!(error, Error::SameAccount { first, second });
}

#[tokio::test]
async fn nobody_there_is_worth_another_try() {
    // Bound and dropped: nothing listens on this port.
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let config = AccountConfig {
        token: "hush-hush".into(),
        api_url: Some(format!("http://{closed}")),
        resume: None,
        held: Vec::new(),
    };
    let (events, _told) = mpsc::channel(8);
    let error = Accounts::connect(vec![config], AccountTiming::default(), events)
        .await
        .unwrap_err();
    assert_eq!(error.code(), "discord_unreachable");
    assert!(error.is_retryable());
    assert!(!format!("{error} {error:?}").contains("hush"));
}

#[tokio::test]
async fn fatal_close_codes_end_the_account() {
    let table = [
        (4004, "discord_token_refused"),
        (4013, "discord_gateway_closed"),
        (4014, "discord_gateway_closed"),
    ];
    for (code, expected) in table {
        let sim = sim(DiscordSimConfig::default()).await;
        let (times, close) = (1, Some(code));
        sim.fault(&Fault::RefuseIdentify { times, close }).unwrap();
        let mut bot = Bot::connect(config(&sim)).await;
        let fatal = bot.lost().await.expect("fatal");
        assert_eq!(fatal.code(), expected, "{code}");
        assert!(!fatal.is_retryable());
        let closed = timeout(PATIENCE, bot.events.recv()).await.unwrap();
        assert!(closed.is_none(), "the task has ended: {closed:?}");
        let refused = bot.accounts.join(bot.id, GUILD, CHANNEL).await;
        assert_eq!(refused, Err(Error::Closed(bot.id)));
        assert_eq!(identifies(&sim), 1, "it is not tried again");
    }
}

#[tokio::test]
async fn calls_for_nobody_are_refused() {
    let sim = sim(DiscordSimConfig::default()).await;
    let bot = Bot::connect(config(&sim)).await;
    let stranger = AccountId(1);
    let refused = bot.accounts.join(stranger, GUILD, CHANNEL).await;
    assert_eq!(refused, Err(Error::UnknownAccount(stranger)));
    assert_eq!(bot.accounts.leave(bot.id, 0).await, Err(Error::InvalidId));
}

/// What a successor is given: the stored session and the stored credentials.
fn successor(sim: &DiscordSim, stored: GatewaySession, held: VoiceCredentials) -> AccountConfig {
    AccountConfig {
        resume: Some(stored),
        held: vec![held],
        ..config(sim)
    }
}

#[tokio::test]
async fn a_successor_resumes_what_a_dead_process_stored() {
    let sim = sim(DiscordSimConfig::default()).await;
    let (mut first, held) = seated(&sim).await;
    let stored = first.progress().await;
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

    let mut second = Bot::connect(successor(&sim, stored, held.clone())).await;
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

    let mut second = Bot::connect(successor(&sim, stored, held.clone())).await;
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
    let mut second = Bot::connect(successor(&sim, stored, held)).await;
    assert!(second.ready().await, "resumed");
    let replayed = |event: &RecordEvent| matches!(event, RecordEvent::GatewayResume { replayed, .. } if *replayed > 0);
    assert_eq!(
        count(&sim, replayed),
        0,
        "the last progress covered everything"
    );
}

#[tokio::test]
async fn a_shutdown_for_good_leaves_the_channels() {
    let sim = sim(DiscordSimConfig::default()).await;
    let (mut bot, _) = seated(&sim).await;
    bot.accounts.shutdown(Shutdown::Leave).await;
    assert!(bot.left().await, "asked");
    let goodbye = |event: &RecordEvent| {
        matches!(
            event,
            RecordEvent::GatewayClosed {
                code: Some(1000),
                ..
            }
        )
    };
    recorded(&sim, "close with 1000", goodbye).await;
    let refused = bot.accounts.leave(bot.id, GUILD).await;
    assert_eq!(refused, Err(Error::Closed(bot.id)));
}

#[tokio::test]
async fn commands_are_taken_in_while_nobody_reads_the_events() {
    let sim = sim(DiscordSimConfig::default()).await;
    let (sender, mut events) = mpsc::channel(1);
    let configs = vec![config(&sim)];
    let accounts = Accounts::connect(configs, AccountTiming::default(), sender)
        .await
        .unwrap();
    let id = accounts.ids()[0];
    // More than the account's queue holds, while it waits for room for its second event.
    let joins = timeout(PATIENCE, async {
        for guild in 1..=600 {
            accounts.join(id, guild, CHANNEL).await.unwrap();
        }
    });
    assert!(
        joins.await.is_ok(),
        "the account stopped taking commands in"
    );

    let mut joined = 0;
    let read = timeout(PATIENCE, async {
        while joined < 90 {
            let event = events.recv().await.unwrap();
            joined += usize::from(matches!(event, AccountEvent::Credentials { .. }));
        }
    });
    assert!(read.await.is_ok(), "only {joined} were joined");
    let requests = |event: &RecordEvent| matches!(event, RecordEvent::VoiceStateRequest { .. });
    assert!(
        count(&sim, requests) <= 100,
        "Discord allows 120 commands a minute, heartbeats included"
    );
}
