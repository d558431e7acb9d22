#![allow(clippy::unwrap_used)]
use std::task::Context;

use orb_voice::{CallEvent, Verdict};

use super::*;

struct Bench {
    driver: mpsc::Sender<CallEvent>,
    /// The same of the stream, if there is one.
    streams: Option<mpsc::Sender<CallEvent>>,
    links: Links,
    deck: Deck,
}

impl Bench {
    fn joined(revision: u64) -> Self {
        let (driver, events) = mpsc::channel(EVENTS);
        let mut links = Links::without_connection(events);
        links.begin(7, revision, false, BOTH);
        Self {
            driver,
            streams: None,
            links,
            deck: Deck::default(),
        }
    }

    fn with_stream(revision: u64) -> Self {
        let mut bench = Self::joined(revision);
        let (driver, events) = mpsc::channel(EVENTS);
        bench.links.add_stream(events);
        bench.links.begin(7, revision, true, BOTH);
        bench.streams = Some(driver);
        bench
    }

    /// Hands in what the driver says, and gives what the owner is told.
    fn told(&mut self, events: impl IntoIterator<Item = CallEvent>) -> Vec<VoiceEvent> {
        for event in events {
            self.driver.try_send(event).unwrap();
        }
        self.reads(Part::Channel)
    }

    /// The same of the stream's connection.
    fn told_of_stream(&mut self, events: impl IntoIterator<Item = CallEvent>) -> Vec<VoiceEvent> {
        for event in events {
            self.streams.as_ref().unwrap().try_send(event).unwrap();
        }
        self.reads(Part::Stream)
    }

    fn reads(&mut self, part: Part) -> Vec<VoiceEvent> {
        let context = &mut Context::from_waker(std::task::Waker::noop());
        assert!(self.links.read(part, context, &self.deck).is_pending());
        std::iter::from_fn(|| self.deck.outbox.take()).collect()
    }

    fn encryption(&self) -> Option<Encryption> {
        self.links.bearer().encryption
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

const BOTH: Anew = Anew {
    channel: true,
    stream: true,
};

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
                reason,
                stream: false
            },
        ]
    );
}

#[test]
fn what_an_older_connection_left_unread_is_not_the_newer_ones() {
    let mut bench = Bench::joined(1);
    bench.driver.try_send(lost()).unwrap();
    bench.links.begin(7, 2, false, BOTH);
    assert_eq!(bench.told([UP]), [VoiceEvent::Connected { revision: 2 }]);
}

#[test]
fn encryption_is_known_from_the_driver_and_plain_unless_it_said_otherwise() {
    let mut bench = Bench::joined(1);
    assert_eq!(bench.encryption(), None);
    bench.told([UP]);
    assert_eq!(bench.encryption(), Some(Encryption::TransportOnly));
    bench.links.begin(7, 2, false, BOTH);
    for state in [Encryption::Waiting, Encryption::EndToEnd] {
        assert_eq!(bench.told([CallEvent::Encryption(state)]), []);
        bench.told([UP]);
        assert_eq!(bench.encryption(), Some(state));
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

fn connected(revision: u64) -> VoiceEvent {
    VoiceEvent::Connected { revision }
}

#[test]
fn with_a_stream_both_have_to_stand() {
    let mut bench = Bench::with_stream(3);
    assert_eq!(bench.told([UP]), []);
    assert!(!bench.links.are_up());
    assert_eq!(bench.told_of_stream([UP]), [connected(3)]);
    assert!(bench.links.are_up());
    let mends = VoiceEvent::Reconnecting { revision: 3 };
    let told = bench.told([cut()]);
    assert_eq!(told.first(), Some(&mends));
    assert!(!bench.links.are_up());
    assert!(
        !bench.links.bearer().reconnects(),
        "the sound is on the other one"
    );
    assert_eq!(bench.told_of_stream([cut()]), [mends]);
    assert_eq!(bench.told([UP]), []);
    assert_eq!(bench.told_of_stream([UP]), [connected(3)]);
}

#[test]
fn a_loss_says_of_which_and_is_not_hidden_by_the_other_one() {
    let mut bench = Bench::with_stream(1);
    bench.told([UP]);
    bench.told_of_stream([UP]);
    let told = bench.told_of_stream([lost()]);
    assert!(
        matches!(told[..], [VoiceEvent::Lost { stream: true, .. }]),
        "{told:?}"
    );
    assert_eq!(bench.told([cut(), UP]), [], "it is still lost");
    assert!(!bench.links.are_up());
    let told = bench.told([lost()]);
    assert!(
        matches!(told[..], [VoiceEvent::Lost { stream: false, .. }]),
        "{told:?}"
    );
}

#[test]
fn what_is_kept_goes_on_under_the_new_revision() {
    let mut bench = Bench::with_stream(1);
    bench.told([UP]);
    bench.told_of_stream([UP, CallEvent::Encryption(Encryption::EndToEnd)]);
    let anew = Anew {
        channel: false,
        stream: true,
    };
    bench.links.begin(7, 2, true, anew);
    assert!(!bench.links.are_up());
    assert_eq!(bench.encryption(), None, "of the new one nothing is known");
    assert_eq!(bench.told_of_stream([UP]), [connected(2)]);
    // Nothing is left of the stream: the channel bears the sound again.
    let none = Anew {
        channel: false,
        stream: false,
    };
    bench.links.begin(7, 3, false, none);
    assert!(bench.links.are_up() && !bench.links.has_stream());
    assert_eq!(bench.encryption(), Some(Encryption::TransportOnly));
}

#[test]
fn with_a_stream_the_channel_gets_no_sound() {
    let deck = Arc::<Deck>::default();
    let frames = orb_worker_media::FrameQueue::new(Duration::from_secs(1));
    let data = bytes::Bytes::from_static(&orb_voice::OPUS_SILENCE);
    let frame = orb_worker_media::OpusFrame {
        pts_ms: 0,
        data: data.clone(),
    };
    frames.push(frame).unwrap();
    deck.clock().play(frames.into(), false);
    let in_channel = InChannel {
        deck,
        speaks: AtomicBool::new(false),
    };
    assert_eq!(in_channel.next(), NextFrame::Idle);
    in_channel.speaks.store(true, Ordering::Relaxed);
    assert_eq!(in_channel.next(), NextFrame::Opus(data));
}
