//! The gate holds for a stream as for sound.

use std::time::{Duration, Instant};

use discord_sim::{DiscordSimConfig, StreamFault};
use orb_voice::{CallEvent, Step};

use super::on_stream;
use crate::stage::{Answer, Stage};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_gate_is_shut_nothing_is_dialled_and_the_picture_goes_on() {
    let mut stage = Stage::streaming(DiscordSimConfig::default()).await;
    stage.gate.set(Answer::Shut);
    let since = Instant::now();
    stage.fault(&on_stream(StreamFault::Reset));
    let event = stage.event().await;
    assert!(matches!(event, CallEvent::Reconnecting { .. }), "{event:?}");
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(stage.attempts(since), (0, 0, 0));
    stage.sees_a_picture_after(Instant::now()).await;
    stage.measured("gate shut during a cut", since);
    stage.gate.set(Answer::Open);
    assert_eq!(stage.event().await, CallEvent::Connected { resumed: true });
    assert_eq!(stage.attempts(since), (1, 0, 1));
    stage.assert_shown_whole();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn codes_that_ask_for_an_identify_pass_no_shut_gate() {
    for code in [4001, 4020] {
        let mut stage = Stage::streaming(DiscordSimConfig::default()).await;
        stage.gate.set(Answer::Shut);
        let since = Instant::now();
        stage.fault(&on_stream(StreamFault::Close { code }));
        let event = stage.event().await;
        assert!(
            matches!(event, CallEvent::Reconnecting { .. }),
            "{code}: {event:?}"
        );
        let taken = stage.film().taken();
        tokio::time::sleep(Duration::from_millis(500)).await;
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
