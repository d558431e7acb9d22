//! One account against a simulated Discord: the connection's whole life, from the outside.

use std::time::Duration;

use crate::support::*;
use discord_sim::{ChannelId, DiscordSimConfig, Fault, GuildId, RecordEvent};
use orb_accounts::{
    AccountConfig, AccountEvent, AccountId, AccountKind, AccountTiming, Accounts, Error, Shutdown,
    TokenPlace,
};
use secrecy::ExposeSecret;
use tokio::{sync::mpsc, time::timeout};

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
        AccountEvent::Audience {
            channel_id,
            listeners,
            ..
        } => Some((*channel_id, *listeners)),
        _ => None,
    };
    // After the credentials, which `seated` has waited for.
    let told = bot.until("audience", audience).await;
    assert_eq!(
        told,
        (CHANNEL, 1),
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
async fn a_user_account_that_rest_refuses_is_left_out() {
    let sim = sim(DiscordSimConfig {
        tokens: vec!["good".into()],
        ..DiscordSimConfig::default()
    })
    .await;
    let (events, _told) = mpsc::channel(8);
    let bot = AccountConfig {
        token: "good".into(),
        ..config(&sim)
    };
    let banned = crate::support::user_config(&sim);
    let accounts = Accounts::connect(vec![banned, bot], AccountTiming::default(), events);
    let accounts = accounts.await.unwrap();
    let [bot] = accounts.ids()[..] else {
        panic!("{accounts:?}")
    };
    assert_eq!(accounts.kind(bot), Some(AccountKind::Bot));
}

#[tokio::test]
async fn one_account_twice_is_refused() {
    let sim = sim(DiscordSimConfig::default()).await;
    let (events, _told) = mpsc::channel(8);
    let configs = vec![config(&sim), config(&sim)];
    let error = Accounts::connect(configs, AccountTiming::default(), events)
        .await
        .unwrap_err();
    let [first, second] = [1, 2].map(|number| TokenPlace {
        kind: AccountKind::Bot,
        number,
    });
    assert_eq!(error, Error::SameAccount { first, second });
}

#[tokio::test]
async fn the_second_of_two_users_stands_second_in_the_list_of_users() {
    let sim = sim(DiscordSimConfig::default()).await;
    let (events, _told) = mpsc::channel(8);
    let user = crate::support::user_config(&sim);
    let configs = vec![config(&sim), user.clone(), user];
    let error = Accounts::connect(configs, AccountTiming::default(), events)
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "ORB_DISCORD__GOLIVE_TOKENS: token number 1 is of the same account as \
         ORB_DISCORD__GOLIVE_TOKENS: token number 2; keep one of the two"
    );
}

#[tokio::test]
async fn nobody_there_is_worth_another_try() {
    // Bound and dropped: nothing listens on this port.
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let config = AccountConfig {
        kind: AccountKind::Bot,
        token: "hush-hush".into(),
        api_url: Some(format!("http://{closed}")),
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
        let refused = bot.accounts.join(bot.id, GUILD, CHANNEL, false).await;
        assert_eq!(refused, Err(Error::Closed(bot.id)));
        assert_eq!(identifies(&sim), 1, "it is not tried again");
    }
}

#[tokio::test]
async fn calls_for_nobody_are_refused() {
    let sim = sim(DiscordSimConfig::default()).await;
    let bot = Bot::connect(config(&sim)).await;
    let stranger = AccountId(1);
    let refused = bot.accounts.join(stranger, GUILD, CHANNEL, false).await;
    assert_eq!(refused, Err(Error::UnknownAccount(stranger)));
    assert_eq!(bot.accounts.leave(bot.id, 0).await, Err(Error::InvalidId));
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
    let full = timeout(PATIENCE, async {
        while events.is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    assert!(full.await.is_ok(), "no ready");
    // More than the account's queue holds, while it waits for room for its second event.
    let joins = timeout(PATIENCE, async {
        for guild in 1..=600 {
            accounts.join(id, guild, CHANNEL, false).await.unwrap();
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
