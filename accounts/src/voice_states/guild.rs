//! One account in one guild: a seat, a goal, and the one op 4 between them.

use std::time::Instant;

use secrecy::ExposeSecret;

use super::{
    GatewayCommand, Outputs, Server,
    live::{Change, Live, Part},
};
use crate::{JoinFailure, VoiceCredentials, stream_key::StreamKey};

/// Op 4s that go unanswered before a join or a leave is given up.
const ATTEMPTS: u8 = 2;

impl PartialEq for Server {
    fn eq(&self, other: &Self) -> bool {
        self.endpoint == other.endpoint && self.token.expose_secret() == other.token.expose_secret()
    }
}

/// What Discord last said of where the account is.
struct Seat {
    channel: u64,
    voice_session: String,
}

/// What the account waits for. A deadline of none: the op 4 has not been sent yet.
#[derive(Default)]
enum Step {
    #[default]
    Idle,
    Joining {
        channel: u64,
        deadline: Option<Instant>,
    },
    Leaving {
        attempt: u8,
        deadline: Option<Instant>,
    },
    AwaitingServer {
        deadline: Instant,
    },
}

#[derive(Default)]
pub(super) struct GuildVoice {
    /// The channel to be in; none: out.
    goal: Option<u64>,
    seat: Option<Seat>,
    server: Option<Server>,
    step: Step,
    /// Joins that went unanswered since the last success.
    failed_joins: u8,
    /// Told once the account is out.
    owed: Owed,
    /// What is streamed from the seat.
    pub(super) live: Live,
}

/// What the scheduler waits to hear of the leave that is under way.
#[derive(Clone, Copy, Default)]
enum Owed {
    #[default]
    Nothing,
    Left,
    Failure(JoinFailure),
}

impl GuildVoice {
    pub(super) fn held(credentials: VoiceCredentials) -> Self {
        Self {
            goal: Some(credentials.channel_id),
            seat: Some(Seat {
                channel: credentials.channel_id,
                voice_session: credentials.voice_session_id,
            }),
            server: Some(Server {
                endpoint: credentials.endpoint,
                token: credentials.token,
            }),
            live: Live::held(credentials.stream),
            ..Self::default()
        }
    }

    // === commands ===

    pub(super) fn join(&mut self, channel: u64, live: bool, outputs: &mut Outputs<'_>) {
        self.live.want(live);
        if self.goal == Some(channel) {
            if matches!(self.step, Step::Idle) {
                self.tell_credentials(outputs);
            }
            return;
        }
        self.goal = Some(channel);
        self.failed_joins = 0;
        if matches!(self.step, Step::Joining { deadline: None, .. }) {
            self.start_joining(channel);
        }
    }

    /// `informed`: whether it is known that an empty seat is empty.
    pub(super) fn leave(&mut self, informed: bool, outputs: &mut Outputs<'_>) {
        self.goal = None;
        self.live.want(false);
        match self.step {
            Step::Idle | Step::Joining { deadline: None, .. }
                if self.seat.is_none() && informed =>
            {
                self.step = Step::Idle;
                outputs.left(true);
            }
            Step::Idle | Step::Joining { deadline: None, .. } | Step::AwaitingServer { .. } => {
                self.owed = Owed::Left;
                // Where a predecessor may have left a seat behind, it is left unseen.
                self.start_leaving(if self.seat.is_some() { 1 } else { ATTEMPTS });
            }
            // A join that was sent is answered, or given up, first.
            Step::Joining { .. } | Step::Leaving { .. } => self.owed = Owed::Left,
        }
    }

    /// The stream has a connection of its own, which goes on. Where Discord takes it for over, it says so.
    pub(super) fn refresh(&mut self) {
        if let (Some(channel), Step::Idle | Step::AwaitingServer { .. }) = (self.goal, &self.step) {
            self.start_joining(channel);
        }
    }

    /// The command to be sent, when there is one: it counts as sent from here on.
    pub(super) fn take_command(
        &mut self,
        (guild, user): (u64, u64),
        now: Instant,
        until: Instant,
    ) -> Option<GatewayCommand> {
        if self.gives_up_seat()
            && let Some(end) = self.live.take_end()
        {
            return Some(end);
        }
        if let Some(channel) = self.live_place() {
            let place = StreamKey {
                guild,
                channel,
                user,
            };
            return self.live.take_command(place, now, until);
        }
        let channel = match &mut self.step {
            Step::Joining { channel, deadline } if deadline.is_none() => {
                *deadline = Some(until);
                // Only a server that is named from here on answers this op 4.
                self.server = None;
                Some(*channel)
            }
            Step::Leaving { deadline, .. } if deadline.is_none() => {
                *deadline = Some(until);
                None
            }
            _ => return None,
        };
        Some(GatewayCommand::SetVoiceState { guild, channel })
    }

    // === events ===

    pub(super) fn on_seated(
        &mut self,
        channel: u64,
        voice_session: &str,
        deadline: Instant,
        outputs: &mut Outputs<'_>,
    ) {
        let before = self.seat.replace(Seat {
            channel,
            voice_session: voice_session.to_owned(),
        });
        if before.as_ref().is_some_and(|seat| seat.channel != channel) {
            self.live.on_unseated();
        }
        match self.step {
            Step::Idle | Step::AwaitingServer { .. } => match self.goal {
                // Muted, deafened and the like; but a new voice session is a new set.
                Some(goal) if goal == channel => {
                    let same = before.is_some_and(|seat| seat.voice_session == voice_session);
                    if !same && matches!(self.step, Step::Idle) {
                        self.tell_credentials(outputs);
                    }
                }
                // Not ours: somebody moved the bot. It stays, for the leader to judge.
                Some(_) => {
                    self.goal = Some(channel);
                    outputs.moved(channel);
                    self.step = Step::AwaitingServer { deadline };
                }
                // The answer to a join that was given up: `settle` leaves again.
                None => {}
            },
            Step::Joining { .. } => self.finish_join(outputs),
            Step::Leaving { .. } => {}
        }
    }

    pub(super) fn on_unseated(&mut self, outputs: &mut Outputs<'_>) {
        let was_seated = self.seat.take().is_some();
        self.live.on_unseated();
        match self.step {
            Step::Leaving { .. } => self.finish_leave(outputs),
            // On the way in from outside, this is the late end of an earlier stay.
            Step::Joining { .. } if !was_seated => {}
            Step::Idle | Step::Joining { .. } | Step::AwaitingServer { .. } => {
                self.end_unasked(outputs);
            }
        }
    }

    pub(super) fn on_server(
        &mut self,
        server: Option<Server>,
        deadline: Instant,
        outputs: &mut Outputs<'_>,
    ) {
        // Replayed after a RESUME whose effects were stored already: no reason to reconnect.
        let known = self.server.is_some() && self.server == server;
        self.server = server;
        match self.step {
            Step::Joining { .. } => self.finish_join(outputs),
            Step::Idle if known => {}
            Step::Idle | Step::AwaitingServer { .. } if self.goal.is_some() => {
                if self.server.is_some() {
                    self.step = Step::Idle;
                    self.tell_credentials(outputs);
                } else {
                    self.step = Step::AwaitingServer { deadline };
                }
            }
            Step::Idle | Step::AwaitingServer { .. } | Step::Leaving { .. } => {}
        }
    }

    pub(super) fn on_removed(&mut self, outputs: &mut Outputs<'_>) {
        self.live.on_unseated();
        let was_in = self.seat.take().is_some()
            && matches!(self.step, Step::Idle | Step::AwaitingServer { .. });
        if was_in {
            self.end_unasked(outputs);
            return;
        }
        // A join that is under way, or was to follow, has no guild to join any more.
        let wanted = self.goal.take().is_some();
        self.finish_leave(outputs);
        if wanted {
            outputs.failed(JoinFailure::RemovedFromGuild);
        }
    }

    pub(super) fn on_new_session(&mut self) {
        self.seat = None;
        self.server = None;
        self.failed_joins = 0;
        self.live.on_unseated();
        match self.owed {
            // The seat went with the session, but a leave that was promised is sent all the same.
            Owed::Left | Owed::Failure(_) => self.start_leaving(ATTEMPTS),
            Owed::Nothing => self.step = Step::Idle,
        }
    }

    pub(super) fn on_resumed(&mut self, until: Instant) {
        self.live.on_resumed(until);
        match &mut self.step {
            Step::Joining { deadline, .. } | Step::Leaving { deadline, .. } => *deadline = None,
            Step::AwaitingServer { deadline } => *deadline = until,
            Step::Idle => {}
        }
    }

    pub(super) fn on_time(&mut self, now: Instant, outputs: &mut Outputs<'_>) {
        let change = self.live.on_time(now);
        self.tell_change(change, outputs);
        if self.voice_deadline().is_some_and(|at| at <= now) {
            self.on_deadline(outputs);
        }
    }

    fn on_deadline(&mut self, outputs: &mut Outputs<'_>) {
        match self.step {
            Step::Joining { channel, .. } => self.join_unanswered(channel, outputs),
            Step::Leaving { attempt, .. } if attempt < ATTEMPTS => self.start_leaving(attempt + 1),
            Step::Leaving { .. } => {
                self.seat = None;
                self.live.on_unseated();
                self.finish_leave(outputs);
            }
            Step::AwaitingServer { .. } => {
                self.step = Step::Idle;
                if self.server.is_some() {
                    // Moved within one server.
                    self.tell_credentials(outputs);
                } else {
                    self.start_leaving(1);
                }
            }
            Step::Idle => {}
        }
    }

    // === transitions ===

    /// Starts what makes seat and goal agree, when nothing is under way.
    pub(super) fn settle(&mut self, now: Instant, outputs: &mut Outputs<'_>) {
        if !matches!(self.step, Step::Idle) {
            return;
        }
        match (self.goal, &self.seat) {
            (Some(goal), Some(seat)) if seat.channel == goal => {
                let change = self.live.settle(now);
                self.tell_change(change, outputs);
            }
            (Some(goal), _) => self.start_joining(goal),
            (None, Some(_)) => self.start_leaving(1),
            (None, None) => {}
        }
    }

    fn start_joining(&mut self, channel: u64) {
        let deadline = None;
        self.step = Step::Joining { channel, deadline };
    }

    fn start_leaving(&mut self, attempt: u8) {
        let deadline = None;
        self.step = Step::Leaving { attempt, deadline };
    }

    fn finish_join(&mut self, outputs: &mut Outputs<'_>) {
        let Step::Joining {
            channel,
            deadline: Some(_),
        } = self.step
        else {
            return;
        };
        let seated = self
            .seat
            .as_ref()
            .is_some_and(|seat| seat.channel == channel);
        if !seated || self.server.is_none() {
            return;
        }
        self.step = Step::Idle;
        self.failed_joins = 0;
        if self.goal == Some(channel) {
            self.tell_credentials(outputs);
        }
    }

    fn join_unanswered(&mut self, channel: u64, outputs: &mut Outputs<'_>) {
        self.step = Step::Idle;
        if self.goal != Some(channel) {
            // Nobody wants it any more. A seat is left by `settle`.
            if self.seat.is_none() && matches!(self.owed, Owed::Left) {
                self.tell_owed(outputs);
            }
            return;
        }
        self.failed_joins += 1;
        if self.failed_joins >= ATTEMPTS {
            self.goal = None;
            self.owed = Owed::Failure(match self.seat {
                Some(_) => JoinFailure::NoVoiceServer,
                None => JoinFailure::Unanswered,
            });
        }
        match self.seat {
            // Out and in again makes Discord name a server where a second op 4 would not.
            Some(_) => self.start_leaving(1),
            None => self.tell_owed(outputs),
        }
    }

    fn finish_leave(&mut self, outputs: &mut Outputs<'_>) {
        self.step = Step::Idle;
        self.server = None;
        self.tell_owed(outputs);
    }

    /// Kicked, or the channel or the guild is gone.
    fn end_unasked(&mut self, outputs: &mut Outputs<'_>) {
        self.step = Step::Idle;
        self.server = None;
        self.failed_joins = 0;
        if !matches!(self.owed, Owed::Nothing) {
            // It was to be left anyhow; a goal that was set since then stands.
            self.tell_owed(outputs);
        } else if self.goal.take().is_some() {
            outputs.left(false);
        }
    }

    fn tell_owed(&mut self, outputs: &mut Outputs<'_>) {
        match std::mem::take(&mut self.owed) {
            Owed::Nothing => {}
            Owed::Left => outputs.left(true),
            Owed::Failure(reason) => outputs.failed(reason),
        }
    }

    /// What a change of the stream means. While the seat changes, its credentials follow anyhow.
    pub(super) fn tell_change(&self, change: Change, outputs: &mut Outputs<'_>) {
        if let Change::Refused(reason) = change {
            outputs.live_refused(reason);
        }
        if change != Change::Nothing && matches!(self.step, Step::Idle) {
            self.tell_credentials(outputs);
        }
    }

    /// Nothing while the stream's part is on its way: the whole set is told then.
    fn tell_credentials(&self, outputs: &mut Outputs<'_>) {
        let (Some(seat), Some(server)) = (&self.seat, &self.server) else {
            return;
        };
        let stream = match self.live.part() {
            Part::Missing => return,
            Part::Nothing => None,
            Part::Whole(stream) => Some(stream),
        };
        outputs.credentials(seat.channel, &seat.voice_session, server, stream);
    }

    // === questions ===

    pub(super) fn deadline(&self) -> Option<Instant> {
        let deadlines = self.voice_deadline().into_iter();
        deadlines.chain(self.live.deadline()).min()
    }

    fn voice_deadline(&self) -> Option<Instant> {
        match self.step {
            Step::Idle => None,
            Step::Joining { deadline, .. } | Step::Leaving { deadline, .. } => deadline,
            Step::AwaitingServer { deadline } => Some(deadline),
        }
    }

    pub(super) fn wants_to_send(&self) -> bool {
        let voice = matches!(
            self.step,
            Step::Joining { deadline: None, .. } | Step::Leaving { deadline: None, .. }
        );
        voice || (self.live_place().is_some() && self.live.wants_to_send())
    }

    /// The channel that can be streamed to: where the account is, and shall stay.
    fn live_place(&self) -> Option<u64> {
        let seat = self.seat.as_ref()?;
        let stays = matches!(self.step, Step::Idle) && self.goal == Some(seat.channel);
        stays.then_some(seat.channel)
    }

    /// Whether the next op 4 takes the account out of the channel that it is in.
    fn gives_up_seat(&self) -> bool {
        match self.step {
            Step::Leaving { deadline, .. } => deadline.is_none(),
            Step::Joining { channel, deadline } => {
                deadline.is_none() && self.channel().is_some_and(|at| at != channel)
            }
            Step::Idle | Step::AwaitingServer { .. } => false,
        }
    }

    pub(super) fn channel(&self) -> Option<u64> {
        self.seat.as_ref().map(|seat| seat.channel)
    }

    /// A seat without its server, or a server without its seat.
    pub(super) fn holds_untold(&self) -> bool {
        match self.step {
            Step::Joining { .. } => self.seat.is_some() || self.server.is_some(),
            Step::AwaitingServer { .. } => true,
            // What was told of a stream that is being replaced is not true any more.
            Step::Idle => self.seat.is_some() && matches!(self.live.part(), Part::Missing),
            Step::Leaving { .. } => false,
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.goal.is_none() && self.seat.is_none() && matches!(self.step, Step::Idle)
    }
}
