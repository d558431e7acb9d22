//! A whole conversation: what the server says, and what the network, the clock and the gate do, in any order.
//!
//! Each line is one event, so that seeds can be read and written:
//!
//! ```text
//!   {…}     a JSON message              p       the gate lets the open question pass
//!   b 1f…   a binary message, in hex    r       it refuses
//!   e 4006  closed; without a code cut  o, f    the WebSocket is open, the address is found
//!   t 5000  milliseconds pass           s       the owner speaks
//!   *20 …   the event twenty times
//! ```
//!
//! A first line `stream` makes it a conversation with a Go Live stream's server; then there are, besides,
//!
//! ```text
//!   q       the offer is there          m, l    the path is open, or lost
//!   v       the owner has pictures
//! ```

use std::time::{Duration, Instant};

use orb_voice::{
    End, News, Output, Roster, Signalling, Step, StreamServer, Transport, VoiceServer, VoiceTiming,
    packet::{UdpLayer, VideoSsrcs},
    wire::{ClientMessage, Numbered, Offer, Speaking, Video},
};

use uuid::Uuid;

use super::watched::WatchedDave;

/// Events that one input comes to at most.
const MOST_EVENTS: usize = 2000;

/// Of an SDP that is taken in.
const LONGEST_ANSWER: usize = 16 << 10;

/// What one event may ask for at most; the queue is emptied before the next.
const MOST_OUTPUTS: usize = 8;

/// Returns how often the connection came up.
pub fn run(data: &[u8]) -> usize {
    let (is_stream, data) = match data.strip_prefix(b"stream\n") {
        Some(data) => (true, data),
        None => (false, data),
    };
    let mut talk = Talk::new(is_stream);
    let mut left = MOST_EVENTS;
    for line in data.split(|byte| *byte == b'\n') {
        let (times, event) = repeated(line);
        for _ in 0..times.min(left) {
            talk.happen(event);
        }
        left = left.saturating_sub(times);
        if left == 0 {
            break;
        }
    }
    talk.ups
}

/// `*20 event`, or once.
fn repeated(line: &[u8]) -> (usize, &[u8]) {
    let Some(line) = line.strip_prefix(b"*") else {
        return (1, line);
    };
    let end = line.iter().position(|byte| *byte == b' ');
    let (times, event) = line.split_at(end.unwrap_or(line.len()));
    (number(times).unwrap_or(1), event.trim_ascii_start())
}

fn number<T: std::str::FromStr>(digits: &[u8]) -> Option<T> {
    std::str::from_utf8(digits).ok()?.trim().parse().ok()
}

fn unhex(hex: &[u8]) -> Option<Vec<u8>> {
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    hex.chunks_exact(2).map(byte).collect()
}

/// What the shell would know.
struct Talk {
    machine: Signalling,
    dave: WatchedDave,
    server: VoiceServer,
    now: Instant,
    /// The gate's open question.
    asked: Option<Step>,
    /// What it has just let pass.
    leave: Option<Step>,
    held: bool,
    /// Of a stream: there is a path for the present session, and it is open.
    path: Option<bool>,
    over: bool,
    ups: usize,
}

impl Talk {
    fn new(is_stream: bool) -> Self {
        let now = Instant::now();
        let machine = if is_stream {
            Signalling::for_stream
        } else {
            Signalling::new
        };
        let rtc_server_id = 72;
        let mut talk = Self {
            machine: machine(VoiceTiming::default(), 1),
            dave: WatchedDave::new(72, 71),
            server: VoiceServer {
                endpoint: "localhost:1".to_owned(),
                guild_id: 70,
                channel_id: 71,
                user_id: 72,
                session_id: "session".into(),
                token: "token".into(),
                stream: is_stream.then_some(StreamServer { rtc_server_id }),
            },
            now,
            asked: None,
            leave: None,
            held: false,
            path: None,
            over: false,
            ups: 0,
        };
        talk.machine.start(now);
        talk.perform();
        talk
    }

    fn happen(&mut self, event: &[u8]) {
        let (kind, rest) = event.split_first().unwrap_or((&b' ', &[]));
        match kind {
            b'p' => {
                // The shell answers the newest question only.
                if let Some(step) = self.asked.take() {
                    self.leave = Some(step);
                    self.machine.gate_passed(step, self.now);
                }
            }
            b'r' => {
                if self.asked.take().is_some() {
                    self.machine.gate_refused();
                }
            }
            b'o' => self.machine.opened(),
            b'f' => self.machine.discovered(([203, 0, 113, 9], 40_000).into()),
            b'e' => {
                let end = number(rest).map_or_else(|| End::broken("reset"), End::closed);
                self.machine.ended(end, self.now);
            }
            b't' => {
                self.now += Duration::from_millis(number::<u32>(rest).unwrap_or_default().into());
                self.machine.timeout(self.now);
            }
            b'q' => self.machine.offered(Offer {
                sdp: "a=ice-ufrag:x\n".to_owned(),
                connection: Uuid::nil(),
            }),
            b'm' => {
                // The shell looks at the present path alone.
                if let Some(open) = &mut self.path {
                    *open = true;
                    self.machine.media_opened();
                }
            }
            b'l' => {
                if let Some(open) = &mut self.path {
                    *open = false;
                    self.machine.media_lost(self.now);
                }
            }
            b'v' => self.machine.say(ClientMessage::Video(Video {
                audio_ssrc: 5,
                pictures: VideoSsrcs { ssrc: 6, rtx: 7 },
                format: None,
            })),
            b's' => self.machine.say(ClientMessage::Speaking {
                speaking: Speaking::Microphone,
                ssrc: 5,
            }),
            b'b' => {
                let bytes = unhex(rest.trim_ascii_start()).unwrap_or_default();
                if let Ok(numbered) = Numbered::from_binary(&bytes) {
                    self.machine.received(numbered, self.now);
                }
            }
            _ => {
                let numbered = std::str::from_utf8(event).map(Numbered::from_text);
                if let Ok(Ok(numbered)) = numbered {
                    self.machine.received(numbered, self.now);
                }
            }
        }
        self.perform();
        // Leave that was not used is not kept for later.
        self.leave = None;
        assert_eq!(self.over, self.machine.is_over());
        if let (true, Some(due)) = (self.over, self.machine.next_timeout()) {
            panic!("it is over, and waits until {due:?}");
        }
    }

    fn perform(&mut self) {
        let mut outputs = 0;
        while let Some(output) = self.machine.next_output() {
            outputs += 1;
            assert!(outputs <= MOST_OUTPUTS, "{output:?} is one too many");
            assert!(!self.over, "{output:?} after the end");
            self.act(output);
        }
    }

    fn act(&mut self, output: Output) {
        match output {
            Output::Ask(step) => self.asked = Some(step),
            Output::Drop => self.asked = None,
            Output::Dial => self.use_leave(Step::Dial),
            Output::Send(message) => self.send(&message),
            Output::Media(path) => {
                match path.transport {
                    Transport::Udp { mode, key } => {
                        assert!(!self.is_stream(), "no layer for pictures");
                        UdpLayer::new(path.ssrc, mode, key, self.now);
                    }
                    Transport::WebRtc { answer } => {
                        assert!(self.is_stream() && answer.len() <= LONGEST_ANSWER);
                        self.path = Some(false);
                    }
                }
                let answers = self.dave.begin(path.dave_version);
                self.answer(answers);
            }
            Output::Dave(message) => {
                let answers = self.dave.handle(message);
                self.answer(answers);
            }
            Output::Roster(Roster::Unknown) => self.dave.forget_members(),
            Output::Roster(Roster::Joined(users)) => self.dave.joined(&users),
            Output::Roster(Roster::Left(user)) => self.dave.left(user),
            Output::Hold => {
                assert!(!self.held, "held twice");
                self.held = true;
            }
            Output::Release => {
                assert!(self.held, "released, and not held");
                assert!(!self.is_stream() || self.path == Some(true), "no path");
                self.held = false;
            }
            Output::News(News::Lost { .. }) => self.over = true,
            Output::News(News::Up { .. }) => self.ups += 1,
            // The owner's, or answered by an event of its own.
            Output::News(News::Cut { .. }) | Output::Roster(Roster::Speaks { .. }) => {}
            Output::Discover { .. } => assert!(!self.is_stream()),
            Output::Offer { .. } | Output::Wants(_) => assert!(self.is_stream()),
        }
    }

    fn is_stream(&self) -> bool {
        self.server.stream.is_some()
    }

    fn answer(&self, answers: Vec<ClientMessage>) {
        for message in answers {
            message.encode(&self.server);
        }
    }

    fn send(&mut self, message: &ClientMessage) {
        match message {
            ClientMessage::Identify => {
                self.use_leave(Step::Identify);
                assert!(self.held, "a new session, and an old path is in use");
            }
            ClientMessage::Resume { .. } => self.use_leave(Step::Resume),
            _ => {}
        }
        message.encode(&self.server);
    }

    /// Each leave serves one step, the one that was asked for.
    fn use_leave(&mut self, step: Step) {
        assert_eq!(self.leave.take(), Some(step), "no leave to {step:?}");
    }
}
