//! The gate: nothing reaches the server that it did not let pass, and an open connection goes on without it.

use std::time::{Duration, Instant};

use discord_sim::{DiscordSimConfig, Fault, StallAt};
use orb_voice::{CallEvent, Step, Verdict};

use crate::{
    faults::{close, drop_tls, reset, silence},
    stage::{Answer, Stage},
    steps::WATCH,
};

fn cuts() -> Vec<Fault> {
    let mut cuts = vec![reset(), drop_tls()];
    cuts.extend([1000, 1001, 1011, 4015].map(close));
    cuts
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shut_gate_lets_nothing_through_after_any_end_of_a_connection() {
    for cut in cuts() {
        let mut stage = Stage::connected(DiscordSimConfig::default()).await;
        stage.gate.set(Answer::Shut);
        let since = Instant::now();
        stage.fault(&cut);
        let event = stage.event().await;
        assert!(
            matches!(event, CallEvent::Reconnecting { .. }),
            "{cut:?}: {event:?}"
        );
        tokio::time::sleep(WATCH).await;
        assert_eq!(stage.attempts(since), (0, 0, 0), "{cut:?}");
        assert!(
            stage.longest_gap(since) < Duration::from_millis(500),
            "{cut:?}: sending goes on"
        );
        stage.hears_a_frame_after(since + WATCH).await;

        stage.gate.set(Answer::Open);
        assert_eq!(
            stage.event().await,
            CallEvent::Connected { resumed: true },
            "{cut:?}"
        );
        assert_eq!(stage.attempts(since), (1, 0, 1), "{cut:?}");
        stage.assert_whole_and_encrypted();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn codes_that_ask_for_an_identify_or_for_nothing_pass_no_shut_gate() {
    for code in [
        4001, 4002, 4003, 4005, 4020, 4006, 4009, 4014, 4004, 4011, 4017, 4021, 4022,
    ] {
        let mut stage = Stage::connected(DiscordSimConfig::default()).await;
        stage.gate.set(Answer::Shut);
        let since = Instant::now();
        stage.fault(&close(code));
        stage.hears_of_close(code).await;
        tokio::time::sleep(WATCH / 4).await;
        assert_eq!(stage.attempts(since), (0, 0, 0), "{code}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_falls_silent_is_not_dialled_behind_a_shut_gate() {
    let mut stage = Stage::connected(DiscordSimConfig::default()).await;
    stage.gate.set(Answer::Shut);
    let since = Instant::now();
    stage.fault(&silence());
    let event = stage.event().await;
    assert!(
        matches!(
            event,
            CallEvent::Reconnecting {
                close_code: None,
                ..
            }
        ),
        "{event:?}"
    );
    tokio::time::sleep(WATCH).await;
    assert_eq!(stage.attempts(since), (0, 0, 0));
    stage.hears_a_frame_after(Instant::now()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_gate_is_asked_again_between_the_dial_and_the_identify() {
    let mut stage = Stage::new(DiscordSimConfig::default()).await;
    // HELLO comes late: meanwhile the lease is in doubt.
    stage.stall(StallAt::Hello, Duration::from_millis(700));
    let since = Instant::now();
    stage.connect();
    stage.shuts_after_the_dial(since, Step::Identify).await;
    assert_eq!(stage.attempts(since), (1, 0, 0));
    stage.gate.set(Answer::Open);
    stage.hears_a_frame_after(since).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leave_that_has_expired_is_none() {
    let mut stage = Stage::new(DiscordSimConfig::default()).await;
    let since = stage.is_let_in_after_stale_leave().await;
    stage.hears_a_frame_after(since).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_is_the_end_of_the_connection_and_of_its_sound() {
    let mut stage = Stage::connected(DiscordSimConfig::default()).await;
    stage.gate.set(Answer::Refuse);
    let since = Instant::now();
    stage.fault(&reset());
    stage
        .event_like(|event| {
            matches!(
                event,
                CallEvent::Lost {
                    close_code: None,
                    ..
                }
            )
        })
        .await;
    let sent = stage.source.sent();
    tokio::time::sleep(WATCH / 2).await;
    assert_eq!(stage.attempts(since), (0, 0, 0));
    assert!(stage.source.sent() <= sent + 1);
    assert_eq!(stage.driver.stats().snapshot().gate_refusals, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_in_the_task_is_a_loss_and_the_end_of_its_sound_but_not_of_the_call() {
    let mut stage = Stage::connected(DiscordSimConfig::default()).await;
    stage.gate.set(Answer::Panic);
    stage.fault(&reset());
    let lost = stage
        .event_like(|event| matches!(event, CallEvent::Lost { .. }))
        .await;
    let CallEvent::Lost { verdict, .. } = lost else {
        unreachable!("waited for");
    };
    assert_eq!(verdict, Verdict::NewCredentials);
    let sent = stage.source.sent();
    tokio::time::sleep(WATCH / 2).await;
    assert!(stage.source.sent() <= sent + 1);

    stage.gate.set(Answer::Open);
    let since = Instant::now();
    stage.connect();
    stage.hears_a_frame_after(since).await;
    stage.assert_encrypted();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_dial_asks_too() {
    let mut stage = Stage::new(DiscordSimConfig::default()).await;
    stage.gate.set(Answer::Shut);
    let since = Instant::now();
    stage.connect();
    tokio::time::sleep(WATCH / 2).await;
    assert_eq!(stage.attempts(since), (0, 0, 0));
    assert_eq!(stage.gate.asked(), [Step::Dial]);
    stage.call.disconnect();
    stage.gate.set(Answer::Open);
    tokio::time::sleep(WATCH / 4).await;
    assert_eq!(
        stage.attempts(since),
        (0, 0, 0),
        "a connection that was dropped dials no more"
    );
}
