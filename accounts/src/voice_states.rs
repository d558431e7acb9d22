//! Where one account is meant to be and to go live, where Discord says it is, and what makes the two agree.
//!
//! Pure: commands and events in with the time, ops and outputs out. No I/O and no clock. The stream's side of it is
//! in [`live`].
//!
//! Discord answers an op 4 ("Update Voice State") with a `VOICE_STATE_UPDATE` (channel and voice
//! session id) and a `VOICE_SERVER_UPDATE` (token and endpoint), in either order, and neither says
//! which op 4 it answers. So there is at most *one* op 4 outstanding a guild; the goal may change
//! meanwhile, and what follows from it is sent when the outstanding one was answered or given up.
//! That is what keeps a late "left" of one party from ending the next.
//!
//! | step | waits for | then | when it does not come |
//! | --- | --- | --- | --- |
//! | idle | – | any change of ours is somebody else's: kick, move, new server | – |
//! | joining | our state in the channel *and* a server | credentials | leave and join once more, then failed |
//! | leaving | our state without a channel | left, or the join that was to follow | once more, then taken as left |
//! | awaiting a server | a server | credentials | moved: the old server's; lost: leave and join |
//!
//! Deadlines count from the sending, which a limiter may delay, and stand still while the
//! connection is down: after a RESUME what was not answered is sent again, for the answers that
//! Discord did give are replayed before it.

mod guild;
mod live;
#[cfg(test)]
mod live_tests;
mod pacing;
mod pause;
#[cfg(test)]
mod script;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod walk_tests;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::{Duration, Instant},
};

use secrecy::SecretString;

use crate::{JoinFailure, LiveRefusal, StreamCredentials, VoiceCredentials, stream_key::StreamKey};
use guild::GuildVoice;
pub(crate) use live::StreamEnd;

/// A message to be sent over the gateway connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum GatewayCommand {
    /// Op 4. `channel` none: leave.
    SetVoiceState { guild: u64, channel: Option<u64> },
    /// Op 18.
    CreateStream(StreamKey),
    /// Op 19.
    DeleteStream(StreamKey),
    /// Op 22: whether it is paused.
    PauseStream(StreamKey, bool),
}

/// What the scheduler is to hear.
#[derive(Clone, Debug)]
pub(crate) enum Output {
    Credentials(VoiceCredentials),
    Left { guild: u64, asked: bool },
    Moved { guild: u64, channel: u64 },
    JoinFailed { guild: u64, reason: JoinFailure },
    LiveRefused { guild: u64, reason: LiveRefusal },
}

/// Of a `VOICE_SERVER_UPDATE` or a `STREAM_SERVER_UPDATE`.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) endpoint: String,
    pub(crate) token: SecretString,
}

/// All guilds of one account.
pub(crate) struct VoiceStates {
    user: u64,
    wait: Duration,
    guilds: BTreeMap<u64, GuildVoice>,
    /// Until when guilds wait for something. Every event asks for the first, and most of hundreds of guilds rest.
    waits: BTreeMap<u64, Instant>,
    /// Guilds that hold what was not told yet.
    untold: BTreeSet<u64>,
    /// Guilds with a command to be sent, oldest first; some may have changed their mind since.
    queue: VecDeque<u64>,
    outputs: VecDeque<Output>,
    /// Whether Discord has said (READY) or replayed (RESUMED) where the account is.
    informed: bool,
}

impl VoiceStates {
    /// `wait`: how long an answer of Discord is waited for. `held`: where the account was when the
    /// session was stored.
    pub(crate) fn new(user: u64, wait: Duration, held: Vec<VoiceCredentials>) -> Self {
        let guilds: BTreeMap<_, _> = held
            .into_iter()
            .map(|credentials| (credentials.guild_id, GuildVoice::held(credentials)))
            .collect();
        let known: Vec<u64> = guilds.keys().copied().collect();
        let mut states = Self {
            user,
            wait,
            guilds,
            waits: BTreeMap::new(),
            untold: BTreeSet::new(),
            queue: VecDeque::new(),
            outputs: VecDeque::new(),
            informed: false,
        };
        for guild in known {
            states.note(guild);
        }
        states
    }

    /// The account shall be in `channel`, and stream there if `live`. When all is so already, its credentials are told
    /// again.
    pub(crate) fn join(&mut self, guild: u64, channel: u64, live: bool, now: Instant) {
        self.with(guild, now, |voice, outputs| {
            voice.join(channel, live, outputs);
        });
    }

    /// The account shall be in no channel of the guild.
    pub(crate) fn leave(&mut self, guild: u64, now: Instant) {
        let informed = self.informed;
        self.with(guild, now, |voice, outputs| voice.leave(informed, outputs));
    }

    /// New credentials for the channel that the account is in; nothing where it is in none. Its stream is kept.
    pub(crate) fn refresh(&mut self, guild: u64, now: Instant) {
        self.with(guild, now, |voice, _| voice.refresh());
    }

    /// New credentials for the stream alone; nothing where there is none.
    pub(crate) fn refresh_live(&mut self, guild: u64, now: Instant) {
        self.with(guild, now, |voice, _| voice.live.renew());
    }

    /// Whether the stream shall be shown as paused, this one and those that are made in its place.
    pub(crate) fn set_live_paused(&mut self, guild: u64, paused: bool, now: Instant) {
        self.with(guild, now, |voice, _| voice.live.set_paused(paused));
    }

    /// Leaves every guild.
    pub(crate) fn leave_all(&mut self, now: Instant) {
        let guilds: Vec<_> = self.guilds.keys().copied().collect();
        for guild in guilds {
            self.leave(guild, now);
        }
    }

    /// Whether the account is in no channel and nothing is on its way.
    pub(crate) fn is_empty(&self) -> bool {
        self.guilds.is_empty()
    }

    /// READY: a new session, in which the account is nowhere.
    pub(crate) fn on_new_session(&mut self, now: Instant) {
        self.informed = true;
        self.queue.clear();
        self.with_all(now, |voice, _| voice.on_new_session());
    }

    /// RESUMED: everything that happened meanwhile was replayed.
    pub(crate) fn on_resumed(&mut self, now: Instant) {
        self.informed = true;
        let deadline = now + self.wait;
        self.with_all(now, |voice, _| voice.on_resumed(deadline));
    }

    /// A `VOICE_STATE_UPDATE` of the account itself.
    pub(crate) fn on_state(
        &mut self,
        guild: u64,
        channel: Option<u64>,
        session: &str,
        now: Instant,
    ) {
        let deadline = now + self.wait;
        self.with(guild, now, |voice, outputs| match channel {
            Some(channel) => voice.on_seated(channel, session, deadline, outputs),
            None => voice.on_unseated(outputs),
        });
    }

    /// A `VOICE_SERVER_UPDATE`; without a server, Discord is looking for a new one.
    pub(crate) fn on_server(&mut self, guild: u64, server: Option<Server>, now: Instant) {
        let deadline = now + self.wait;
        self.with(guild, now, |voice, outputs| {
            voice.on_server(server, deadline, outputs);
        });
    }

    /// A `STREAM_CREATE`.
    pub(crate) fn on_stream_created(&mut self, key: StreamKey, rtc_server_id: u64, now: Instant) {
        let deadline = now + self.wait;
        self.with_stream(key, now, |voice, outputs| {
            let change = voice.live.on_created(key, rtc_server_id, deadline);
            voice.tell_change(change, outputs);
        });
    }

    /// A `STREAM_SERVER_UPDATE`; without a server, Discord is looking for a new one.
    pub(crate) fn on_stream_server(
        &mut self,
        key: StreamKey,
        server: Option<Server>,
        now: Instant,
    ) {
        let deadline = now + self.wait;
        self.with_stream(key, now, |voice, outputs| {
            let change = voice.live.on_server(server, deadline);
            voice.tell_change(change, outputs);
        });
    }

    /// A `STREAM_UPDATE`.
    pub(crate) fn on_stream_updated(&mut self, key: StreamKey, paused: bool, now: Instant) {
        self.with_stream(key, now, |voice, _| voice.live.on_updated(paused));
    }

    /// A `STREAM_DELETE`.
    pub(crate) fn on_stream_deleted(&mut self, key: StreamKey, end: StreamEnd, now: Instant) {
        let deadline = now + self.wait;
        self.with_stream(key, now, |voice, outputs| {
            let change = voice.live.on_deleted(end, deadline);
            voice.tell_change(change, outputs);
        });
    }

    /// The bot was removed from the guild.
    pub(crate) fn on_removed_from_guild(&mut self, guild: u64, now: Instant) {
        self.with(guild, now, GuildVoice::on_removed);
    }

    /// Gives up the waits that are over. Not to be called while the connection is down.
    pub(crate) fn on_time(&mut self, now: Instant) {
        let due: Vec<_> = self
            .waits
            .iter()
            .filter(|(_, at)| **at <= now)
            .map(|(guild, _)| *guild)
            .collect();
        for guild in due {
            self.with(guild, now, |voice, outputs| voice.on_time(now, outputs));
        }
    }

    /// When [`Self::on_time`] is due.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.waits.values().min().copied()
    }

    pub(crate) fn has_command(&self) -> bool {
        !self.queue.is_empty()
    }

    /// The next command, which the caller sends now: its wait begins.
    pub(crate) fn take_command(&mut self, now: Instant) -> Option<GatewayCommand> {
        while let Some(guild) = self.queue.pop_front() {
            let Some(voice) = self.guilds.get_mut(&guild) else {
                continue;
            };
            let command = voice.take_command((guild, self.user), now, now + self.wait);
            let wants_more = voice.wants_to_send();
            self.note(guild);
            if command.is_none() {
                continue;
            }
            if wants_more {
                self.queue.push_back(guild);
            }
            return command;
        }
        None
    }

    pub(crate) fn take_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// How many outputs wait to be taken.
    pub(crate) fn outputs(&self) -> usize {
        self.outputs.len()
    }

    /// Where Discord says the account is.
    pub(crate) fn channel(&self, guild: u64) -> Option<u64> {
        self.guilds.get(&guild)?.channel()
    }

    /// Whether an event was taken in of which nothing was told yet. The sequence must not be
    /// stored then: a successor that RESUMEs from it would never hear of that event.
    pub(crate) fn holds_untold(&self) -> bool {
        !self.untold.is_empty()
    }

    fn with(
        &mut self,
        guild: u64,
        now: Instant,
        change: impl FnOnce(&mut GuildVoice, &mut Outputs<'_>),
    ) {
        let voice = self.guilds.entry(guild).or_default();
        let mut outputs = Outputs {
            guild,
            user: self.user,
            queue: &mut self.outputs,
        };
        change(voice, &mut outputs);
        voice.settle(now, &mut outputs);
        if voice.is_over() {
            self.guilds.remove(&guild);
        } else if voice.wants_to_send() && !self.queue.contains(&guild) {
            self.queue.push_back(guild);
        }
        self.note(guild);
    }

    /// Takes down what is asked of all guilds together; after every change of one.
    fn note(&mut self, guild: u64) {
        let voice = self.guilds.get(&guild);
        match voice.and_then(GuildVoice::deadline) {
            Some(at) => self.waits.insert(guild, at),
            None => self.waits.remove(&guild),
        };
        if voice.is_some_and(GuildVoice::holds_untold) {
            self.untold.insert(guild);
        } else {
            self.untold.remove(&guild);
        }
    }

    fn with_all(&mut self, now: Instant, change: impl Fn(&mut GuildVoice, &mut Outputs<'_>)) {
        let guilds: Vec<_> = self.guilds.keys().copied().collect();
        for guild in guilds {
            self.with(guild, now, &change);
        }
    }

    /// Only for the account's own stream in the channel that it is in: the end of one elsewhere is the end of an
    /// earlier stay.
    fn with_stream(
        &mut self,
        key: StreamKey,
        now: Instant,
        change: impl FnOnce(&mut GuildVoice, &mut Outputs<'_>),
    ) {
        if key.user == self.user && self.channel(key.guild) == Some(key.channel) {
            self.with(key.guild, now, change);
        }
    }
}

/// Where one guild's outputs go.
struct Outputs<'a> {
    guild: u64,
    user: u64,
    queue: &'a mut VecDeque<Output>,
}

impl Outputs<'_> {
    fn credentials(
        &mut self,
        channel: u64,
        voice_session: &str,
        server: &Server,
        stream: Option<StreamCredentials>,
    ) {
        self.queue.push_back(Output::Credentials(VoiceCredentials {
            guild_id: self.guild,
            channel_id: channel,
            user_id: self.user,
            voice_session_id: voice_session.to_owned(),
            endpoint: server.endpoint.clone(),
            token: server.token.clone(),
            stream,
        }));
    }

    fn left(&mut self, asked: bool) {
        let guild = self.guild;
        self.queue.push_back(Output::Left { guild, asked });
    }

    fn moved(&mut self, channel: u64) {
        let guild = self.guild;
        self.queue.push_back(Output::Moved { guild, channel });
    }

    fn live_refused(&mut self, reason: LiveRefusal) {
        let guild = self.guild;
        self.queue.push_back(Output::LiveRefused { guild, reason });
    }

    fn failed(&mut self, reason: JoinFailure) {
        let guild = self.guild;
        self.queue.push_back(Output::JoinFailed { guild, reason });
    }
}
