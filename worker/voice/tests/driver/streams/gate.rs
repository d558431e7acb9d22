//! The gate holds for a stream as for sound.

use std::time::{Duration, Instant};

use discord_sim::{DiscordSimConfig, StallAt, StreamFault};
use orb_voice::{CallEvent, Step};

use super::on_stream;
use crate::stage::{Answer, Stage};
use crate::steps::WATCH;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_gate_is_shut_nothing_is_dialled_and_the_picture_goes_on() {
    let cuts = [
        StreamFault::Reset,
        StreamFault::Drop,
        StreamFault::Silence,
        StreamFault::Close { code: 1001 },
        StreamFault::Close { code: 4015 },
    ];
    for cut in cuts {
        let mut stage = Stage::streaming(DiscordSimConfig::default()).await;
        stage.gate.set(Answer::Shut);
        let since = Instant::now();
        stage.fault(&on_stream(cut));
        let event = stage.event().await;
        assert!(
            matches!(event, CallEvent::Reconnecting { .. }),
            "{cut:?}: {event:?}"
        );
        tokio::time::sleep(WATCH).await;
        assert_eq!(stage.attempts(since), (0, 0, 0), "{cut:?}");
        stage.sees_a_picture_after(Instant::now()).await;
        stage.measured(&format!("gate shut after {cut:?}"), since);
        stage.gate.set(Answer::Open);
        assert_eq!(
            stage.event().await,
            CallEvent::Connected { resumed: true },
            "{cut:?}"
        );
        assert_eq!(stage.attempts(since), (1, 0, 1), "{cut:?}");
        stage.assert_shown_whole();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_gate_is_asked_again_between_the_dial_and_what_follows() {
    // HELLO comes late: meanwhile the lease is in doubt.
    let late = Duration::from_millis(700);
    let mut stage = Stage::of_stream(DiscordSimConfig::default()).await;
    stage.stall(StallAt::Hello, late);
    let since = Instant::now();
    stage.connect();
    stage.shuts_after_the_dial(since, Step::Identify).await;
    assert_eq!(stage.attempts(since), (1, 0, 0));
    assert_eq!(stage.film().taken(), 0);
    stage.gate.set(Answer::Open);
    stage
        .event_like(|event| matches!(event, CallEvent::Connected { resumed: false }))
        .await;
    stage.sees_a_picture_after(since).await;

    stage.stall(StallAt::Hello, late);
    let since = Instant::now();
    stage.fault(&on_stream(StreamFault::Reset));
    stage.shuts_after_the_dial(since, Step::Resume).await;
    assert_eq!(stage.attempts(since), (1, 0, 0));
    stage.sees_a_picture_after(Instant::now()).await;
    stage.gate.set(Answer::Open);
    stage
        .event_like(|event| matches!(event, CallEvent::Connected { resumed: true }))
        .await;
    assert_eq!(stage.attempts(since), (1, 0, 1));
    stage.assert_shown_whole();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leave_that_has_expired_is_none() {
    let mut stage = Stage::of_stream(DiscordSimConfig::default()).await;
    let since = stage.is_let_in_after_stale_leave().await;
    stage.sees_a_picture_after(since).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_is_the_end_of_the_connection_and_of_its_picture() {
    let mut stage = Stage::streaming(DiscordSimConfig::default()).await;
    stage.gate.set(Answer::Refuse);
    let since = Instant::now();
    stage.fault(&on_stream(StreamFault::Reset));
    stage
        .event_like(|event| matches!(event, CallEvent::Lost { .. }))
        .await;
    let (taken, sent) = (stage.film().taken(), stage.source.sent());
    tokio::time::sleep(WATCH / 2).await;
    assert_eq!(stage.attempts(since), (0, 0, 0));
    assert!(stage.film().taken() <= taken + 1);
    assert!(stage.source.sent() <= sent + 1);
    stage.assert_shown_whole();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn codes_that_ask_for_an_identify_or_for_nothing_pass_no_shut_gate() {
    for code in [
        4001, 4002, 4003, 4005, 4020, 4006, 4009, 4014, 4004, 4011, 4017, 4021, 4022,
    ] {
        let mut stage = Stage::streaming(DiscordSimConfig::default()).await;
        stage.gate.set(Answer::Shut);
        let since = Instant::now();
        stage.fault(&on_stream(StreamFault::Close { code }));
        stage.hears_of_close(code).await;
        let taken = stage.film().taken();
        tokio::time::sleep(WATCH / 4).await;
        assert_eq!(stage.attempts(since), (0, 0, 0), "{code}");
        assert!(stage.film().taken() <= taken + 1, "{code}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_dial_asks_and_a_refusal_is_the_end() {
    let mut stage = Stage::of_stream(DiscordSimConfig::default()).await;
    stage.gate.set(Answer::Shut);
    let since = Instant::now();
    stage.connect();
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(stage.attempts(since), (0, 0, 0));
    assert_eq!(stage.gate.asked(), [Step::Dial]);
    stage.gate.set(Answer::Refuse);
    let lost = stage.event().await;
    assert!(
        matches!(
            lost,
            CallEvent::Lost {
                close_code: None,
                ..
            }
        ),
        "{lost:?}"
    );
    assert_eq!(stage.attempts(since), (0, 0, 0));
    assert_eq!(stage.film().taken(), 0);
}
