//! Parties that nobody watches, and sessions that nobody asks for any more.

use crate::harness::{ACCOUNT, GUILD, Harness};
use orb_scheduler_core::{
    Action, Effect, EndReason, Event, FORGET_AFTER_MS, PlaybackState, SessionId, WorkerStatus,
    Write,
};

const CHANNEL: u64 = 456;
const EMPTY_LEAVE_MS: u64 = 120_000;

impl Harness {
    fn audience(&mut self, channel_id: u64, people: u32) {
        self.event(Event::Audience {
            account: ACCOUNT,
            guild_id: GUILD,
            channel_id,
            people,
        });
    }

    /// Time passes, and the worker beats.
    fn play_on(&mut self, milliseconds: u64) {
        for _ in 0..milliseconds / 1_000 {
            self.wait(1_000);
            self.beat(vec![]);
        }
    }

    fn left(&mut self) {
        self.event(Event::VoiceLeft {
            account: ACCOUNT,
            guild_id: GUILD,
            asked: true,
        });
    }

    fn has_event(&self, event_type: &str) -> bool {
        self.writes
            .iter()
            .any(|write| matches!(write, Write::Event(row) if row.event_type == event_type))
    }

    fn is_in_memory(&self, session: &str) -> bool {
        self.scheduler.knows(&SessionId::new(session))
    }
}

#[test]
fn a_party_without_anybody_is_stopped_and_says_why() {
    let mut h = Harness::playing();
    h.audience(CHANNEL, 2);
    h.audience(CHANNEL, 0);
    h.play_on(EMPTY_LEAVE_MS - 1_000);
    h.audience(CHANNEL, 0);
    assert_ne!(h.view("s").playback, PlaybackState::Stopped);
    h.play_on(1_000);
    let view = h.view("s");
    assert_eq!(
        (view.playback, view.end_reason, view.worker_status),
        (
            PlaybackState::Stopped,
            Some(EndReason::Stopped),
            WorkerStatus::Disconnected
        )
    );
    assert!(h.has_event("empty_leave"));
    assert!(h.effects.contains(&Effect::LeaveVoice {
        account: ACCOUNT,
        guild_id: GUILD
    }));
}

#[test]
fn somebody_who_comes_back_in_time_keeps_it() {
    let mut h = Harness::playing();
    h.audience(CHANNEL, 0);
    h.play_on(EMPTY_LEAVE_MS - 1_000);
    h.audience(CHANNEL, 1);
    h.play_on(EMPTY_LEAVE_MS);
    assert_ne!(h.view("s").playback, PlaybackState::Stopped);
    // The time begins anew with the next absence.
    h.audience(CHANNEL, 0);
    h.play_on(EMPTY_LEAVE_MS - 1_000);
    assert_ne!(h.view("s").playback, PlaybackState::Stopped);
    h.play_on(1_000);
    assert_eq!(h.view("s").playback, PlaybackState::Stopped);
}

#[test]
fn an_empty_channel_that_was_left_does_not_count() {
    let mut h = Harness::playing();
    h.audience(CHANNEL, 0);
    let mut moved = crate::harness::credentials("voice-2");
    moved.channel_id = 999;
    h.event(Event::Credentials {
        account: ACCOUNT,
        credentials: moved,
    });
    h.audience(CHANNEL, 0);
    h.play_on(EMPTY_LEAVE_MS + 1_000);
    assert_ne!(h.view("s").playback, PlaybackState::Stopped);
    assert!(!h.has_event("empty_leave"));
}

#[test]
fn the_absence_of_one_party_is_not_held_against_the_next() {
    let mut h = Harness::playing();
    h.audience(CHANNEL, 0);
    h.play_on(EMPTY_LEAVE_MS - 2_000);
    h.control("s", Action::Stop);
    h.left();
    h.play("s", 2);
    h.credentials("voice-2");
    h.play_on(10_000);
    assert_ne!(h.view("s").playback, PlaybackState::Stopped);
}

#[test]
fn a_session_that_is_over_leaves_memory_and_goes_on_where_it_was_when_called_for() {
    let mut h = Harness::playing();
    h.control("s", Action::Stop);
    h.play_on(FORGET_AFTER_MS - 1_000);
    assert!(
        h.is_in_memory("s"),
        "it holds its account until it has left"
    );
    h.left();
    let before = h.view("s");
    h.play_on(FORGET_AFTER_MS);
    assert!(!h.is_in_memory("s"));
    assert!(h.effects.contains(&Effect::Forgotten(SessionId::new("s"))));
    let row = h.tables.session(&SessionId::new("s")).unwrap().view();
    assert_eq!(row, before, "a reader of the row sees the same");

    let again = h.create("s");
    assert!(!h.answer(again).unwrap().unwrap().created, "200, not 201");
    h.play("s", 2);
    assert_eq!(h.lease("s").0.token.get(), 2, "tokens never start again");
    h.play_on(FORGET_AFTER_MS);
    assert!(h.is_in_memory("s"), "it plays");
}

#[test]
fn what_is_alive_is_never_forgotten() {
    let mut h = Harness::playing();
    h.play_on(FORGET_AFTER_MS + 10_000);
    assert!(h.is_in_memory("s"));
    h.control("s", Action::Stop);
    h.left();
    h.play_on(FORGET_AFTER_MS - 10_000);
    h.play("s", 2);
    h.control("s", Action::Stop);
    h.left();
    h.play_on(20_000);
    assert!(
        h.is_in_memory("s"),
        "the time begins anew with the last end"
    );
}

#[test]
fn a_leader_that_begins_does_not_load_what_is_long_over() {
    let mut h = Harness::playing();
    h.control("s", Action::Stop);
    h.left();
    h.play_on(1_000);
    // It ended at time 0.
    let mut h = h.restart_at(FORGET_AFTER_MS - 1);
    assert!(h.is_in_memory("s"), "not long enough");
    h.wait(FORGET_AFTER_MS);
    assert!(!h.is_in_memory("s"));

    let mut h = Harness::playing();
    h.control("s", Action::Stop);
    h.left();
    let h = h.restart_at(FORGET_AFTER_MS);
    assert!(!h.is_in_memory("s"));
}
