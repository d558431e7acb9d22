//! Leases, take-over, restarts, voice loss.

use crate::harness::{ACCOUNT, GUILD, Harness};
use orb_scheduler_core::{
    Action, Effect, EndReason, Event, Incarnation, Millis, Now, PlaybackState, WorkerId,
    WorkerStatus,
};

fn grants(h: &Harness) -> Vec<(u64, String)> {
    let mut grants: Vec<(u64, String)> = h
        .effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::SendLease { worker, fence, .. } => {
                Some((fence.token.get(), worker.to_string()))
            }
            _ => None,
        })
        .collect();
    grants.dedup();
    grants
}

#[test]
fn a_silent_worker_loses_its_session_to_another_at_the_same_second() {
    let mut h = Harness::playing();
    h.attach("w2", "life-2", vec![]);
    h.wait(1_000);
    h.report("s", PlaybackState::Playing, 1_000);
    for _ in 0..3 {
        h.wait(1_000);
        h.beat_of("w2", "life-2", vec![]);
    }
    let (fence, desired, voice) = h.lease("s");
    assert_eq!(grants(&h), [(1, "w1".to_owned()), (2, "w2".to_owned())]);
    assert_eq!(
        desired.anchor.set_at, fence.generation,
        "the new worker moves to the anchor"
    );
    assert_eq!(
        desired.anchor.position_ms, 1_000,
        "after silence the last report counts: what came later may not have been heard"
    );
    assert_eq!(
        voice.unwrap().token,
        "voice-1",
        "the bot does not leave the channel"
    );
}

#[test]
fn the_old_holder_is_told_to_forget_and_its_words_change_nothing() {
    let mut h = Harness::playing();
    let stale = h.observed("s", PlaybackState::Ended, 60_000);
    h.attach("w2", "life-2", vec![]);
    h.event(Event::Detached {
        worker: WorkerId::new("w1"),
        incarnation: Incarnation::new("life-1"),
    });
    h.wait(150);
    assert_eq!(h.lease("s").0.token.get(), 2);
    h.effects.clear();
    h.attach("w1", "life-1", vec![stale]);
    assert!(
        matches!(&h.effects[0], Effect::SendRevoke { worker, fence, .. } if worker.as_str() == "w1" && fence.token.get() == 2)
    );
    assert_ne!(h.view("s").playback, PlaybackState::Ended);
}

#[test]
fn a_healthy_worker_that_attaches_again_keeps_its_session() {
    let mut h = Harness::playing();
    h.attach("w2", "life-2", vec![]);
    let observed = h.observed("s", PlaybackState::Playing, 500);
    h.event(Event::Detached {
        worker: WorkerId::new("w1"),
        incarnation: Incarnation::new("life-1"),
    });
    h.wait(100);
    h.attach("w1", "life-1", vec![observed]);
    h.wait(1_000);
    assert_eq!(h.lease("s").0.token.get(), 1);
}

#[test]
fn two_processes_with_one_id_the_second_is_refused_while_the_first_is_heard() {
    let mut h = Harness::playing();
    let step = h.attach("w1", "life-2", vec![]);
    assert!(matches!(step.effects[..], [Effect::RefuseWorker { .. }]));
    assert_eq!(h.lease("s").0.token.get(), 1);
}

#[test]
fn a_restarted_worker_is_a_new_one() {
    let mut h = Harness::playing();
    h.wait(500);
    h.event(Event::Detached {
        worker: WorkerId::new("w1"),
        incarnation: Incarnation::new("life-1"),
    });
    h.wait(10_000);
    h.attach("w1", "life-2", vec![]);
    let (fence, desired, _) = h.lease("s");
    assert_eq!(fence.token.get(), 2);
    assert!(desired.current.is_some());
}

#[test]
fn after_a_restart_of_the_scheduler_a_playing_session_plays_on_untouched() {
    let h = Harness::playing();
    let mut observed = h.observed("s", PlaybackState::Playing, 4_000);
    let mut h = h.restart();
    assert_eq!(
        h.view("s").playback,
        PlaybackState::Loading,
        "nobody knows yet"
    );
    assert_eq!(h.view("s").worker_status, WorkerStatus::Reconnecting);
    h.attach("w2", "life-2", vec![]);
    h.wait(3_000);
    h.beat_of("w2", "life-2", vec![]);
    observed.position.at = orb_scheduler_core::Millis(h.now);
    h.attach("w1", "life-1", vec![observed]);
    let (fence, ..) = h.lease("s");
    assert_eq!(
        (fence.token.get(), fence.epoch.get()),
        (1, 2),
        "the same lease, under the new leader"
    );
    assert_eq!(h.view("s").playback, PlaybackState::Playing);
    assert_eq!(h.view("s").position.media_ms, 4_000);
}

#[test]
fn after_the_grace_a_silent_lease_goes_elsewhere() {
    let mut h = Harness::playing().restart();
    h.attach("w2", "life-2", vec![]);
    for _ in 0..9 {
        h.wait(1_000);
        h.beat_of("w2", "life-2", vec![]);
    }
    assert!(grants(&h).is_empty(), "unknown is not suspect");
    h.wait(1_000);
    assert_eq!(h.lease("s").0.token.get(), 2);
}

#[test]
fn a_lost_voice_session_gets_fresh_credentials() {
    for code in [4006, 4009, 4015] {
        let mut h = Harness::playing();
        h.report_loss("s", code);
        assert!(
            h.effects.contains(&Effect::RefreshVoice {
                account: ACCOUNT,
                guild_id: GUILD
            }),
            "{code}"
        );
        assert_eq!(h.view("s").worker_status, WorkerStatus::Reconnecting);
        h.effects.clear();
        h.report_loss_again_and_expect_nothing();
        h.credentials("voice-2");
        assert_eq!(h.lease("s").2.unwrap().token, "voice-2");
    }
}

#[test]
fn a_kick_ends_the_party_with_a_reason_and_is_not_fought() {
    let mut h = Harness::playing();
    h.report_loss("s", 4014);
    h.event(Event::VoiceLeft {
        account: ACCOUNT,
        guild_id: GUILD,
        asked: false,
    });
    h.wait(20_000);
    assert!(
        !h.effects
            .iter()
            .any(|e| matches!(e, Effect::RefreshVoice { .. }))
    );
    let view = h.view("s");
    assert_eq!(
        (view.playback, view.end_reason),
        (PlaybackState::Stopped, Some(EndReason::Stopped))
    );
    assert_eq!(view.last_error.unwrap().code, "voice_kicked");
    assert_eq!(view.worker_status, WorkerStatus::Disconnected);
}

#[test]
fn a_move_goes_on_in_the_new_channel() {
    let mut h = Harness::playing();
    h.report_loss("s", 4014);
    let mut moved = crate::harness::credentials("voice-2");
    moved.channel_id = 999;
    h.event(Event::Credentials {
        account: ACCOUNT,
        credentials: moved,
    });
    h.wait(6_000);
    assert_eq!(h.lease("s").2.unwrap().channel_id, 999);
    assert!(
        !h.effects
            .iter()
            .any(|e| matches!(e, Effect::RefreshVoice { .. }))
    );
}

#[test]
fn voice_that_is_refused_again_and_again_is_given_up_and_said() {
    let mut h = Harness::playing();
    for round in 0..6 {
        h.report_loss("s", 4006);
        h.credentials(&format!("voice-{}", round + 2));
    }
    let refreshes = h
        .effects
        .iter()
        .filter(|e| matches!(e, Effect::RefreshVoice { .. }))
        .count();
    assert_eq!(refreshes, 5);
    assert_eq!(h.view("s").last_error.unwrap().code, "voice_refused");
}

#[test]
fn an_acknowledged_pause_survives_a_restart_of_the_scheduler() {
    let mut h = Harness::playing();
    h.control("s", Action::Pause);
    let h = h.restart();
    assert!(h.scheduler.views(Now::default()).len() == 1);
    let mut h = h;
    h.wait(11_000);
    h.attach("w9", "life-9", vec![]);
    assert!(h.lease("s").1.paused);
}

impl Harness {
    fn report_loss_again_and_expect_nothing(&mut self) {
        let revision = 2;
        let mut observed = self.scheduler_observed("s");
        observed.voice_loss = Some(orb_scheduler_core::VoiceLoss {
            revision,
            close_code: Some(4006),
            stream: false,
        });
        self.beat(vec![observed]);
        assert!(
            !self
                .effects
                .iter()
                .any(|e| matches!(e, Effect::RefreshVoice { .. })),
            "judged already"
        );
    }

    fn scheduler_observed(&mut self, session: &str) -> orb_scheduler_core::Observed {
        // Any control sends the lease again, which the helper reads the fence from.
        self.control(session, Action::Pause);
        self.observed(session, PlaybackState::Paused, 1_000)
    }
}

#[test]
fn a_reset_stream_counts_up_to_the_moment_of_loss_and_no_further() {
    let mut h = Harness::playing();
    h.wait(1_000);
    h.event(Event::Detached {
        worker: WorkerId::new("w1"),
        incarnation: Incarnation::new("life-1"),
    });
    h.wait(30_000);
    assert_eq!(h.view("s").position.at(Millis(h.now)), 1_000);
    h.attach("w2", "life-2", vec![]);
    assert_eq!(h.lease("s").1.anchor.position_ms, 1_000);
}

#[test]
fn a_worker_that_this_leader_has_seen_die_is_not_waited_for() {
    let h = Harness::playing();
    let observed = h.observed("s", PlaybackState::Playing, 4_000);
    let mut h = h.restart();
    h.attach("w1", "life-1", vec![observed]);
    h.event(Event::Detached {
        worker: WorkerId::new("w1"),
        incarnation: Incarnation::new("life-1"),
    });
    h.wait(500);
    h.attach("w1", "life-2", vec![]);
    assert_eq!(
        h.lease("s").0.token.get(),
        2,
        "at once, although the grace is not over"
    );
}
