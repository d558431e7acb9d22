#![allow(clippy::unwrap_used)]
use orb_voice::Verdict;

use super::*;

struct Bench {
    driver: mpsc::Sender<CallEvent>,
    link: Link,
    deck: Deck,
}

impl Bench {
    fn joined(revision: u64) -> Self {
        let (driver, events) = mpsc::channel(EVENTS);
        let mut link = Link::without_connection(events);
        link.begin(7, revision);
        Self {
            driver,
            link,
            deck: Deck::default(),
        }
    }

    /// Hands in what the driver says, and gives what the owner is told.
    fn told(&mut self, events: impl IntoIterator<Item = CallEvent>) -> Vec<VoiceEvent> {
        for event in events {
            self.driver.try_send(event).unwrap();
        }
        let context = &mut Context::from_waker(std::task::Waker::noop());
        assert!(self.link.read(context, &self.deck).is_pending());
        std::iter::from_fn(|| self.deck.outbox.take()).collect()
    }
}

fn cut() -> CallEvent {
    CallEvent::Reconnecting {
        close_code: None,
        reason: "reset".into(),
    }
}

fn lost() -> CallEvent {
    CallEvent::Lost {
        close_code: Some(4006),
        verdict: Verdict::NewCredentials,
        reason: "closed with 4006".into(),
    }
}

const UP: CallEvent = CallEvent::Connected { resumed: false };

#[test]
fn the_drivers_events_become_the_owners_under_the_revision() {
    let mut bench = Bench::joined(3);
    let told = bench.told([UP, cut(), UP, lost()]);
    let reason = "the voice connection was given up: closed with 4006".to_owned();
    assert_eq!(
        told,
        [
            VoiceEvent::Connected { revision: 3 },
            VoiceEvent::Reconnecting { revision: 3 },
            VoiceEvent::Connected { revision: 3 },
            VoiceEvent::Lost {
                revision: 3,
                close_code: Some(4006),
                reason
            },
        ]
    );
}

#[test]
fn what_an_older_connection_left_unread_is_not_the_newer_ones() {
    let mut bench = Bench::joined(1);
    bench.driver.try_send(lost()).unwrap();
    bench.link.begin(7, 2);
    assert_eq!(bench.told([UP]), [VoiceEvent::Connected { revision: 2 }]);
}

#[test]
fn encryption_is_known_from_the_driver_and_plain_unless_it_said_otherwise() {
    let mut bench = Bench::joined(1);
    assert_eq!(bench.link.encryption, None);
    bench.told([UP]);
    assert_eq!(bench.link.encryption, Some(Encryption::TransportOnly));
    bench.link.begin(7, 2);
    for state in [Encryption::Waiting, Encryption::EndToEnd] {
        assert_eq!(bench.told([CallEvent::Encryption(state)]), []);
        bench.told([UP]);
        assert_eq!(bench.link.encryption, Some(state));
    }
}

#[test]
fn nobody_is_asked_again_while_there_is_nothing_to_play() {
    let deck = Deck::default();
    let frames = orb_worker_media::FrameQueue::new(Duration::from_secs(1));
    let next = || FrameSource::next(&deck);
    assert_eq!(next(), NextFrame::Idle, "no film");
    deck.clock().play(Arc::clone(&frames).into(), false);
    assert_eq!(next(), NextFrame::Idle, "it has not begun");
    let data = bytes::Bytes::from_static(&orb_voice::OPUS_SILENCE);
    let frame = orb_worker_media::OpusFrame {
        pts_ms: 0,
        data: data.clone(),
    };
    frames.push(frame).unwrap();
    deck.clock().pause();
    assert_eq!(next(), NextFrame::Idle, "paused");
    deck.clock().resume();
    assert_eq!(next(), NextFrame::Opus(data));
    assert_eq!(next(), NextFrame::Missing, "starved");
    frames.finish();
    assert_eq!(next(), NextFrame::Idle, "over");
}
