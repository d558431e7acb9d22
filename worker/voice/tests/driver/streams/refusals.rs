//! A stream whose server lets nobody in, or has let somebody else in.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use discord_sim::{DiscordSimConfig, Fault, StreamFault};
use orb_voice::{CallEvent, PictureSource, Verdict};

use super::on_stream;
use crate::{
    film::Film,
    stage::{Answer, CHANNEL, Counted, GUILD, Stage, USER, stream_server},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_resume_that_is_refused_is_judged_by_its_code() {
    for code in [4006, 4009] {
        let mut stage = Stage::streaming(DiscordSimConfig::default()).await;
        let refuse = Fault::RefuseVoiceResume { times: 1, code };
        stage.sim.fault(&refuse).unwrap();
        stage.fault(&on_stream(StreamFault::Reset));
        let lost = stage
            .event_like(|event| matches!(event, CallEvent::Lost { .. }))
            .await;
        let expected = matches!(
            lost,
            CallEvent::Lost { close_code: Some(seen), verdict: Verdict::NewCredentials, .. }
                if seen == code
        );
        assert!(expected, "{lost:?}");
        stage.assert_shown_encrypted();
    }
    // The server forgot the session, and not who may be in it.
    let mut stage = Stage::streaming(DiscordSimConfig::default()).await;
    let since = Instant::now();
    let refuse = Fault::RefuseVoiceResume {
        times: 1,
        code: 4003,
    };
    stage.sim.fault(&refuse).unwrap();
    stage.fault(&on_stream(StreamFault::Reset));
    stage
        .event_like(|event| matches!(event, CallEvent::Connected { resumed: false }))
        .await;
    assert_eq!(stage.attempts(since), (2, 1, 1));
    stage.shows_for(Duration::from_millis(1_200)).await;
    stage.measured("RESUME refused with 4003", since);
    stage.assert_shown_encrypted();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_identify_that_is_refused_is_judged_by_its_code() {
    let refuse = |code| Fault::RefuseVoiceIdentify {
        times: 1,
        code,
        after: 0,
    };
    for (code, verdict) in [(4006, Verdict::NewCredentials), (4004, Verdict::Final)] {
        let mut stage = Stage::of_stream(DiscordSimConfig::default()).await;
        stage.sim.fault(&refuse(code)).unwrap();
        stage.connect();
        let lost = stage.event().await;
        let expected = matches!(
            lost,
            CallEvent::Lost { close_code: Some(seen), verdict: judged, .. }
                if seen == code && judged == verdict
        );
        assert!(expected, "{lost:?}");
        assert_eq!(stage.film().taken(), 0);
    }
    // Once more, and the film begins with its first picture.
    let mut stage = Stage::of_stream(DiscordSimConfig::default()).await;
    let since = Instant::now();
    stage.sim.fault(&refuse(4020)).unwrap();
    stage.connect();
    stage
        .event_like(|event| matches!(event, CallEvent::Connected { resumed: false }))
        .await;
    assert_eq!(stage.attempts(since), (2, 2, 0));
    stage.shows_for(Duration::from_millis(300)).await;
    stage.assert_shown_whole();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_displaced_does_not_come_back_when_the_gate_knows_of_a_successor() {
    for how in discord_sim::Displacement::ALL {
        let stage = Stage::streaming(DiscordSimConfig {
            displacement: how,
            ..DiscordSimConfig::default()
        })
        .await;
        stage.gate.set(Answer::Refuse);
        // Another worker with the same credentials, and the film from its first picture on.
        let (events, _told) = tokio::sync::mpsc::channel(64);
        let film = Arc::new(Film::default());
        let mut successor = stage.driver.stream_call(
            Arc::new(Counted::default()),
            Arc::clone(&film) as Arc<dyn PictureSource>,
            events,
        );
        let credentials = stage.sim.stream_credentials(GUILD, CHANNEL, USER).unwrap();
        let since = Instant::now();
        successor.connect(stream_server(credentials), Arc::new(orb_voice::OpenGate));
        let gap = stage
            .until("the successor's pictures are seen", |stage| {
                let seen = stage.sim.seen(GUILD);
                let [.., before, next] = &seen.connections[..] else {
                    return None;
                };
                let first = next.pictures.iter().find(|picture| picture.decodable)?;
                let last = before.pictures.iter().rfind(|picture| picture.decodable)?;
                Some(first.at.saturating_duration_since(last.at))
            })
            .await;
        println!("measured: stream: displaced ({how:?}): picture {gap:?}");
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert_eq!(
            stage.attempts(since),
            (1, 1, 0),
            "{how:?}: the successor's alone"
        );
        let seen = stage.sim.seen(GUILD);
        assert_eq!(seen.totals().in_the_clear, 0);
        // Who is displaced without being told sends under keys that are no one's any more.
        let successors = seen.connections.last().unwrap().counters;
        assert_eq!(successors.undecryptable, 0);
        let counts = successor.media_counts();
        assert_eq!((counts.pictures_again, counts.pictures_dropped), (0, 0));
    }
}
