//! A person's account that goes live, against a simulated Discord.

use std::time::Duration;

use crate::support::*;
use discord_sim::{
    ChannelId, ClosedBy, DiscordSim, DiscordSimConfig, Fault, GuildId, RecordEvent,
    StreamDeleteReason,
};
use orb_accounts::{
    AccountConfig, AccountEvent, AccountKind, AccountTiming, Accounts, Error, LiveRefusal,
    Permission, RestoredAccount, Shutdown, StreamCredentials, VoiceCredentials,
};
use secrecy::ExposeSecret;
use tokio::sync::mpsc;

const OPS_CREATE_END: [u64; 2] = [18, 19];
const PAUSE: u64 = 22;

fn stream(credentials: &VoiceCredentials) -> &StreamCredentials {
    credentials.stream.as_ref().expect("a stream")
}

/// The op codes that were sent, all of them heeded.
fn ops(sim: &DiscordSim) -> Vec<u64> {
    let requests = stream_requests(sim).into_iter();
    requests
        .map(|(op, refused)| {
            assert_eq!(refused, None, "op {op}");
            op
        })
        .collect()
}

async fn refused(user: &mut Bot) -> LiveRefusal {
    let refused = |event: &AccountEvent| match event {
        AccountEvent::LiveRefused { reason, .. } => Some(*reason),
        _ => None,
    };
    user.until("refusal", refused).await
}

#[tokio::test]
async fn a_persons_account_goes_live_and_leaves() {
    let sim = sim(DiscordSimConfig::default()).await;
    let (mut user, credentials) = streaming(&sim).await;
    let live = stream(&credentials);
    let on_air = sim.streams(GUILD);
    assert_eq!(on_air.len(), 1);
    assert_eq!(live.rtc_server_id, on_air[0].rtc_server_id);
    assert_eq!(live.stream_key, on_air[0].stream_key);
    assert_eq!(
        live.stream_key,
        format!("guild:{GUILD}:{CHANNEL}:{}", user.id)
    );
    assert_eq!(live.endpoint, sim.voice_endpoints()[0].to_string());
    assert_ne!(
        live.token.expose_secret(),
        credentials.token.expose_secret(),
        "each connection has a token of its own"
    );
    assert!(!format!("{credentials:?}").contains(live.token.expose_secret()));

    user.accounts.leave(user.id, GUILD).await.unwrap();
    assert!(user.left().await, "asked");
    assert!(sim.streams(GUILD).is_empty());
    assert_eq!(ops(&sim), OPS_CREATE_END);
    let refused = |event: &RecordEvent| matches!(event, RecordEvent::RestRefused { .. });
    assert_eq!(count(&sim, refused), 0, "each call in the users' way");
}

#[tokio::test]
async fn people_in_the_channel_are_counted_from_ready_on() {
    let sim = sim(DiscordSimConfig::default()).await;
    // Somebody is there before the account connects: in READY, for users get no GUILD_CREATE.
    sim.voice_credentials(GUILD, CHANNEL, 77).unwrap();
    let (mut user, _) = streaming(&sim).await;
    let audience = |event: &AccountEvent| match event {
        AccountEvent::Audience { listeners, .. } => Some(*listeners),
        _ => None,
    };
    assert_eq!(
        user.until("audience", audience).await,
        2,
        "and the listener"
    );
}

#[tokio::test]
async fn a_bot_is_refused_and_nothing_is_sent() {
    let sim = sim(DiscordSimConfig::default()).await;
    let (bot, _) = seated(&sim).await;
    let not_a_user = Err(Error::NotAUser(bot.id));
    let join = bot.accounts.join(bot.id, GUILD, CHANNEL, true).await;
    assert_eq!(join, not_a_user);
    let pause = bot.accounts.set_live_paused(bot.id, GUILD, true).await;
    assert_eq!(pause, not_a_user);
    assert_eq!(bot.accounts.refresh_live(bot.id, GUILD).await, not_a_user);
    bot.accounts.shutdown(Shutdown::Leave).await;
    assert!(stream_requests(&sim).is_empty());
}

#[tokio::test]
async fn a_token_of_the_other_kind_is_refused() {
    let sim = sim(DiscordSimConfig::default()).await;
    let as_bot = AccountConfig {
        kind: AccountKind::Bot,
        ..user_config(&sim)
    };
    let (events, _told) = mpsc::channel(8);
    let connected = Accounts::connect(vec![as_bot], AccountTiming::default(), events).await;
    assert_eq!(connected.unwrap_err(), Error::TokenRefused { number: 1 });

    let as_user = AccountConfig {
        kind: AccountKind::User,
        ..config(&sim)
    };
    let (events, _told) = mpsc::channel(8);
    let connected = Accounts::connect(vec![as_user], AccountTiming::default(), events).await;
    assert!(connected.unwrap().ids().is_empty(), "left out");
    assert_eq!(identifies(&sim), 0);
}

#[tokio::test]
async fn sound_goes_on_where_discord_refuses_the_picture() {
    let table = [
        (StreamDeleteReason::Unauthorized, LiveRefusal::Unauthorized),
        (StreamDeleteReason::StreamFull, LiveRefusal::StreamFull),
        (
            StreamDeleteReason::SafetyGuildRateLimited,
            LiveRefusal::GuildRateLimited,
        ),
    ];
    for (reason, expected) in table {
        let sim = sim(DiscordSimConfig::default()).await;
        let times = 1;
        sim.fault(&Fault::RefuseStream { times, reason }).unwrap();
        let mut user = Bot::connect(user_config(&sim)).await;
        user.ready().await;
        let joined = user.accounts.join(user.id, GUILD, CHANNEL, true).await;
        joined.unwrap();
        assert_eq!(refused(&mut user).await, expected);
        let credentials = user.credentials().await;
        assert_eq!(credentials.channel_id, CHANNEL);
        assert!(credentials.stream.is_none());
        assert_eq!(stream_requests(&sim).len(), 1, "it is not tried again");
        // Unless somebody asks for it.
        user.go_live(CHANNEL).await;
    }
}

#[tokio::test]
async fn a_stream_that_ends_is_made_anew_a_few_times() {
    let sim = sim(DiscordSimConfig::default()).await;
    let (mut user, first) = streaming(&sim).await;
    let end = Fault::EndStream {
        guild: GuildId(GUILD),
        user: None,
        reason: StreamDeleteReason::StreamEnded,
    };
    assert_eq!(sim.fault(&end).unwrap(), 1);
    let second = user.live().await;
    assert_ne!(stream(&first).rtc_server_id, stream(&second).rtc_server_id);
    assert_eq!(first.token.expose_secret(), second.token.expose_secret());

    assert_eq!(sim.fault(&end).unwrap(), 1);
    let meanwhile = user.credentials().await;
    assert!(meanwhile.stream.is_none(), "sound goes on in the channel");
    let third = user.live().await;
    assert_ne!(stream(&second).rtc_server_id, stream(&third).rtc_server_id);
    assert_eq!(ops(&sim), [18, 18, 18]);
}

#[tokio::test]
async fn moved_then_on_another_server_then_refreshed() {
    let sim = sim(DiscordSimConfig::default()).await;
    let (mut bot, first) = streaming(&sim).await;
    let (guild, user, channel) = (GuildId(GUILD), None, ChannelId(OTHER_CHANNEL));
    let moved = Fault::Move {
        guild,
        user,
        channel,
    };
    sim.fault(&moved).unwrap();
    let after = bot.live().await;
    assert_eq!(after.channel_id, OTHER_CHANNEL);
    assert_ne!(stream(&first).stream_key, stream(&after).stream_key);

    let (listener, close) = (1, None);
    let moved = Fault::MoveStreamServer {
        guild,
        user,
        listener,
        close,
    };
    assert_eq!(sim.fault(&moved).unwrap(), 1);
    let elsewhere = bot.live().await;
    let other = sim.voice_endpoints()[1].to_string();
    assert_eq!(stream(&elsewhere).endpoint, other);
    assert_eq!(
        stream(&elsewhere).rtc_server_id,
        stream(&after).rtc_server_id
    );
    assert_eq!(elsewhere.endpoint, after.endpoint, "its parent stays");

    bot.accounts.refresh_live(bot.id, GUILD).await.unwrap();
    let fresh = bot.live().await;
    assert_ne!(
        stream(&fresh).rtc_server_id,
        stream(&elsewhere).rtc_server_id
    );
    assert_eq!(fresh.token.expose_secret(), after.token.expose_secret());
    assert_eq!(ops(&sim), [18, 18, 19, 18]);
}

#[tokio::test]
async fn a_lost_server_update_is_asked_for_again() {
    let sim = sim(DiscordSimConfig::default()).await;
    let timing = AccountTiming {
        voice_event_wait: Duration::from_millis(300),
        ..AccountTiming::default()
    };
    sim.fault(&Fault::LoseStreamServerUpdate { times: 1 })
        .unwrap();
    let mut user = Bot::connect_with(user_config(&sim), timing).await;
    user.ready().await;
    user.go_live(CHANNEL).await;
    assert_eq!(ops(&sim), [18, 19, 18]);
}

#[tokio::test]
async fn a_server_that_goes_away_is_waited_for() {
    let sim = sim(DiscordSimConfig::default()).await;
    let (mut account, first) = streaming(&sim).await;
    let (guild, user) = (GuildId(GUILD), None);
    let gone = Fault::LoseStreamServer { guild, user };
    assert_eq!(sim.fault(&gone).unwrap(), 1);
    let (listener, close) = (1, None);
    let back = Fault::MoveStreamServer {
        guild,
        user,
        listener,
        close,
    };
    sim.fault(&back).unwrap();
    let after = account.live().await;
    assert_eq!(stream(&first).rtc_server_id, stream(&after).rtc_server_id);
    assert_eq!(ops(&sim), [18]);
}

#[tokio::test]
async fn paused_and_resumed() {
    let sim = sim(DiscordSimConfig::default()).await;
    let (user, _) = streaming(&sim).await;
    for paused in [true, false] {
        let set = user.accounts.set_live_paused(user.id, GUILD, paused).await;
        set.unwrap();
        let said = |event: &RecordEvent| match event {
            RecordEvent::StreamRequest { op, paused: p, .. } => *op == PAUSE && *p == Some(paused),
            _ => false,
        };
        recorded(&sim, "op 22", said).await;
        assert_eq!(sim.streams(GUILD)[0].paused, paused);
    }
}

#[tokio::test]
async fn picture_off_and_on_beside_the_sound() {
    let sim = sim(DiscordSimConfig::default()).await;
    let (mut user, first) = streaming(&sim).await;
    let off = user.join(CHANNEL).await;
    assert!(off.stream.is_none());
    assert_eq!(off.token.expose_secret(), first.token.expose_secret());
    let ended = |event: &RecordEvent| matches!(event, RecordEvent::StreamEnded { .. });
    recorded(&sim, "end of the stream", ended).await;
    let on = user.go_live(CHANNEL).await;
    assert_eq!(on.token.expose_secret(), first.token.expose_secret());
    let requests = |event: &RecordEvent| matches!(event, RecordEvent::VoiceStateRequest { .. });
    assert_eq!(count(&sim, requests), 1, "the seat was left alone");
}

#[tokio::test]
async fn a_dropped_socket_is_resumed_and_an_invalid_session_identified_anew() {
    let sim = sim(DiscordSimConfig::default()).await;
    let (mut user, first) = streaming(&sim).await;
    for fault in [
        Fault::DropGateway { user: None },
        Fault::Reconnect { user: None },
    ] {
        assert_eq!(sim.fault(&fault).unwrap(), 1);
        assert_eq!(user.lost().await, None, "not fatal");
        assert!(user.ready().await, "resumed");
    }
    assert_eq!(identifies(&sim), 1);
    assert_eq!(ops(&sim), [18]);

    let (whom, resumable) = (None, false);
    let invalid = Fault::InvalidSession {
        user: whom,
        resumable,
    };
    sim.fault(&invalid).unwrap();
    assert_eq!(user.lost().await, None, "not fatal");
    assert!(!user.ready().await, "a new session");
    let after = user.live().await;
    assert_ne!(after.voice_session_id, first.voice_session_id);
    assert_ne!(stream(&after).rtc_server_id, stream(&first).rtc_server_id);
    assert!(!user.has_left(), "the old session's end is no kick");
}

#[tokio::test]
async fn fatal_close_codes_end_the_account() {
    let sim = sim(DiscordSimConfig::default()).await;
    let (times, close) = (1, Some(4004));
    sim.fault(&Fault::RefuseIdentify { times, close }).unwrap();
    let mut user = Bot::connect(user_config(&sim)).await;
    let fatal = user.lost().await.expect("fatal");
    assert_eq!(fatal, Error::UserTokenRefused { number: 1 });
    assert_eq!(identifies(&sim), 1, "it is not tried again");
}

/// Another process, given what was stored.
async fn successor(sim: &DiscordSim, first: &Bot, held: VoiceCredentials) -> Bot {
    let session = first.stored.clone().expect("progress was told");
    let restored = RestoredAccount {
        account: first.id,
        sessions: vec![(WHOLE, session)],
        held: vec![held],
    };
    Bot::connect_restored(
        user_config(sim),
        vec![restored],
        AccountTiming::default(),
        Permission::always(),
    )
    .await
}

#[tokio::test]
async fn a_successor_goes_on_with_the_stream() {
    let sim = sim(DiscordSimConfig::default()).await;
    let (mut first, held) = streaming(&sim).await;
    first.progress().await;
    first.accounts.shutdown(Shutdown::Abandon).await;
    let cut = |event: &RecordEvent| {
        let by = ClosedBy::Client;
        matches!(event, RecordEvent::GatewayClosed { code: None, by: b, .. } if *b == by)
    };
    recorded(&sim, "end without a close frame", cut).await;

    let mut second = successor(&sim, &first, held.clone()).await;
    assert!(second.ready().await, "resumed");
    let still = second.go_live(CHANNEL).await;
    let (before, after) = (stream(&held), stream(&still));
    assert_eq!(before.rtc_server_id, after.rtc_server_id);
    assert_eq!(before.token.expose_secret(), after.token.expose_secret());
    assert_eq!(ops(&sim), [18], "by the first process only");
    assert_eq!(identifies(&sim), 1);

    second.accounts.leave(second.id, GUILD).await.unwrap();
    assert!(second.left().await);
    assert!(sim.streams(GUILD).is_empty());
}

#[tokio::test]
async fn a_successor_hears_of_an_end_that_nobody_saw() {
    let sim = sim(DiscordSimConfig::default()).await;
    let (mut first, held) = streaming(&sim).await;
    first.progress().await;
    first.accounts.shutdown(Shutdown::Abandon).await;
    let end = Fault::EndStream {
        guild: GuildId(GUILD),
        user: None,
        reason: StreamDeleteReason::StreamEnded,
    };
    assert_eq!(sim.fault(&end).unwrap(), 1);

    let mut second = successor(&sim, &first, held.clone()).await;
    let anew = second.live().await;
    assert_ne!(stream(&held).rtc_server_id, stream(&anew).rtc_server_id);
    assert_eq!(anew.voice_session_id, held.voice_session_id);
    assert_eq!(identifies(&sim), 1, "resumed");
}

#[tokio::test]
async fn a_planned_hand_over_keeps_the_session_and_a_leave_for_good_ends_it() {
    let sim = sim(DiscordSimConfig::default()).await;
    let (mut first, held) = streaming(&sim).await;
    first.accounts.shutdown(Shutdown::HandOver).await;
    let closed_with = |expected: u16| move |event: &RecordEvent| matches!(event, RecordEvent::GatewayClosed { code: Some(code), .. } if *code == expected);
    recorded(&sim, "close with 4000", closed_with(4000)).await;
    while let Some(event) = first.events.recv().await {
        if let AccountEvent::Progress { session, .. } = event {
            first.stored = Some(session);
        }
    }
    let mut second = successor(&sim, &first, held).await;
    assert!(second.ready().await, "resumed");
    assert_eq!(sim.streams(GUILD).len(), 1);

    second.accounts.shutdown(Shutdown::Leave).await;
    assert!(second.left().await, "asked");
    recorded(&sim, "close with 1000", closed_with(1000)).await;
    assert!(sim.streams(GUILD).is_empty());
    assert_eq!(ops(&sim), OPS_CREATE_END);
}
