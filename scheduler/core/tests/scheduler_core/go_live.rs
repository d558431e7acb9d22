//! Parties with a picture in the voice channel: who may have one, what it takes, and how it ends.

use orb_scheduler_core::{
    AccountId, AccountKind, Action, Effect, Event, GoLive, Millis, NoPicture, Now, PictureHealth,
    PlaybackState, Refusal, RefusalKind, Request, Shard, StreamCredentials, VoiceCredentials,
    VoiceLoss, WorkerStatus, Write, cost,
};

use crate::harness::{GUILD, Harness, create, credentials, item};

mod pauses;

const USER: AccountId = AccountId::new(3333);

fn moment(h: &Harness) -> Now {
    Now {
        monotonic: Millis(h.now),
        wall_ms: h.now as i64,
    }
}

/// All but the words to workers, which say what shall be.
fn forget_effects(h: &mut Harness) {
    let is_word = |effect: &Effect| matches!(effect, Effect::SendLease { .. });
    h.effects.retain(is_word);
}

fn asking(guild: u64, asked: Option<bool>) -> Request {
    let mut request = create(guild);
    if let Request::Create { go_live, .. } = &mut request {
        *go_live = asked;
    }
    request
}

fn allow(h: Harness, by_default: bool) -> Harness {
    h.allowing(GoLive::Allowed { by_default })
}

fn connect(h: &mut Harness, account: AccountId, kind: AccountKind) {
    h.event(Event::AccountReady {
        account,
        kind,
        shard: Shard::WHOLE,
        resumed: false,
    });
}

/// A bot, a user account, a worker without pictures, and w2, which sends them.
fn allowed() -> Harness {
    let mut h = allow(Harness::new(), false);
    connect(&mut h, USER, AccountKind::User);
    h.attach_live("w2", "life-2");
    h
}

fn start(h: &mut Harness, session: &str, guild: u64, asked: Option<bool>) -> Result<(), Refusal> {
    let call = h.call(session, asking(guild, asked));
    h.answer(call).unwrap().map(|_| ())
}

fn with_stream(token: &str) -> VoiceCredentials {
    VoiceCredentials {
        user_id: USER.get(),
        stream: Some(Box::new(StreamCredentials {
            stream_key: "guild:123:456:3333".to_owned(),
            rtc_server_id: 78,
            endpoint: "localhost:2".to_owned(),
            token: token.to_owned(),
        })),
        ..credentials("voice")
    }
}

fn hand_out(h: &mut Harness, credentials: VoiceCredentials) {
    h.event(Event::Credentials {
        account: USER,
        credentials,
    });
}

/// Session `s` plays on w2, with its picture.
fn playing() -> Harness {
    let mut h = allowed();
    start(&mut h, "s", GUILD, Some(true)).unwrap();
    hand_out(&mut h, with_stream("stream-1"));
    h.play("s", 1);
    h.report_by("w2", "life-2", "s", PlaybackState::Playing, 0);
    forget_effects(&mut h);
    h
}

fn lose_stream(h: &mut Harness, close_code: u16) {
    let revision = h.lease("s").2.unwrap().revision.get();
    let mut observed = h.observed("s", PlaybackState::Playing, 1_000);
    observed.worker_status = WorkerStatus::Reconnecting;
    observed.voice_loss = Some(VoiceLoss {
        revision,
        close_code: Some(close_code),
        stream: true,
    });
    h.beat_of("w2", "life-2", vec![observed]);
}

fn rows<'a>(h: &'a Harness, event: &'a str) -> impl Iterator<Item = &'a serde_json::Value> {
    h.writes.iter().filter_map(move |write| match write {
        Write::Event(row) if row.event_type == event => Some(&row.payload),
        _ => None,
    })
}

fn pauses(h: &Harness) -> Vec<bool> {
    let pauses = h.effects.iter().filter_map(|effect| match effect {
        Effect::PauseLive {
            account, paused, ..
        } => {
            assert_eq!(*account, USER);
            Some(*paused)
        }
        _ => None,
    });
    pauses.collect()
}

#[test]
fn an_installation_that_says_nothing_has_no_pictures_whoever_asks() {
    let mut h = Harness::new();
    connect(&mut h, USER, AccountKind::User);
    h.attach_live("w2", "life-2");
    let refused = start(&mut h, "s", GUILD, Some(true)).unwrap_err();
    assert_eq!(
        (
            refused.kind,
            refused.code.as_str(),
            refused.field.as_deref()
        ),
        (RefusalKind::Precondition, "golive_off", Some("go_live"))
    );
    assert!(h.sessions().is_empty() && h.writes.is_empty());
    for (session, asked) in [("s", None), ("t", Some(false))] {
        let guild = if session == "s" { GUILD } else { GUILD + 1 };
        start(&mut h, session, guild, asked).unwrap();
        assert!(!h.view(session).go_live);
    }
    // The same party again, asked for with a picture, gets none either.
    assert_eq!(
        start(&mut h, "s", GUILD, Some(true)).unwrap_err().code,
        "golive_off"
    );
    let live = |effect: &Effect| matches!(effect, Effect::JoinVoice { live: true, .. });
    assert!(!h.effects.iter().any(live));
    assert_eq!(h.scheduler.no_picture(moment(&h)), Some(NoPicture::Off));
}

#[test]
fn the_installations_default_counts_where_the_caller_says_nothing() {
    for by_default in [false, true] {
        let mut h = allow(allowed(), by_default);
        start(&mut h, "said", GUILD, Some(!by_default)).unwrap();
        assert_eq!(h.view("said").go_live, !by_default);
        start(&mut h, "silent", GUILD + 1, None).unwrap();
        assert_eq!(h.view("silent").go_live, by_default);
    }
}

#[test]
fn an_account_that_no_party_takes_makes_nobody_ready() {
    for (by_default, kind) in [(false, AccountKind::User), (true, AccountKind::Bot)] {
        let mut h = allow(Harness::empty(), by_default);
        connect(&mut h, USER, kind);
        assert!(!h.scheduler.has_account(), "{kind:?}");
    }
    let mut h = allow(Harness::empty(), true);
    connect(&mut h, USER, AccountKind::User);
    assert!(h.scheduler.has_account());
}

#[test]
fn a_picture_takes_a_user_account_and_a_worker_that_sends_pictures() {
    let mut h = allowed();
    start(&mut h, "s", GUILD, Some(true)).unwrap();
    assert!(h.effects.contains(&Effect::JoinVoice {
        account: USER,
        guild_id: GUILD,
        channel_id: 456,
        live: true
    }));
    assert_eq!(rows(&h, "golive_on").count(), 1);
    hand_out(&mut h, with_stream("stream-1"));
    h.play("s", 1);
    let (_, desired, voice) = h.lease("s");
    assert!(desired.go_live);
    assert_eq!(voice.unwrap().stream.unwrap().token, "stream-1");
    assert_eq!(h.view("s").worker.unwrap().as_str(), "w2");
    // A title that nobody has looked at may have to be transcoded.
    let free = h.scheduler.workers(moment(&h));
    let free = free.iter().find(|w| w.worker.as_str() == "w2").unwrap();
    assert_eq!(free.free_millicores, 2_000 - cost::UNPROBED_LIVE);
}

#[test]
fn neither_kind_of_account_stands_in_for_the_other() {
    let mut h = allowed();
    start(&mut h, "bot", GUILD, None).unwrap();
    let no_bot = start(&mut h, "bot-2", GUILD, None).unwrap_err();
    assert_eq!(no_bot.code, "no_free_account");
    assert!(no_bot.message.contains("no Discord account is free"));
    start(&mut h, "live", GUILD, Some(true)).unwrap();
    // A person is in one channel at a time, of all guilds.
    let no_user = start(&mut h, "live-2", GUILD + 1, Some(true)).unwrap_err();
    assert_eq!(no_user.code, "no_free_account");
    assert!(
        no_user.message.contains("ORB_DISCORD__GOLIVE_TOKENS"),
        "{no_user}"
    );
    h.control("live", Action::Stop);
    h.event(Event::VoiceLeft {
        account: USER,
        guild_id: GUILD,
        asked: true,
    });
    start(&mut h, "live-2", GUILD + 1, Some(true)).unwrap();
}

#[test]
fn without_a_worker_that_sends_pictures_a_play_says_what_is_missing() {
    let mut h = allow(Harness::new(), false);
    assert_eq!(
        h.scheduler.no_picture(moment(&h)),
        Some(NoPicture::NoAccount)
    );
    connect(&mut h, USER, AccountKind::User);
    assert_eq!(
        h.scheduler.no_picture(moment(&h)),
        Some(NoPicture::NoWorker)
    );
    start(&mut h, "s", GUILD, Some(true)).unwrap();
    hand_out(&mut h, with_stream("stream-1"));
    let call = h.call("s", Request::Play(Box::new(item(1))));
    let refused = h.refusal(call);
    assert_eq!(refused.code, "no_capacity");
    assert!(
        refused.message.contains("ORB_GOLIVE=accept-account-risk"),
        "{refused}"
    );
    h.attach_live("w2", "life-2");
    assert_eq!(h.scheduler.no_picture(moment(&h)), None);
    h.play("s", 2);
    assert_eq!(h.view("s").worker.unwrap().as_str(), "w2");
}

#[test]
fn a_refused_stream_is_said_and_the_party_goes_on_with_sound() {
    let mut h = playing();
    let before = h.lease("s").0.generation;
    h.event(Event::LiveRefused {
        account: USER,
        guild_id: GUILD,
        reason: "stream_full".to_owned(),
    });
    let (fence, desired, voice) = h.lease("s");
    let voice = voice.unwrap();
    assert!(!desired.go_live && desired.current.is_some());
    assert!(fence.generation > before && voice.stream.is_none());
    assert_eq!(voice.revision, fence.generation);
    assert_eq!(
        rows(&h, "golive_refused").next().unwrap()["reason"],
        "stream_full"
    );
    let view = h.view("s");
    assert_eq!(view.playback, PlaybackState::Playing);
    assert_eq!(view.last_error.unwrap().code, "golive_refused");
    assert!(!view.go_live);
    // Credentials without a stream follow, and say nothing new; a late one with a stream brings no picture back.
    h.effects.clear();
    hand_out(&mut h, credentials_of_user());
    hand_out(&mut h, with_stream("late"));
    assert_eq!(h.effects, []);
    // A restart does not either.
    let h = allow(h.restart(), true);
    assert!(!h.view("s").go_live);
}

fn credentials_of_user() -> VoiceCredentials {
    VoiceCredentials {
        stream: None,
        ..with_stream("")
    }
}

#[test]
fn after_a_refusal_the_next_party_in_the_session_has_a_bot() {
    let mut h = playing();
    h.event(Event::LiveRefused {
        account: USER,
        guild_id: GUILD,
        reason: "unauthorized".to_owned(),
    });
    h.control("s", Action::Stop);
    h.event(Event::VoiceLeft {
        account: USER,
        guild_id: GUILD,
        asked: true,
    });
    h.effects.clear();
    h.play("s", 2);
    let joins = |effect: &&Effect| matches!(effect, Effect::JoinVoice { .. });
    assert_eq!(
        h.effects.iter().find(joins),
        Some(&Effect::JoinVoice {
            account: crate::harness::ACCOUNT,
            guild_id: GUILD,
            channel_id: 456,
            live: false
        })
    );
}

#[test]
fn a_stream_that_is_lost_is_refreshed_alone() {
    let mut h = playing();
    lose_stream(&mut h, 4006);
    let refresh = Effect::RefreshStream {
        account: USER,
        guild_id: GUILD,
    };
    let refreshes = |h: &Harness| h.effects.iter().filter(|e| **e == refresh).count();
    assert_eq!(refreshes(&h), 1);
    assert_eq!(rows(&h, "golive_lost").count(), 1);
    lose_stream(&mut h, 4006);
    assert_eq!(refreshes(&h), 1, "judged already");
    // The channel's connection may be lost beside it: that is another loss.
    let revision = h.lease("s").2.unwrap().revision.get();
    let mut observed = h.observed("s", PlaybackState::Playing, 1_000);
    observed.voice_loss = Some(VoiceLoss {
        revision,
        close_code: Some(4006),
        stream: false,
    });
    h.beat_of("w2", "life-2", vec![observed]);
    let whole = |effect: &&Effect| matches!(effect, Effect::RefreshVoice { .. });
    assert_eq!(h.effects.iter().filter(whole).count(), 1);
    hand_out(&mut h, with_stream("stream-2"));
    assert_eq!(h.lease("s").2.unwrap().stream.unwrap().token, "stream-2");
    // Ended by Discord: its events say what becomes of it, for a while.
    forget_effects(&mut h);
    lose_stream(&mut h, 4014);
    assert_eq!(refreshes(&h), 0);
    h.wait(5_000);
    assert_eq!(refreshes(&h), 1);
}

#[test]
fn a_stream_that_keeps_closing_is_given_up_and_the_sound_goes_on() {
    let mut h = playing();
    for round in 0..6 {
        lose_stream(&mut h, 4006);
        hand_out(&mut h, with_stream(&format!("again-{round}")));
    }
    let (_, desired, voice) = h.lease("s");
    assert!(!desired.go_live && voice.unwrap().stream.is_none());
    assert_eq!(
        rows(&h, "golive_refused").next().unwrap()["reason"],
        "stream_refused"
    );
    assert!(h.effects.contains(&Effect::JoinVoice {
        account: USER,
        guild_id: GUILD,
        channel_id: 456,
        live: false
    }));
    assert_eq!(h.view("s").playback, PlaybackState::Playing);
}

#[test]
fn the_next_leader_goes_on_with_the_picture() {
    let mut h = allow(playing().restart(), false);
    h.event(Event::AccountReady {
        account: USER,
        kind: AccountKind::User,
        shard: Shard::WHOLE,
        resumed: true,
    });
    let joins = |effect: &Effect| matches!(effect, Effect::JoinVoice { .. });
    assert!(!h.effects.iter().any(joins), "its credentials are stored");
    h.wait(1);
    h.attach_live("w2", "life-2");
    let (_, desired, voice) = h.lease("s");
    assert!(desired.go_live);
    assert_eq!(voice.unwrap().stream.unwrap().token, "stream-1");
    assert_eq!(pauses(&h), [false], "the last one may not have come to it");
}

#[test]
fn a_join_for_a_picture_that_was_cut_off_is_asked_for_again() {
    let mut h = playing();
    hand_out(&mut h, credentials_of_user());
    let mut h = allow(h.restart(), false);
    h.event(Event::AccountReady {
        account: USER,
        kind: AccountKind::User,
        shard: Shard::WHOLE,
        resumed: true,
    });
    assert!(h.effects.contains(&Effect::JoinVoice {
        account: USER,
        guild_id: GUILD,
        channel_id: 456,
        live: true
    }));
}

#[test]
fn an_installation_that_allows_it_no_more_stops_what_has_one() {
    let mut h = playing().restart();
    h.wait(0);
    h.attach_live("w2", "life-2");
    let view = h.view("s");
    assert_eq!(view.playback, PlaybackState::Stopped);
    assert!(!view.go_live);
    let (_, desired, voice) = h.lease("s");
    assert!(!desired.go_live && !desired.in_channel && voice.is_none());
    assert_eq!(
        rows(&h, "golive_refused").next().unwrap()["cause"],
        "configuration"
    );
    // The next play brings it back, with a bot.
    h.wait(5_000);
    connect(&mut h, crate::harness::ACCOUNT, AccountKind::Bot);
    h.attach("w1", "life-1", vec![]);
    h.play("s", 2);
    assert!(h.effects.contains(&Effect::JoinVoice {
        account: crate::harness::ACCOUNT,
        guild_id: GUILD,
        channel_id: 456,
        live: false
    }));
}

#[test]
fn a_banned_account_ends_its_party_and_is_chosen_no_more() {
    let mut h = playing();
    h.event(Event::AccountLost { account: USER });
    let view = h.view("s");
    assert_eq!(view.playback, PlaybackState::Stopped);
    assert_eq!(view.last_error.unwrap().code, "voice_kicked");
    assert_eq!(
        h.scheduler.no_picture(moment(&h)),
        Some(NoPicture::NoAccount)
    );
    let call = h.call("s", Request::Play(Box::new(item(2))));
    assert_eq!(h.refusal(call).code, "no_free_account");
    // Another one can go on with it.
    let other = AccountId::new(4444);
    connect(&mut h, other, AccountKind::User);
    h.play("s", 3);
    assert!(h.effects.contains(&Effect::JoinVoice {
        account: other,
        guild_id: GUILD,
        channel_id: 456,
        live: true
    }));
}

#[test]
fn readers_see_the_picture_that_the_worker_reports() {
    let mut h = playing();
    assert_eq!(h.view("s").picture, None);
    let seen = PictureHealth {
        pictures_sent: 24,
        width: 1280,
        ..PictureHealth::default()
    };
    let mut observed = h.observed("s", PlaybackState::Playing, 1_000);
    observed.picture = Some(seen);
    h.beat_of("w2", "life-2", vec![observed]);
    assert_eq!(h.view("s").picture, Some(seen));
    let id = orb_scheduler_core::SessionId::new("s");
    let (mut view, vitals) = (h.view("s"), h.scheduler.vitals(&id, moment(&h)).unwrap());
    view.picture = None;
    view.advance(vitals);
    assert_eq!(view.picture, Some(seen));
}
