#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

/// A machine with a clock of its own.
struct Talk {
    machine: Signalling,
    now: Instant,
}

impl Talk {
    fn new() -> Self {
        let mut talk = Self {
            machine: Signalling::new(VoiceTiming::default(), 1),
            now: Instant::now(),
        };
        talk.machine.start(talk.now);
        talk
    }

    fn outputs(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.machine.next_output())
            .map(|output| match output {
                Output::Ask(step) => format!("ask {step:?}"),
                Output::Send(message) => format!("send {message:?}"),
                Output::Media(path) => format!("media {}", path.ssrc),
                Output::News(News::Up { resumed }) => format!("up {resumed}"),
                Output::News(News::Cut { end }) => format!("cut {:?}", end.code),
                Output::News(News::Lost { end }) => format!("lost {:?}", end.code),
                Output::Discover { .. } => "discover".to_owned(),
                Output::Roster(_) => "roster".to_owned(),
                Output::Dave(_) => "dave".to_owned(),
                other => format!("{other:?}").to_lowercase(),
            })
            .collect()
    }

    fn message(&mut self, text: &str) {
        let numbered = Numbered::from_text(text).unwrap();
        self.machine.received(numbered, self.now);
    }

    fn pass(&mut self, step: Step) {
        self.machine.gate_passed(step, self.now);
    }

    fn end(&mut self, code: Option<u16>) {
        let end = code.map_or_else(|| End::broken("reset"), End::closed);
        self.machine.ended(end, self.now);
    }

    /// Moves the clock to the next time-out and reports it.
    fn wait(&mut self) -> Duration {
        let due = self.machine.next_timeout().unwrap();
        let waited = due.saturating_duration_since(self.now);
        self.now = self.now.max(due);
        self.machine.timeout(self.now);
        waited
    }

    fn greet(&mut self) {
        self.pass(Step::Dial);
        self.machine.opened();
        self.message(r#"{"op":8,"d":{"heartbeat_interval":13750}}"#);
    }

    fn up() -> Self {
        let mut talk = Self::new();
        talk.greet();
        talk.pass(Step::Identify);
        talk.message(
            r#"{"op":2,"seq":0,"d":{"ssrc":5,"ip":"127.0.0.1","port":9,
               "modes":["aead_aes256_gcm_rtpsize"]}}"#,
        );
        talk.machine.discovered("10.0.0.1:7".parse().unwrap());
        let key = vec!["1"; 32].join(",");
        talk.message(&format!(
            r#"{{"op":4,"seq":1,"d":{{"mode":"aead_aes256_gcm_rtpsize","secret_key":[{key}],
                "dave_protocol_version":1}}}}"#
        ));
        talk
    }
}

#[test]
fn a_connection_is_made_step_by_step_and_asks_before_each_dial_and_identify() {
    let mut talk = Talk::new();
    assert_eq!(talk.outputs(), ["ask Dial"]);
    talk.pass(Step::Dial);
    assert_eq!(talk.outputs(), ["dial"]);
    talk.machine.opened();
    talk.message(r#"{"op":8,"d":{"heartbeat_interval":13750}}"#);
    assert_eq!(talk.outputs(), ["ask Identify"]);
    let mut talk = Talk::up();
    let steps = talk.outputs();
    let expected = [
        "ask Dial",
        "dial",
        "ask Identify",
        "hold",
        "roster",
        "send Identify",
        "discover",
        "send SelectProtocol",
        "media 5",
        "release",
        "up false",
    ];
    assert_eq!(steps, expected);
}

#[test]
fn a_cut_is_resumed_with_the_last_sequence_number_and_media_is_never_held() {
    for code in [None, Some(1000), Some(1006), Some(4015)] {
        let mut talk = Talk::up();
        talk.message(r#"{"op":13,"seq":41,"d":{"user_id":"1"}}"#);
        talk.outputs();
        talk.end(code);
        let cut = format!("cut {code:?}");
        assert_eq!(talk.outputs(), ["drop", cut.as_str(), "ask Dial"]);
        talk.greet();
        assert_eq!(talk.outputs(), ["dial", "ask Resume"]);
        talk.machine.gate_passed(Step::Resume, talk.now);
        let Some(Output::Send(resume)) = talk.machine.next_output() else {
            panic!("no resume")
        };
        assert_eq!(resume, ClientMessage::Resume { seq_ack: Some(41) });
        talk.message(r#"{"op":9,"d":null}"#);
        assert_eq!(talk.outputs(), ["up true"]);
    }
}

#[test]
fn a_server_that_forgot_is_identified_to_and_media_waits() {
    for code in [4001, 4002, 4003, 4005, 4020, 4444] {
        let mut talk = Talk::up();
        talk.outputs();
        talk.end(Some(code));
        let cut = format!("cut Some({code})");
        assert_eq!(talk.outputs(), ["drop", "hold", cut.as_str(), "ask Dial"]);
        talk.greet();
        assert_eq!(talk.outputs(), ["dial", "ask Identify"]);
    }
}

#[test]
fn what_cannot_be_mended_here_is_lost_at_once() {
    for code in [4004, 4006, 4009, 4011, 4012, 4014, 4016, 4017, 4021, 4022] {
        let mut talk = Talk::up();
        talk.outputs();
        talk.end(Some(code));
        let lost = format!("lost Some({code})");
        assert_eq!(talk.outputs(), ["drop", "drop", "hold", lost.as_str()]);
        assert!(talk.machine.is_over());
        assert_eq!(talk.machine.next_timeout(), None);
    }
}

#[test]
fn a_refusal_at_the_gate_is_the_end() {
    let mut talk = Talk::up();
    talk.outputs();
    talk.end(None);
    talk.outputs();
    talk.machine.gate_refused();
    assert_eq!(talk.outputs(), ["drop", "hold", "lost None"]);
    talk.pass(Step::Dial);
    assert!(talk.outputs().is_empty(), "nothing passes afterwards");
}

#[test]
fn while_the_gate_is_shut_nothing_is_dialled_and_media_goes_on() {
    let mut talk = Talk::up();
    talk.outputs();
    talk.end(None);
    talk.outputs();
    for _ in 0..1000 {
        talk.now += Duration::from_secs(1);
        talk.machine.timeout(talk.now);
    }
    assert!(talk.outputs().is_empty());
    talk.greet();
    assert_eq!(
        talk.outputs(),
        ["dial", "ask Resume"],
        "and is not given up"
    );
}

#[test]
fn an_unreachable_server_is_tried_with_longer_waits_then_lost_and_media_waits_after_a_while() {
    let mut talk = Talk::up();
    talk.outputs();
    let cut_at = talk.now;
    talk.end(None);
    let (mut dials, mut held_after) = (0, None);
    while !talk.machine.is_over() {
        let outputs = talk.outputs();
        if outputs.is_empty() {
            talk.wait();
        }
        for output in outputs {
            match output.as_str() {
                "ask Dial" => talk.pass(Step::Dial),
                "dial" => {
                    dials += 1;
                    talk.end(None);
                }
                "hold" => held_after = Some(talk.now - cut_at),
                _ => {}
            }
        }
    }
    let timing = VoiceTiming::default();
    assert!((5..20).contains(&dials), "{dials}");
    let held_after = held_after.unwrap();
    assert!(held_after >= timing.unreachable && held_after < timing.give_up);
    let lost_after = talk.now - cut_at;
    assert!(lost_after >= timing.give_up && lost_after < timing.give_up + timing.attempt);
}

#[test]
fn a_silent_server_is_noticed_by_its_heartbeats() {
    let mut talk = Talk::up();
    talk.outputs();
    let since = talk.now;
    talk.wait();
    assert_eq!(talk.outputs(), ["send Heartbeat"]);
    talk.message(r#"{"op":6,"d":{"t":1}}"#);
    talk.wait();
    assert_eq!(talk.outputs(), ["send Heartbeat"]);
    talk.wait();
    assert_eq!(talk.outputs(), ["drop", "cut None", "ask Dial"]);
    assert_eq!(
        talk.now - since,
        3 * VoiceTiming::default().heartbeat_at_most
    );
}

#[test]
fn resumes_that_are_not_answered_end_in_an_identify() {
    let mut talk = Talk::up();
    talk.end(None);
    for _ in 0..SILENT_RESUMES {
        talk.greet();
        talk.outputs();
        talk.pass(Step::Resume);
        assert_eq!(talk.outputs(), ["send Resume"]);
        while matches!(talk.machine.phase, Phase::Resuming) {
            talk.wait();
        }
        talk.wait();
    }
    talk.greet();
    assert!(talk.outputs().contains(&"ask Identify".to_owned()));
}

#[test]
fn messages_out_of_turn_change_nothing() {
    let mut talk = Talk::up();
    talk.outputs();
    talk.message(r#"{"op":2,"d":{"ssrc":6,"ip":"127.0.0.1","port":9,"modes":[]}}"#);
    talk.message(r#"{"op":8,"d":{"heartbeat_interval":1}}"#);
    talk.message(r#"{"op":9,"d":null}"#);
    assert!(talk.outputs().is_empty());
}

#[test]
fn no_known_encryption_is_the_end_not_a_guess() {
    let mut talk = Talk::new();
    talk.greet();
    talk.pass(Step::Identify);
    talk.outputs();
    talk.message(r#"{"op":2,"d":{"ssrc":5,"ip":"127.0.0.1","port":9,"modes":["plain"]}}"#);
    assert_eq!(talk.outputs(), ["drop", "lost None"]);
}

#[derive(Clone, Debug)]
enum Happening {
    Pass(Step),
    Refuse,
    Opened,
    Message(&'static str),
    Dave,
    Discovered,
    End(Option<u16>),
    Time(u64),
}

fn happenings() -> impl Strategy<Value = Vec<Happening>> {
    let step = prop_oneof![Just(Step::Dial), Just(Step::Identify), Just(Step::Resume)];
    let text = prop_oneof![
        Just(r#"{"op":8,"d":{"heartbeat_interval":5000}}"#),
        Just(r#"{"op":9,"d":null}"#),
        Just(r#"{"op":6,"d":{"t":1}}"#),
        Just(
            r#"{"op":2,"d":{"ssrc":5,"ip":"127.0.0.1","port":9,"modes":["aead_aes256_gcm_rtpsize"]}}"#
        ),
        Just(
            r#"{"op":4,"d":{"mode":"aead_aes256_gcm_rtpsize","secret_key":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1],"dave_protocol_version":1}}"#
        ),
    ];
    let code = prop_oneof![
        Just(None),
        (1000_u16..1012).prop_map(Some),
        (4000_u16..4030).prop_map(Some)
    ];
    let one = prop_oneof![
        4 => step.prop_map(Happening::Pass),
        1 => Just(Happening::Refuse),
        2 => Just(Happening::Opened),
        8 => text.prop_map(Happening::Message),
        1 => Just(Happening::Dave),
        2 => Just(Happening::Discovered),
        1 => code.prop_map(Happening::End),
        2 => (0_u64..6000).prop_map(Happening::Time),
    ];
    proptest::collection::vec(one, 0..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Whatever happens in whatever order: a dial, IDENTIFY or RESUME comes only right after the gate let that very
    /// step pass, one for one; a question is open at most once; after the end nothing comes.
    #[test]
    fn nothing_passes_without_the_gate(happenings in happenings()) {
        let mut talk = Talk::new();
        let mut asked = None;
        let mut over = false;
        for happening in happenings {
            let mut leave = None;
            match happening {
                Happening::Pass(step) => {
                    // The shell answers the newest question only.
                    if asked == Some(step) {
                        asked = None;
                        leave = Some(step);
                        talk.pass(step);
                    }
                }
                Happening::Refuse => if asked.take().is_some() { talk.machine.gate_refused() },
                Happening::Opened => talk.machine.opened(),
                Happening::Message(text) => talk.message(text),
                Happening::Dave => {
                    let numbered = Numbered::from_binary(&[0, 1, 25, 1]).unwrap();
                    talk.machine.received(numbered, talk.now);
                }
                Happening::Discovered => talk.machine.discovered("10.0.0.1:7".parse().unwrap()),
                Happening::End(code) => talk.end(code),
                Happening::Time(ms) => {
                    talk.now += Duration::from_millis(ms);
                    talk.machine.timeout(talk.now);
                }
            }
            for output in std::iter::from_fn(|| talk.machine.next_output()) {
                prop_assert!(!over, "{output:?} after the end");
                let step = match &output {
                    Output::Ask(step) => { asked = Some(*step); None }
                    Output::Drop => { asked = None; None }
                    Output::Dial => Some(Step::Dial),
                    Output::Send(ClientMessage::Identify) => Some(Step::Identify),
                    Output::Send(ClientMessage::Resume { .. }) => Some(Step::Resume),
                    Output::News(News::Lost { .. }) => { over = true; None }
                    _ => None,
                };
                if let Some(step) = step {
                    prop_assert_eq!(leave.take(), Some(step));
                }
            }
            prop_assert_eq!(over, talk.machine.is_over());
        }
    }
}
