//! The conversation with a voice server, from the first dial to the end: a state machine without I/O.
//!
//! ```text
//!          ┌──────────── back-off ◀── attempt failed ──────────────┐
//!          ▼                                                       │
//!   ask the gate ─▶ dial ─▶ HELLO ─▶ ask the gate ─┬─▶ RESUME ─▶ RESUMED ──────▶ up
//!      (Dial)                    (Identify, Resume)└─▶ IDENTIFY ─▶ READY ─▶ discovery
//!          ▲                                            ─▶ SELECT ─▶ DESCRIPTION ─▶ up
//!          └──────── cut: judged by its close code (close.rs) ◀─────────────────────┘
//! ```
//!
//! A Go Live stream makes an offer in place of the discovery, and is up when the path that the description leads to is
//! open: without it nobody would see that it is not.
//!
//! Inputs are methods, outputs are taken with [`Signalling::next_output`], time comes in. The gate is asked by an
//! output like any other, so a machine that was refused or got no answer has no way to dial: this is tested for every
//! order of events.

mod backoff;
mod heartbeat;
mod output;
mod path;

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

pub use self::output::{End, MediaPath, News, Output, Roster, Transport};
use self::{backoff::Backoff, heartbeat::Heartbeat};
use crate::{
    Step, VoiceTiming,
    close::{Verdict, judge},
    packet::{TransportMode, VideoSsrcs},
    wire::{ClientMessage, Numbered, PictureCodec, ServerMessage},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    New,
    /// The gate was asked; for the dial, there is no socket yet.
    Asking(Step),
    Dialling,
    Greeting,
    Identifying,
    Discovering {
        ssrc: u32,
        mode: TransportMode,
    },
    /// The path of a stream is being offered.
    Offering {
        ssrc: u32,
    },
    Selecting {
        ssrc: u32,
    },
    /// The path of a stream is being opened.
    Opening,
    Resuming,
    Up,
    Waiting {
        until: Instant,
    },
    Over,
}

/// See the module.
#[derive(Debug)]
pub struct Signalling {
    timing: VoiceTiming,
    kind: Kind,
    phase: Phase,
    /// There is a session that a RESUME can go on with.
    resumable: bool,
    /// RESUMEs in a row that were not answered.
    silent_resumes: u32,
    seq: Option<u16>,
    heartbeat: Option<Heartbeat>,
    /// When the present attempt has failed.
    deadline: Option<Instant>,
    backoff: Backoff,
    cut: Option<Cut>,
    held: bool,
    outputs: VecDeque<Output>,
}

/// What the connection is to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Channel,
    /// Which SSRCs the pictures have, once there was a READY.
    Stream {
        pictures: Option<VideoSsrcs>,
    },
}

#[derive(Clone, Copy, Debug)]
struct Cut {
    /// When attempts began; moved on by the time spent at the gate.
    since: Instant,
    asked_at: Option<Instant>,
    /// A dial has failed since.
    unreachable: bool,
}

/// After so many RESUMEs without an answer, the session is taken for forgotten.
const SILENT_RESUMES: u32 = 2;

impl Signalling {
    /// A connection to a voice channel that is to be made. `jitter_seed` spreads the retries of many.
    pub fn new(timing: VoiceTiming, jitter_seed: u64) -> Self {
        Self::of(Kind::Channel, timing, jitter_seed)
    }

    /// A connection to a Go Live stream that is to be made.
    pub fn for_stream(timing: VoiceTiming, jitter_seed: u64) -> Self {
        Self::of(Kind::Stream { pictures: None }, timing, jitter_seed)
    }

    fn of(kind: Kind, timing: VoiceTiming, jitter_seed: u64) -> Self {
        Self {
            timing,
            kind,
            phase: Phase::New,
            resumable: false,
            silent_resumes: 0,
            seq: None,
            heartbeat: None,
            deadline: None,
            backoff: Backoff::new(timing.backoff_first, timing.backoff_most, jitter_seed),
            cut: None,
            held: false,
            outputs: VecDeque::new(),
        }
    }

    /// Begins.
    pub fn start(&mut self, now: Instant) {
        if self.phase == Phase::New {
            self.begin_cut(now);
            self.ask(Step::Dial, now);
        }
    }

    /// The next thing to do.
    pub fn next_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Whether it is over: nothing will ever be done again.
    pub fn is_over(&self) -> bool {
        self.phase == Phase::Over
    }

    /// Whether messages of the owner's are sent: it is up, or a stream's path is being opened. What is said then has
    /// reached the server when the first packet does.
    pub fn may_say(&self) -> bool {
        matches!(self.phase, Phase::Up | Phase::Opening)
    }

    /// When to call [`Signalling::timeout`].
    pub fn next_timeout(&self) -> Option<Instant> {
        let waiting = match self.phase {
            Phase::Waiting { until } => Some(until),
            _ => None,
        };
        let beat = self.heartbeat.as_ref().map(Heartbeat::due);
        let hold = self
            .cut
            .filter(|cut| cut.unreachable && !self.held)
            .map(|cut| cut.since + self.timing.unreachable);
        [waiting, beat, self.deadline, hold]
            .into_iter()
            .flatten()
            .min()
    }

    /// The gate let the step pass.
    pub fn gate_passed(&mut self, step: Step, now: Instant) {
        if self.phase != Phase::Asking(step) {
            return;
        }
        if let Some(cut) = &mut self.cut
            && let Some(asked_at) = cut.asked_at.take()
        {
            cut.since += now.saturating_duration_since(asked_at);
        }
        match step {
            Step::Dial => {
                self.phase = Phase::Dialling;
                self.deadline = Some(now + self.timing.attempt);
                self.outputs.push_back(Output::Dial);
            }
            Step::Identify => {
                self.phase = Phase::Identifying;
                // A new session: nothing of an older one is to be acknowledged, and there is none until READY.
                self.seq = None;
                self.resumable = false;
                self.hold();
                self.outputs.push_back(Output::Roster(Roster::Unknown));
                self.send(ClientMessage::Identify);
            }
            Step::Resume => {
                self.phase = Phase::Resuming;
                let seq_ack = self.seq;
                self.send(ClientMessage::Resume { seq_ack });
            }
        }
    }

    /// The gate will not let this connection pass any more.
    pub fn gate_refused(&mut self) {
        if matches!(self.phase, Phase::Asking(_)) {
            self.lose(End::broken("its lease has ended"));
        }
    }

    /// The WebSocket is open.
    pub fn opened(&mut self) {
        if self.phase == Phase::Dialling {
            self.phase = Phase::Greeting;
            if let Some(cut) = &mut self.cut {
                cut.unreachable = false;
            }
        }
    }

    /// A message came.
    pub fn received(&mut self, numbered: Numbered, now: Instant) {
        if !self.has_socket() {
            return;
        }
        if let Some(seq) = numbered.seq {
            self.seq = Some(seq);
        }
        match (numbered.message, self.phase) {
            (ServerMessage::Hello { heartbeat_interval }, Phase::Greeting) => {
                let interval = heartbeat_interval.min(self.timing.heartbeat_at_most);
                self.heartbeat = Some(Heartbeat::new(interval, now));
                let step = if self.resumable {
                    Step::Resume
                } else {
                    Step::Identify
                };
                self.ask(step, now);
            }
            (
                ServerMessage::Ready {
                    ssrc,
                    media,
                    modes,
                    pictures,
                },
                Phase::Identifying,
            ) => self.ready(ssrc, media, &modes, pictures),
            (
                ServerMessage::SessionDescription {
                    answer,
                    dave_version,
                },
                Phase::Selecting { ssrc },
            ) => self.described(ssrc, answer, dave_version),
            (ServerMessage::Resumed, Phase::Resuming) => self.up(true),
            (ServerMessage::HeartbeatAck { nonce }, _) => {
                if let Some(heartbeat) = &mut self.heartbeat {
                    heartbeat.acknowledged(nonce);
                }
            }
            // A resume replays what was missed before it says RESUMED.
            (ServerMessage::Dave(message), Phase::Up | Phase::Resuming | Phase::Opening) => {
                self.outputs.push_back(Output::Dave(message));
            }
            // Known from before the media path is: the first list comes with READY.
            (ServerMessage::ClientsConnect(users), _) => {
                self.outputs
                    .push_back(Output::Roster(Roster::Joined(users)));
            }
            (ServerMessage::ClientDisconnect(user), _) => {
                self.outputs.push_back(Output::Roster(Roster::Left(user)));
            }
            (ServerMessage::Speaking { user, ssrc }, _) => {
                self.outputs
                    .push_back(Output::Roster(Roster::Speaks { user, ssrc }));
            }
            (ServerMessage::SinkWants(wants), _) => {
                if let Kind::Stream {
                    pictures: Some(VideoSsrcs { ssrc, .. }),
                } = self.kind
                {
                    self.outputs.push_back(Output::Wants(wants.of(ssrc)));
                }
            }
            // Nothing else is offered here. Who cannot take it is not helped by no picture either.
            (
                ServerMessage::SessionUpdate {
                    pictures: Some(PictureCodec::Other),
                },
                _,
            ) => tracing::warn!("the voice server wants a picture codec that was not offered"),
            // Out of turn, or not for a sender.
            _ => {}
        }
    }

    /// Sends a message of the owner's, if there is a session that can take it.
    pub fn say(&mut self, message: ClientMessage) {
        if self.may_say() {
            self.send(message);
        }
    }

    /// The WebSocket ended, or could not be opened.
    pub fn ended(&mut self, end: End, now: Instant) {
        if !self.has_socket() {
            return;
        }
        if self.phase == Phase::Dialling
            && let Some(cut) = &mut self.cut
        {
            cut.unreachable = true;
        }
        self.fail(end, now);
    }

    /// Time has passed.
    pub fn timeout(&mut self, now: Instant) {
        if let Phase::Waiting { until } = self.phase
            && until <= now
        {
            self.ask(Step::Dial, now);
        }
        if self.deadline.is_some_and(|deadline| deadline <= now) {
            if self.phase == Phase::Dialling
                && let Some(cut) = &mut self.cut
            {
                cut.unreachable = true;
            }
            if self.phase == Phase::Resuming {
                self.silent_resumes += 1;
                self.resumable = self.silent_resumes < SILENT_RESUMES;
            }
            return self.fail(End::broken("the voice server did not answer in time"), now);
        }
        if let Some(heartbeat) = &mut self.heartbeat
            && heartbeat.due() <= now
        {
            match heartbeat.beat(now) {
                Some(nonce) => {
                    let seq_ack = self.seq;
                    self.send(ClientMessage::Heartbeat { nonce, seq_ack });
                }
                None => self.fail(End::broken("heartbeats were not answered"), now),
            }
        }
        self.hold_if_unreachable(now);
    }

    fn hold_if_unreachable(&mut self, now: Instant) {
        let unreachable = self
            .cut
            .is_some_and(|cut| cut.unreachable && cut.since + self.timing.unreachable <= now);
        if unreachable {
            self.hold();
        }
    }

    fn hold(&mut self) {
        if !std::mem::replace(&mut self.held, true) {
            self.outputs.push_back(Output::Hold);
        }
    }

    /// Whether there is a socket, or one under way.
    fn has_socket(&self) -> bool {
        !matches!(
            self.phase,
            Phase::New | Phase::Asking(Step::Dial) | Phase::Waiting { .. } | Phase::Over
        )
    }

    fn ask(&mut self, step: Step, now: Instant) {
        self.phase = Phase::Asking(step);
        if let Some(cut) = &mut self.cut {
            cut.asked_at = Some(now);
        }
        self.outputs.push_back(Output::Ask(step));
    }

    fn send(&mut self, message: ClientMessage) {
        self.outputs.push_back(Output::Send(message));
    }

    fn up(&mut self, resumed: bool) {
        self.phase = Phase::Up;
        self.resumable = true;
        self.silent_resumes = 0;
        self.deadline = None;
        self.cut = None;
        self.backoff.reset();
        if std::mem::take(&mut self.held) {
            self.outputs.push_back(Output::Release);
        }
        self.outputs.push_back(Output::News(News::Up { resumed }));
    }

    fn begin_cut(&mut self, now: Instant) {
        self.cut = Some(Cut {
            since: now,
            asked_at: None,
            unreachable: false,
        });
    }

    /// A connection or an attempt is over: judges what comes next.
    fn fail(&mut self, end: End, now: Instant) {
        self.outputs.push_back(Output::Drop);
        self.heartbeat = None;
        self.deadline = None;
        match judge(end.code) {
            Verdict::Resume => {}
            Verdict::Identify => {
                self.resumable = false;
                // The server has forgotten this connection: what is sent on its path goes nowhere.
                self.hold();
            }
            Verdict::NewCredentials | Verdict::Final => return self.lose(end),
        }
        if self.phase == Phase::Up {
            self.begin_cut(now);
            self.outputs.push_back(Output::News(News::Cut { end }));
            // At once: most cuts are mended by the first attempt.
            return self.ask(Step::Dial, now);
        }
        let spent = self.cut.map_or(Duration::ZERO, |cut| {
            // Time at the gate is not the network's fault.
            let until = cut.asked_at.unwrap_or(now);
            until.saturating_duration_since(cut.since)
        });
        if spent >= self.timing.give_up {
            return self.lose(end);
        }
        let until = now + self.backoff.next_wait();
        self.phase = Phase::Waiting { until };
        self.hold_if_unreachable(now);
    }

    fn lose(&mut self, end: End) {
        self.phase = Phase::Over;
        self.heartbeat = None;
        self.deadline = None;
        self.cut = None;
        self.outputs.push_back(Output::Drop);
        self.hold();
        self.outputs.push_back(Output::News(News::Lost { end }));
    }
}

#[cfg(test)]
mod tests;
