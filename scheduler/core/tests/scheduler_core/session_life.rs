//! A session walked through the table of `docs/session-states.md`.

use crate::harness::{ACCOUNT, GUILD, Harness, create, item};
use orb_scheduler_core::{
    AccountKind, Action, Effect, EndReason, Event, Failure, PlaybackState, RefusalKind, Request,
    WorkerStatus, Write,
};

#[test]
fn create_is_durable_at_once_and_waits_for_no_worker() {
    let mut h = Harness::empty();
    h.event(Event::AccountReady {
        account: ACCOUNT,
        kind: AccountKind::Bot,
        shard: orb_scheduler_core::Shard::WHOLE,
        resumed: false,
    });
    let call = h.create("s");
    let answer = h.answer(call).unwrap().unwrap();
    assert!(answer.created && answer.settled);
    assert_eq!(answer.view.worker_status, WorkerStatus::Connecting);
    assert_eq!(answer.view.playback, PlaybackState::Idle);
    assert!(
        h.writes
            .iter()
            .any(|write| matches!(write, Write::Session(..)))
    );
    assert!(h.effects.contains(&Effect::JoinVoice {
        account: ACCOUNT,
        guild_id: GUILD,
        channel_id: 456,
        live: false
    }));
}

#[test]
fn create_again_is_no_change_and_another_channel_is_a_conflict() {
    let mut h = Harness::new();
    h.create("s");
    let again = h.create("s");
    assert!(!h.answer(again).unwrap().unwrap().created);
    let mut other = create(GUILD);
    let Request::Create {
        voice_channel_id, ..
    } = &mut other
    else {
        panic!()
    };
    "457".clone_into(voice_channel_id);
    let call = h.call("s", other);
    assert_eq!(h.refusal(call).code, "session_conflict");
}

#[test]
fn bad_ids_name_their_field() {
    let mut h = Harness::new();
    for (session, guild, field) in [
        ("", "1", "session_id"),
        ("a b", "1", "session_id"),
        ("s", "x", "guild_id"),
        ("s", "0", "guild_id"),
    ] {
        let mut request = create(GUILD);
        let Request::Create { guild_id, .. } = &mut request else {
            panic!()
        };
        guild.clone_into(guild_id);
        let call = h.call(session, request);
        let refusal = h.refusal(call);
        assert_eq!(
            (refusal.kind, refusal.field.as_deref()),
            (RefusalKind::Invalid, Some(field))
        );
    }
}

#[test]
fn one_account_serves_one_party_a_guild_and_is_free_again_after_stop() {
    let mut h = Harness::new();
    h.create("first");
    let second = h.create("second");
    let refusal = h.refusal(second);
    assert_eq!(refusal.code, "no_free_account");
    assert!(refusal.is_retryable());
    let elsewhere = h.call("elsewhere", create(GUILD + 1));
    assert!(
        h.answer(elsewhere).unwrap().is_ok(),
        "another guild is another place"
    );
    h.control("first", Action::Stop);
    let early = h.create("second");
    assert_eq!(
        h.refusal(early).code,
        "no_free_account",
        "Discord has not confirmed that it left"
    );
    h.event(Event::VoiceLeft {
        account: ACCOUNT,
        guild_id: GUILD,
        asked: true,
    });
    let late = h.create("second");
    assert!(h.answer(late).unwrap().is_ok());
}

#[test]
fn an_account_is_freed_when_discord_never_confirms() {
    let mut h = Harness::new();
    h.create("s");
    h.control("s", Action::Stop);
    h.wait(5_000);
    let call = h.create("next");
    assert!(h.answer(call).unwrap().is_ok());
}

#[test]
fn play_is_answered_when_the_worker_has_done_it() {
    let mut h = Harness::new();
    h.create("s");
    h.credentials("voice-1");
    let play = h.play("s", 1);
    assert!(h.answer(play).is_none());
    assert_eq!(h.view("s").playback, PlaybackState::Loading);
    h.wait(300);
    h.report("s", PlaybackState::Playing, 20);
    let answer = h.answer(play).unwrap().unwrap();
    assert!(answer.settled);
    assert_eq!(answer.view.playback, PlaybackState::Playing);
    assert_eq!(answer.view.current_title.as_deref(), Some("Film 1"));
}

#[test]
fn a_call_that_the_worker_does_not_carry_out_is_answered_honestly_after_the_bound() {
    let mut h = Harness::new();
    h.create("s");
    let play = h.play("s", 1);
    h.wait(4_999);
    assert!(h.answer(play).is_none());
    h.wait(1);
    let answer = h.answer(play).unwrap().unwrap();
    assert!(!answer.settled);
    assert_eq!(answer.view.playback, PlaybackState::Loading);
}

#[test]
fn the_same_play_again_changes_nothing_and_another_entry_replaces() {
    let mut h = Harness::playing();
    let generation = h.view("s").generation;
    let same = h.play("s", 1);
    assert!(h.answer(same).unwrap().unwrap().settled);
    assert_eq!(h.view("s").generation, generation);
    h.play("s", 2);
    assert_eq!(h.view("s").queue_entry_id, Some(2));
    assert_eq!(h.lease("s").1.current.unwrap().item_id, item(2).item_id);
}

#[test]
fn play_after_an_end_plays_anew_but_a_retry_of_the_answered_call_does_not() {
    let mut h = Harness::new();
    h.create("s");
    h.credentials("voice-1");
    h.call_as("s", Request::Play(Box::new(item(1))), "first");
    h.report("s", PlaybackState::Playing, 0);
    h.report_end("s", EndReason::Finished, None);
    assert_eq!(h.view("s").playback, PlaybackState::Ended);
    h.call_as("s", Request::Play(Box::new(item(1))), "first");
    assert_eq!(
        h.view("s").playback,
        PlaybackState::Ended,
        "it was played already"
    );
    h.call_as("s", Request::Play(Box::new(item(1))), "second");
    assert_eq!(h.view("s").playback, PlaybackState::Loading);
    assert_eq!(h.view("s").end_reason, None);
}

#[test]
fn a_command_id_for_another_request_is_refused() {
    let mut h = Harness::playing();
    h.call_as("s", Request::Control(Action::Pause), "key");
    let reuse = h.call_as("s", Request::Control(Action::Resume), "key");
    assert_eq!(h.refusal(reuse).code, "command_id_reused");
    assert!(h.lease("s").1.paused);
}

#[test]
fn pause_resume_and_seek_change_the_desired_record() {
    let mut h = Harness::playing();
    h.control("s", Action::Pause);
    assert!(h.lease("s").1.paused);
    h.report("s", PlaybackState::Paused, 5_000);
    h.control("s", Action::Resume);
    assert!(!h.lease("s").1.paused);
    let seek = h.control(
        "s",
        Action::Seek {
            position_ms: 30_000,
        },
    );
    let (fence, desired, _) = h.lease("s");
    assert_eq!(
        (desired.anchor.position_ms, desired.anchor.set_at),
        (30_000, fence.generation)
    );
    h.report("s", PlaybackState::Playing, 30_020);
    assert!(h.answer(seek).unwrap().unwrap().settled);
}

#[test]
fn seeks_out_of_range_are_refused_and_change_nothing() {
    let mut h = Harness::playing();
    let generation = h.view("s").generation;
    for position_ms in [-1, 60_001, i64::MIN, i64::MAX] {
        let call = h.control("s", Action::Seek { position_ms });
        let refusal = h.refusal(call);
        assert_eq!(
            (&*refusal.code, refusal.kind),
            ("seek_out_of_range", RefusalKind::Invalid)
        );
    }
    assert_eq!(h.view("s").generation, generation);
}

#[test]
fn controls_with_nothing_to_act_on() {
    let mut h = Harness::new();
    h.create("s");
    for action in [
        Action::Pause,
        Action::Resume,
        Action::Seek { position_ms: 0 },
    ] {
        let call = h.control("s", action);
        assert_eq!(h.refusal(call).code, "nothing_playing");
    }
    let unknown = h.control("nobody", Action::Pause);
    assert_eq!(h.refusal(unknown).kind, RefusalKind::NotFound);
}

#[test]
fn skip_ends_the_item_and_the_end_stays_visible() {
    let mut h = Harness::playing();
    h.wait(700);
    h.control("s", Action::Skip { entry: None });
    let view = h.view("s");
    assert_eq!(
        (view.playback, view.end_reason),
        (PlaybackState::Ended, Some(EndReason::Skipped))
    );
    assert_eq!(
        (view.queue_entry_id, view.position.media_ms),
        (Some(1), 700)
    );
    assert_eq!(h.lease("s").1.current, None);
}

#[test]
fn stop_leaves_and_a_second_one_changes_nothing() {
    let mut h = Harness::playing();
    let stop = h.control("s", Action::Stop);
    assert!(h.effects.contains(&Effect::LeaveVoice {
        account: ACCOUNT,
        guild_id: GUILD
    }));
    assert_eq!(h.lease("s").2, None, "no credentials: leave the wire");
    h.report("s", PlaybackState::Idle, 0);
    assert!(h.answer(stop).unwrap().unwrap().settled);
    let generation = h.view("s").generation;
    let second = h.control("s", Action::Stop);
    assert!(h.answer(second).unwrap().unwrap().settled);
    let view = h.view("s");
    assert_eq!(
        (view.playback, view.end_reason),
        (PlaybackState::Stopped, Some(EndReason::Stopped))
    );
    assert_eq!(
        (view.generation, view.worker_status),
        (generation, WorkerStatus::Disconnected)
    );
}

#[test]
fn stop_keeps_the_end_reason_of_an_item_that_had_ended() {
    let mut h = Harness::playing();
    h.report_end("s", EndReason::Finished, None);
    h.control("s", Action::Stop);
    let view = h.view("s");
    assert_eq!(
        (view.playback, view.end_reason),
        (PlaybackState::Stopped, Some(EndReason::Finished))
    );
}

#[test]
fn play_after_stop_joins_again() {
    let mut h = Harness::playing();
    h.control("s", Action::Stop);
    h.event(Event::VoiceLeft {
        account: ACCOUNT,
        guild_id: GUILD,
        asked: true,
    });
    h.effects.clear();
    h.play("s", 2);
    assert!(h.effects.contains(&Effect::JoinVoice {
        account: ACCOUNT,
        guild_id: GUILD,
        channel_id: 456,
        live: false
    }));
    h.credentials("voice-2");
    h.report("s", PlaybackState::Playing, 0);
    assert_eq!(h.view("s").playback, PlaybackState::Playing);
}

#[test]
fn a_late_confirmation_of_leaving_does_not_end_the_next_party() {
    let mut h = Harness::playing();
    h.control("s", Action::Stop);
    h.play("s", 2);
    h.event(Event::VoiceLeft {
        account: ACCOUNT,
        guild_id: GUILD,
        asked: true,
    });
    h.wait(5_000);
    assert_eq!(h.view("s").playback, PlaybackState::Loading);
}

#[test]
fn a_failed_item_shows_its_error_with_its_end() {
    let mut h = Harness::playing();
    let failure = Failure {
        code: "source_gone".to_owned(),
        message: "the source is gone".to_owned(),
    };
    h.report_end("s", EndReason::Failed, Some(failure.clone()));
    let view = h.view("s");
    assert_eq!(
        (view.end_reason, view.last_error),
        (Some(EndReason::Failed), Some(failure))
    );
}

#[test]
fn an_end_older_than_an_acknowledged_seek_is_no_end() {
    let mut h = Harness::playing();
    let mut end = h.observed("s", PlaybackState::Ended, 60_000);
    end.end_reason = Some(EndReason::Finished);
    h.control("s", Action::Seek { position_ms: 1_000 });
    h.beat(vec![end]);
    assert_eq!(h.lease("s").1.current.unwrap().item_id, item(1).item_id);
    h.report("s", PlaybackState::Playing, 1_020);
    assert_eq!(h.view("s").playback, PlaybackState::Playing);
}

/// Discord answers no join, and the caller does not try again.
#[test]
fn a_party_that_never_got_into_its_channel_gives_its_account_back() {
    let mut h = Harness::new();
    h.create("s");
    h.play("s", 1);
    h.event(Event::JoinFailed {
        account: ACCOUNT,
        guild_id: GUILD,
        reason: "Discord does not answer".to_owned(),
    });
    for _ in 0..299 {
        h.wait(1_000);
        h.beat(vec![]);
    }
    let call = h.create("early");
    assert_eq!(h.refusal(call).code, "no_free_account");
    for _ in 0..10 {
        h.wait(1_000);
        h.beat(vec![]);
    }
    let view = h.view("s");
    assert_eq!(view.end_reason, Some(EndReason::Failed));
    assert_eq!(view.last_error.unwrap().code, "voice_join_failed");
    let call = h.create("next");
    assert!(h.answer(call).unwrap().is_ok());
}

/// The first failure's time-out does not end what works again.
#[test]
fn voice_that_came_back_is_not_given_up() {
    let mut h = Harness::playing();
    h.event(Event::JoinFailed {
        account: ACCOUNT,
        guild_id: GUILD,
        reason: "Discord does not answer".to_owned(),
    });
    h.credentials("voice-2");
    for _ in 0..310 {
        h.wait(1_000);
        h.report("s", PlaybackState::Playing, 1_000);
    }
    assert_eq!(h.view("s").end_reason, None);
}

#[test]
fn the_bot_leaves_when_nothing_has_played_for_long_and_the_end_stays() {
    let mut h = Harness::playing();
    h.report_end("s", EndReason::Finished, None);
    for _ in 0..300 {
        h.wait(1_000);
        h.beat(vec![]);
    }
    assert!(h.effects.contains(&Effect::LeaveVoice {
        account: ACCOUNT,
        guild_id: GUILD
    }));
    let view = h.view("s");
    assert_eq!(
        (view.playback, view.end_reason),
        (PlaybackState::Ended, Some(EndReason::Finished))
    );
    assert_eq!(view.worker_status, WorkerStatus::Disconnected);
}
