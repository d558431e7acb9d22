//! One account's Go Live stream in one guild: beside its seat, and only where it has one.
//!
//! Discord answers op 18 with `STREAM_CREATE` (ids) and `STREAM_SERVER_UPDATE` (endpoint and token), or with
//! `STREAM_DELETE`, which names why not. As with op 4, one command is outstanding at most.
//!
//! | step | waits for | then | when it does not come |
//! | --- | --- | --- | --- |
//! | idle | – | an end of the stream is somebody else's: made anew | – |
//! | creating | ids *and* a server | credentials | ended and made once more, then refused |
//! | ending | the stream's end | made anew, where it is still wanted | taken as ended |
//! | awaiting a server | a server | credentials | ended and made anew |
//! | resting | time ([`Pacing`]) | made anew | – |
//!
//! Who ends it by hand, with a client of the same account, wants no other one.

use std::time::Instant;

use super::{
    GatewayCommand, Server,
    pacing::{Pacing, Turn},
    pause::Pause,
};
use crate::{LiveRefusal, StreamCredentials, stream_key::StreamKey};

/// Op 18s in a row that may go unanswered.
const ATTEMPTS: u8 = 2;

#[derive(Clone, Copy, Default)]
enum Step {
    #[default]
    Idle,
    /// A deadline of none: op 18 has not been sent yet.
    Creating {
        deadline: Option<Instant>,
    },
    /// The same with op 19.
    Ending {
        deadline: Option<Instant>,
    },
    AwaitingServer {
        deadline: Instant,
    },
    Resting {
        until: Instant,
    },
}

/// What Discord said of a stream's end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum StreamEnd {
    /// It is over; another one may be made.
    Over,
    /// The same, as some client of the account's asked for (`user_requested`).
    ByHand,
    /// Its server is away for now.
    Outage,
    /// There is none, and there will be none.
    Refused(LiveRefusal),
}

/// The stream's part of the credentials.
pub(super) enum Part {
    /// There is none, and none is on its way.
    Nothing,
    /// It is on its way.
    Missing,
    Whole(StreamCredentials),
}

/// What a change of the stream means for what the scheduler knows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Change {
    Nothing,
    /// Its part of the credentials is another.
    Credentials,
    /// It will not be; the credentials are without it.
    Refused(LiveRefusal),
}

#[derive(Default)]
pub(super) struct Live {
    /// Whether there shall be a stream.
    wanted: bool,
    /// The stream that Discord named.
    created: Option<(StreamKey, u64)>,
    server: Option<Server>,
    step: Step,
    /// Op 18s that went unanswered since the last success.
    unanswered: u8,
    pacing: Pacing,
    pause: Pause,
}

impl Live {
    /// As a predecessor left it.
    pub(super) fn held(credentials: Option<StreamCredentials>) -> Self {
        let Some(stream) = credentials else {
            return Self::default();
        };
        let Ok(key) = stream.stream_key.parse() else {
            tracing::error!("a stored stream has no key that could be read; it is made anew");
            return Self {
                wanted: true,
                ..Self::default()
            };
        };
        Self {
            wanted: true,
            created: Some((key, stream.rtc_server_id)),
            server: Some(Server {
                endpoint: stream.endpoint,
                token: stream.token,
            }),
            ..Self::default()
        }
    }

    // === commands ===

    pub(super) fn want(&mut self, wanted: bool) {
        if wanted && !self.wanted {
            self.unanswered = 0;
            self.pause = Pause::default();
        }
        self.wanted = wanted;
    }

    /// New credentials: out and in again, for nothing says that Discord names a server otherwise.
    pub(super) fn renew(&mut self) {
        if self.wanted && matches!(self.step, Step::Idle | Step::AwaitingServer { .. }) {
            self.step = Step::Ending { deadline: None };
        }
    }

    pub(super) fn set_paused(&mut self, paused: bool) {
        if self.wanted {
            self.pause.want(paused);
        }
    }

    /// The command to be sent, when there is one: it counts as sent from here on. `place`: where the account sits.
    pub(super) fn take_command(
        &mut self,
        place: StreamKey,
        now: Instant,
        until: Instant,
    ) -> Option<GatewayCommand> {
        let deadline = Some(until);
        match self.step {
            Step::Creating { deadline: None } => {
                self.step = Step::Creating { deadline };
                // Only what is named from here on answers this op 18.
                self.created = None;
                self.server = None;
                self.pacing.made(now);
                Some(GatewayCommand::CreateStream(place))
            }
            Step::Ending { deadline: None } => {
                self.step = Step::Ending { deadline };
                Some(GatewayCommand::DeleteStream(place))
            }
            _ => {
                let paused = self.pause_to_say()?;
                self.pause.said(paused, until);
                Some(GatewayCommand::PauseStream(place, paused))
            }
        }
    }

    /// The seat is about to be given up, and the stream with it: the op 19 for it, when there may be a stream.
    pub(super) fn take_end(&mut self) -> Option<GatewayCommand> {
        let (key, _) = self.created?;
        self.forget();
        Some(GatewayCommand::DeleteStream(key))
    }

    // === events ===

    pub(super) fn on_created(
        &mut self,
        key: StreamKey,
        rtc_server_id: u64,
        until: Instant,
    ) -> Change {
        let before = self.created.replace((key, rtc_server_id));
        match self.step {
            Step::Creating { .. } | Step::Resting { .. } => self.finish(),
            // Made by somebody else in our place: its server follows.
            Step::Idle if before != self.created => {
                self.server = None;
                self.step = Step::AwaitingServer { deadline: until };
                Change::Nothing
            }
            Step::Idle | Step::Ending { .. } | Step::AwaitingServer { .. } => Change::Nothing,
        }
    }

    pub(super) fn on_server(&mut self, server: Option<Server>, until: Instant) -> Change {
        // Named again, as op 22 brings it about, or replayed: no reason to connect anew.
        let known = self.server.is_some() && self.server == server;
        self.server = server;
        match self.step {
            Step::Creating { .. } | Step::Resting { .. } => self.finish(),
            Step::Idle if known || self.created.is_none() => Change::Nothing,
            Step::Idle | Step::AwaitingServer { .. } => {
                if self.server.is_some() {
                    return self.finish();
                }
                self.step = Step::AwaitingServer { deadline: until };
                Change::Nothing
            }
            Step::Ending { .. } => Change::Nothing,
        }
    }

    pub(super) fn on_updated(&mut self, paused: bool) {
        self.pause.on_updated(paused);
    }

    pub(super) fn on_deleted(&mut self, end: StreamEnd, until: Instant) -> Change {
        // Before a stream was named, only a refusal can mean it: all else is the late end of an earlier one, which had
        // the same key.
        let is_late = match self.step {
            Step::Creating { deadline: Some(_) } => !matches!(end, StreamEnd::Refused(_)),
            Step::Ending { .. } => false,
            _ => true,
        };
        if self.created.is_none() && is_late {
            return Change::Nothing;
        }
        match (end, self.step) {
            (StreamEnd::Outage, Step::Idle | Step::AwaitingServer { .. }) => {
                self.server = None;
                self.step = Step::AwaitingServer { deadline: until };
            }
            (StreamEnd::Outage, _) => {}
            // By hand: that was our own op 19, also when its answer comes after the next op 18.
            (StreamEnd::Over, _)
            | (_, Step::Ending { .. })
            | (StreamEnd::ByHand, Step::Creating { .. }) => self.forget(),
            (StreamEnd::ByHand, _) => return self.refuse(LiveRefusal::EndedByHand),
            (StreamEnd::Refused(reason), _) => return self.refuse(reason),
        }
        Change::Nothing
    }

    /// The account has no seat any more, or another one.
    pub(super) fn on_unseated(&mut self) {
        self.forget();
    }

    pub(super) fn on_resumed(&mut self, until: Instant) {
        self.pause.forget_said();
        match &mut self.step {
            Step::Creating { deadline } | Step::Ending { deadline } => *deadline = None,
            Step::AwaitingServer { deadline } => *deadline = until,
            Step::Idle | Step::Resting { .. } => {}
        }
    }

    pub(super) fn on_time(&mut self, now: Instant) -> Change {
        self.pause.on_time(now);
        if self.step_deadline().is_none_or(|at| at > now) {
            return Change::Nothing;
        }
        match self.step {
            Step::Creating { .. } => {
                self.unanswered += 1;
                if self.unanswered >= ATTEMPTS {
                    let change = self.refuse(LiveRefusal::Unanswered);
                    // There may be half a stream, or the whole one a moment later.
                    self.step = Step::Ending { deadline: None };
                    return change;
                }
                self.step = Step::Ending { deadline: None };
            }
            Step::AwaitingServer { .. } => self.step = Step::Ending { deadline: None },
            Step::Ending { .. } => self.forget(),
            Step::Resting { .. } | Step::Idle => self.step = Step::Idle,
        }
        Change::Nothing
    }

    // === transitions ===

    /// Starts what makes wish and stream agree, when nothing is under way. Only for an account that has its seat.
    pub(super) fn settle(&mut self, now: Instant) -> Change {
        if !self.wanted {
            return self.settle_unwanted();
        }
        if !matches!(self.step, Step::Idle) || self.created.is_some() {
            return Change::Nothing;
        }
        match self.pacing.next(now) {
            Turn::Now => {
                self.step = Step::Creating { deadline: None };
                Change::Nothing
            }
            Turn::At(until) => {
                self.step = Step::Resting { until };
                Change::Credentials
            }
            Turn::Never => self.refuse(LiveRefusal::KeepsEnding),
        }
    }

    fn settle_unwanted(&mut self) -> Change {
        match self.step {
            Step::Ending { .. } => {}
            // Op 18 was sent: there may be a stream.
            Step::Creating { deadline: Some(_) } => self.step = Step::Ending { deadline: None },
            _ if self.created.is_some() => self.step = Step::Ending { deadline: None },
            _ => self.step = Step::Idle,
        }
        Change::Nothing
    }

    fn finish(&mut self) -> Change {
        if self.created.is_none() || self.server.is_none() {
            return Change::Nothing;
        }
        if matches!(self.step, Step::Creating { .. } | Step::Resting { .. }) {
            self.pause.begins();
        }
        self.step = Step::Idle;
        self.unanswered = 0;
        if self.wanted {
            Change::Credentials
        } else {
            Change::Nothing
        }
    }

    fn refuse(&mut self, reason: LiveRefusal) -> Change {
        let was_wanted = std::mem::take(&mut self.wanted);
        self.unanswered = 0;
        self.forget();
        if was_wanted {
            Change::Refused(reason)
        } else {
            Change::Nothing
        }
    }

    fn forget(&mut self) {
        self.created = None;
        self.server = None;
        self.step = Step::Idle;
    }

    // === questions ===

    pub(super) fn part(&self) -> Part {
        if !self.wanted || matches!(self.step, Step::Resting { .. }) {
            return Part::Nothing;
        }
        match (&self.step, self.created, &self.server) {
            (Step::Idle, Some((key, rtc_server_id)), Some(server)) => {
                Part::Whole(StreamCredentials {
                    stream_key: key.to_string(),
                    rtc_server_id,
                    endpoint: server.endpoint.clone(),
                    token: server.token.clone(),
                })
            }
            _ => Part::Missing,
        }
    }

    /// Resting has no command in it: time brings one.
    pub(super) fn wants_to_send(&self) -> bool {
        let unsent = matches!(
            self.step,
            Step::Creating { deadline: None } | Step::Ending { deadline: None }
        );
        unsent || self.pause_to_say().is_some()
    }

    fn pause_to_say(&self) -> Option<bool> {
        let there = matches!(self.step, Step::Idle) && self.created.is_some();
        self.pause.to_say().filter(|_| there)
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let deadlines = self.step_deadline().into_iter();
        deadlines.chain(self.pause.deadline()).min()
    }

    fn step_deadline(&self) -> Option<Instant> {
        match self.step {
            Step::Idle => None,
            Step::Creating { deadline } | Step::Ending { deadline } => deadline,
            Step::AwaitingServer { deadline } => Some(deadline),
            Step::Resting { until } => Some(until),
        }
    }
}
