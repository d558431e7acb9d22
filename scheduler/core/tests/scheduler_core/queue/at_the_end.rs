//! The last entry has ended: the party waits for more, or leaves.

use super::{add, created, entry};
use crate::harness::{ACCOUNT, GUILD, Harness};
use orb_scheduler_core::{
    AtQueueEnd, Effect, EndReason, Event, PlaybackState, QueueStatus, Request,
};

use QueueStatus::Playing;

#[test]
fn a_party_bears_its_title_its_owner_and_what_it_does_at_the_end() {
    let mut h = Harness::new();
    let title = "ü".repeat(200);
    h.call("party", created(title.clone(), "42".to_owned()));
    let view = h.view("party");
    assert_eq!((view.title, &*view.owner_user_id), (title, "42"));
    assert_eq!(view.at_queue_end, AtQueueEnd::Leave);
}

#[test]
fn what_is_added_while_the_party_waits_plays_at_once() {
    let mut h = Harness::party(1);
    h.report_end("s", EndReason::Finished, None);
    let view = h.view("s");
    assert_eq!(
        (view.playback, view.end_reason),
        (PlaybackState::Ended, Some(EndReason::Finished))
    );
    assert_eq!(h.events("queue_end")[0]["then"], "wait");
    let added = h.edited(add(2..=3, false));
    let first = &added.queue.entries[1];
    assert_eq!((first.id(), first.status), (entry(2), Playing));
    assert_eq!(h.told(), (Some(2), Some(3)));
    assert_eq!(h.view("s").end_reason, None);
    // The time-out of the end before does not end what plays now.
    for _ in 0..310 {
        h.wait(1_000);
        h.report("s", PlaybackState::Playing, 1_000);
    }
    assert_eq!(h.view("s").entry, Some(entry(2)));
}

#[test]
fn what_is_added_when_the_party_has_left_waits() {
    let mut h = Harness::party(1);
    h.report_end("s", EndReason::Finished, None);
    for _ in 0..301 {
        h.wait(1_000);
        h.beat(vec![]);
    }
    h.edit(add(2..=2, false));
    assert_eq!(h.view("s").playback, PlaybackState::Ended);
    assert_eq!(h.waiting(), [2]);
}

fn leaving(films: i64) -> Harness {
    let mut h = Harness::new();
    let mut request = created(String::new(), String::new());
    if let Request::Create { guild_id, .. } = &mut request {
        *guild_id = GUILD.to_string();
    }
    h.call("s", request);
    h.credentials("voice-1");
    if films > 0 {
        h.edit(add(1..=films, false));
        h.start(None);
        h.report("s", PlaybackState::Playing, 0);
    }
    h
}

#[test]
fn a_party_that_leaves_at_the_end_does_and_the_end_stays_visible() {
    let mut h = leaving(1);
    h.report_end("s", EndReason::Finished, None);
    let leave = Effect::LeaveVoice {
        account: ACCOUNT,
        guild_id: GUILD,
    };
    assert!(h.effects.contains(&leave));
    assert_eq!(h.events("queue_end")[0]["cause"], "queue_end");
    h.event(Event::VoiceLeft {
        account: ACCOUNT,
        guild_id: GUILD,
        asked: true,
    });
    let view = h.view("s");
    assert_eq!(
        (view.playback, view.end_reason),
        (PlaybackState::Ended, Some(EndReason::Finished))
    );
    h.edit(add(2..=2, false));
    assert_eq!(h.view("s").playback, PlaybackState::Ended);
    h.start(None);
    h.credentials("voice-2");
    assert_eq!(h.told(), (Some(2), None));
    h.skip(None);
    assert_eq!(
        h.effects.iter().filter(|effect| **effect == leave).count(),
        2
    );
}

/// Discord never confirms it, and an edit comes meanwhile: the account is given back all the same.
#[test]
fn an_account_that_leaves_is_free_in_time_whatever_is_queued_meanwhile() {
    let mut h = leaving(1);
    h.report_end("s", EndReason::Finished, None);
    h.edit(add(2..=2, false));
    h.wait(5_000);
    let call = h.create("next");
    assert!(h.answer(call).unwrap().is_ok());
}

#[test]
fn a_caller_with_a_queue_of_its_own_is_left_alone() {
    let mut h = leaving(0);
    h.play("s", 1);
    h.report("s", PlaybackState::Playing, 0);
    h.report_end("s", EndReason::Finished, None);
    assert!(h.events("queue_end").is_empty());
    assert!(h.is_leased("s"));
    assert!(
        !h.effects
            .iter()
            .any(|effect| matches!(effect, Effect::LeaveVoice { .. }))
    );
}
