#![allow(clippy::unwrap_used)]

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::{News, Step, VoiceTiming, wire::Numbered};

const HELLO: &str = r#"{"op":8,"d":{"heartbeat_interval":13750}}"#;
const READY: &str = r#"{"op":2,"seq":0,"d":{"ssrc":5,"ip":"127.0.0.1","port":9,"modes":[],
    "streams":[{"type":"screen","rid":"100","ssrc":6,"rtx_ssrc":7,"quality":100,"active":false}]}}"#;
const DESCRIPTION: &str = r#"{"op":4,"seq":1,"d":{"sdp":"m=audio 9 ICE/SDP\n","audio_codec":"opus",
    "video_codec":"H264","media_session_id":"x","dave_protocol_version":1}}"#;

struct Talk {
    machine: Signalling,
    now: Instant,
}

impl Talk {
    fn new() -> Self {
        let mut talk = Self {
            machine: Signalling::for_stream(VoiceTiming::default(), 1),
            now: Instant::now(),
        };
        talk.machine.start(talk.now);
        talk
    }

    fn message(&mut self, text: &str) {
        let numbered = Numbered::from_text(text).unwrap();
        self.machine.received(numbered, self.now);
    }

    fn pass(&mut self, step: Step) {
        self.machine.gate_passed(step, self.now);
    }

    fn greet(&mut self) {
        self.pass(Step::Dial);
        self.machine.opened();
        self.message(HELLO);
    }

    fn offer(&mut self) {
        self.machine.offered(Offer {
            sdp: "a=ice-ufrag:x\n".to_owned(),
            connection: uuid::Uuid::nil(),
        });
    }

    /// The description has come; the path is not open yet.
    fn opening() -> Self {
        let mut talk = Self::new();
        talk.greet();
        talk.pass(Step::Identify);
        talk.message(READY);
        talk.offer();
        talk.message(DESCRIPTION);
        talk
    }

    fn up() -> Self {
        let mut talk = Self::opening();
        talk.machine.media_opened();
        talk.outputs();
        talk
    }

    fn outputs(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.machine.next_output())
            .map(|output| match output {
                Output::Ask(step) => format!("ask {step:?}"),
                Output::Send(message) => format!("send {message:?}"),
                Output::Offer { ssrc, pictures, .. } => {
                    format!("offer {ssrc} {} {}", pictures.ssrc, pictures.rtx)
                }
                Output::Media(MediaPath {
                    ssrc,
                    transport: Transport::WebRtc { answer },
                    ..
                }) => format!("media {ssrc} {}", answer.trim_end()),
                Output::News(News::Up { resumed }) => format!("up {resumed}"),
                Output::News(News::Cut { end }) => format!("cut {:?}", end.code),
                Output::News(News::Lost { end }) => format!("lost: {}", end.reason),
                Output::Roster(_) => "roster".to_owned(),
                Output::Dave(_) => "dave".to_owned(),
                Output::Wants(wants) => format!("wants {:?}", wants.pixels),
                other => format!("{other:?}").to_lowercase(),
            })
            .collect()
    }
}

#[test]
fn a_stream_is_up_when_its_path_is_open() {
    let mut talk = Talk::opening();
    let expected = [
        "ask Dial",
        "dial",
        "ask Identify",
        "hold",
        "roster",
        "send Identify",
        "offer 5 6 7",
        "send SelectWebRtc",
        "media 5 m=audio 9 ICE/SDP",
        "send Speaking",
        "send SinkWants",
    ];
    assert_eq!(talk.outputs(), expected);
    assert!(talk.machine.may_say());
    let key = Numbered::from_binary(&[0, 2, 25, 1]).unwrap();
    talk.machine.received(key, talk.now);
    assert_eq!(talk.outputs(), ["dave"], "the group need not wait for it");
    talk.machine.media_opened();
    assert_eq!(talk.outputs(), ["release", "up false"]);
    talk.machine.media_opened();
    assert!(talk.outputs().is_empty(), "once");
}

#[test]
fn a_path_that_does_not_open_is_an_attempt_that_failed() {
    let mut talk = Talk::opening();
    talk.outputs();
    talk.now += VoiceTiming::default().attempt;
    talk.machine.timeout(talk.now);
    assert_eq!(talk.outputs(), ["drop"]);
    talk.now = talk.machine.next_timeout().unwrap();
    talk.machine.timeout(talk.now);
    talk.greet();
    assert_eq!(talk.outputs(), ["ask Dial", "dial", "ask Identify"]);
}

#[test]
fn a_cut_before_the_path_is_open_is_identified_anew() {
    let mut talk = Talk::opening();
    talk.outputs();
    talk.machine.ended(End::broken("reset"), talk.now);
    talk.now = talk.machine.next_timeout().unwrap();
    talk.machine.timeout(talk.now);
    talk.greet();
    assert_eq!(talk.outputs(), ["drop", "ask Dial", "dial", "ask Identify"]);
    talk.machine.media_opened();
    assert!(talk.outputs().is_empty(), "the path is an old one");
}

#[test]
fn a_path_that_broke_is_made_anew_and_media_waits() {
    let mut talk = Talk::up();
    talk.machine.media_lost(talk.now);
    assert_eq!(talk.outputs(), ["hold", "drop", "cut None", "ask Dial"]);
    talk.machine.media_lost(talk.now);
    assert!(
        talk.outputs().is_empty(),
        "what is under way is not broken off"
    );
    talk.greet();
    assert_eq!(talk.outputs(), ["dial", "ask Identify"]);
}

#[test]
fn a_cut_is_resumed_and_the_path_stays() {
    let mut talk = Talk::up();
    talk.machine.ended(End::broken("reset"), talk.now);
    talk.greet();
    talk.pass(Step::Resume);
    talk.message(r#"{"op":9,"d":null}"#);
    assert_eq!(
        talk.outputs(),
        [
            "drop",
            "cut None",
            "ask Dial",
            "dial",
            "ask Resume",
            "send Resume",
            "up true"
        ]
    );
}

#[test]
fn a_server_that_does_not_do_what_was_asked_for_is_left() {
    let lost = |ready: &str, description: Option<&str>| {
        let mut talk = Talk::new();
        talk.greet();
        talk.pass(Step::Identify);
        talk.message(ready);
        talk.offer();
        if let Some(description) = description {
            talk.message(description);
        }
        assert!(talk.machine.is_over());
        talk.outputs().pop().unwrap()
    };
    let no_place = READY.replace("\"streams\"", "\"others\"");
    assert_eq!(lost(&no_place, None), "lost: it has no place for a picture");
    let other_codec = DESCRIPTION.replace("H264", "VP8");
    assert_eq!(
        lost(READY, Some(&other_codec)),
        "lost: it chose a picture codec that was not offered"
    );
    let key = vec!["1"; 32].join(",");
    let udp =
        format!(r#"{{"op":4,"d":{{"mode":"aead_aes256_gcm_rtpsize","secret_key":[{key}]}}}}"#);
    assert_eq!(
        lost(READY, Some(&udp)),
        "lost: it chose a protocol that was not asked for"
    );
}

#[test]
fn a_voice_channel_is_not_spoken_to_by_webrtc() {
    let mut machine = Signalling::new(VoiceTiming::default(), 1);
    let now = Instant::now();
    machine.start(now);
    machine.gate_passed(Step::Dial, now);
    machine.opened();
    let mut say = |text: &str| machine.received(Numbered::from_text(text).unwrap(), now);
    say(HELLO);
    machine.gate_passed(Step::Identify, now);
    let mut say = |text: &str| machine.received(Numbered::from_text(text).unwrap(), now);
    say(&READY.replace("\"modes\":[]", r#""modes":["aead_aes256_gcm_rtpsize"]"#));
    machine.discovered("10.0.0.1:7".parse().unwrap());
    machine.received(Numbered::from_text(DESCRIPTION).unwrap(), now);
    assert!(machine.is_over());
}

#[test]
fn what_viewers_want_of_the_pictures_is_told_and_of_others_is_not() {
    let mut talk = Talk::new();
    talk.greet();
    talk.outputs();
    talk.message(r#"{"op":15,"d":{"pixelCounts":{"6":100}}}"#);
    assert!(talk.outputs().is_empty(), "there are no pictures yet");
    let mut talk = Talk::up();
    talk.message(r#"{"op":15,"d":{"any":100,"pixelCounts":{"6":230400,"9":1}}}"#);
    talk.message(r#"{"op":15,"d":{"any":100}}"#);
    assert_eq!(talk.outputs(), ["wants Some(230400)", "wants None"]);
    talk.message(r#"{"op":14,"d":{"video_codec":"AV1"}}"#);
    talk.message(r#"{"op":12,"d":{"user_id":"1","video_ssrc":8,"streams":[]}}"#);
    assert!(talk.outputs().is_empty());
}

#[derive(Clone, Debug)]
enum Happening {
    Pass,
    Opened,
    Message(&'static str),
    Offered,
    MediaOpened,
    MediaLost,
    End(Option<u16>),
    Time(u64),
}

fn happenings() -> impl Strategy<Value = Vec<Happening>> {
    let text = prop_oneof![
        Just(HELLO),
        Just(READY),
        Just(DESCRIPTION),
        Just(r#"{"op":9,"d":null}"#),
        Just(r#"{"op":15,"d":{"pixelCounts":{"6":1}}}"#),
    ];
    let code = prop_oneof![Just(None), (4000_u16..4023).prop_map(Some)];
    let one = prop_oneof![
        6 => Just(Happening::Pass),
        4 => Just(Happening::Opened),
        8 => text.prop_map(Happening::Message),
        4 => Just(Happening::Offered),
        4 => Just(Happening::MediaOpened),
        1 => Just(Happening::MediaLost),
        1 => code.prop_map(Happening::End),
        2 => (0_u64..6000).prop_map(Happening::Time),
    ];
    proptest::collection::vec(one, 0..80)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Whatever happens in whatever order: each dial, IDENTIFY and RESUME had its leave from the gate; media is held unless
    /// a path is open that belongs to the session.
    #[test]
    fn a_stream_passes_nothing_without_the_gate_and_sends_on_no_path_but_its_own(happenings in happenings()) {
        let mut talk = Talk::new();
        let mut asked = None;
        let (mut has_path, mut is_open, mut held) = (false, false, false);
        for happening in happenings {
            let mut leave = None;
            match happening {
                Happening::Pass => {
                    if let Some(step) = asked.take() {
                        leave = Some(step);
                        talk.pass(step);
                    }
                }
                Happening::Opened => talk.machine.opened(),
                Happening::Message(text) => talk.message(text),
                Happening::Offered => talk.offer(),
                Happening::MediaOpened => {
                    // The shell looks at the present path alone.
                    if has_path {
                        is_open = true;
                        talk.machine.media_opened();
                    }
                }
                Happening::MediaLost => {
                    if has_path {
                        is_open = false;
                        talk.machine.media_lost(talk.now);
                    }
                }
                Happening::End(code) => {
                    let end = code.map_or_else(|| End::broken("reset"), End::closed);
                    talk.machine.ended(end, talk.now);
                }
                Happening::Time(ms) => {
                    talk.now += Duration::from_millis(ms);
                    talk.machine.timeout(talk.now);
                }
            }
            let mut identified = false;
            for output in std::iter::from_fn(|| talk.machine.next_output()) {
                let step = match &output {
                    Output::Ask(step) => { asked = Some(*step); None }
                    Output::Drop => { asked = None; None }
                    Output::Dial => Some(Step::Dial),
                    Output::Send(ClientMessage::Identify) => { identified = true; Some(Step::Identify) }
                    Output::Send(ClientMessage::Resume { .. }) => Some(Step::Resume),
                    Output::Media(_) => { (has_path, is_open) = (true, false); None }
                    Output::Hold => { held = true; None }
                    Output::Release => {
                        prop_assert!(held && is_open, "released without a path");
                        held = false;
                        None
                    }
                    _ => None,
                };
                if let Some(step) = step {
                    prop_assert_eq!(leave.take(), Some(step));
                }
            }
            prop_assert!(!identified || held, "a new session, and the old path is in use");
        }
    }
}
