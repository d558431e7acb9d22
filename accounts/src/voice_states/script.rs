//! What the tables of [`super::tests`] are written in: an input, and what comes of it at once.

use std::time::{Duration, Instant};

use secrecy::ExposeSecret;

use super::{GatewayCommand, Output, StreamEnd, VoiceStates};
use crate::{LiveRefusal, StreamCredentials, VoiceCredentials, stream_key::StreamKey};

const ME: u64 = 7;
const GUILD: u64 = 1;
const WAIT: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, Debug)]
pub(super) enum In {
    Join(u64),
    GoLive(u64),
    Leave,
    Refresh,
    RefreshLive,
    Pause(bool),
    /// Our stream in this channel, with an id.
    Created(u64, u64),
    /// A server of our stream in this channel.
    StreamServer(u64, &'static str),
    NoStreamServer(u64),
    Ended(u64),
    /// The same, as was asked for.
    EndedAsAsked(u64),
    /// Our stream in this channel is shown as paused, or as not.
    Updated(u64, bool),
    Outage(u64),
    Refused(u64, LiveRefusal),
    /// So many seconds.
    Passes(u64),
    /// Our state in a channel, with a voice session.
    Seated(u64, &'static str),
    Unseated,
    Server(&'static str),
    NoServer,
    RemovedFromGuild,
    NewSession,
    Resumed,
    /// The wait for Discord passes.
    TimePasses,
    /// The limiter lets nothing out before this is undone.
    HoldBack(bool),
}
use In::{
    Created, Ended, GoLive, HoldBack, Join, Leave, NewSession, NoServer, NoStreamServer, Outage,
    Passes, Pause, Refresh, RefreshLive, Refused, RemovedFromGuild, Resumed, Seated, Server,
    StreamServer, TimePasses, Unseated,
};

pub(super) struct Script {
    pub(super) states: VoiceStates,
    now: Instant,
    held_back: bool,
}

impl Script {
    pub(super) fn new(held: Vec<VoiceCredentials>) -> Self {
        let mut states = VoiceStates::new(ME, WAIT, held);
        states.informed = true;
        Self {
            states,
            now: Instant::now(),
            held_back: false,
        }
    }

    /// What one input brings about: op 4s as `send`, then what the scheduler hears.
    pub(super) fn step(&mut self, input: In) -> String {
        let (states, now) = (&mut self.states, self.now);
        match input {
            Join(channel) => states.join(GUILD, channel, false, now),
            GoLive(channel) => states.join(GUILD, channel, true, now),
            Leave => states.leave(GUILD, now),
            Refresh => states.refresh(GUILD, now),
            RefreshLive => states.refresh_live(GUILD, now),
            Pause(paused) => states.set_live_paused(GUILD, paused, now),
            Created(channel, id) => states.on_stream_created(key(channel), id, now),
            StreamServer(channel, token) => {
                states.on_stream_server(key(channel), Some(server(token)), now);
            }
            NoStreamServer(channel) => states.on_stream_server(key(channel), None, now),
            Ended(channel) => states.on_stream_deleted(key(channel), StreamEnd::Over, now),
            In::EndedAsAsked(channel) => {
                states.on_stream_deleted(key(channel), StreamEnd::ByHand, now);
            }
            In::Updated(channel, paused) => states.on_stream_updated(key(channel), paused, now),
            Outage(channel) => states.on_stream_deleted(key(channel), StreamEnd::Outage, now),
            Refused(channel, why) => {
                states.on_stream_deleted(key(channel), StreamEnd::Refused(why), now);
            }
            Passes(seconds) => {
                self.now += Duration::from_secs(seconds);
                states.on_time(self.now);
            }
            Seated(channel, session) => states.on_state(GUILD, Some(channel), session, self.now),
            Unseated => states.on_state(GUILD, None, "", self.now),
            Server(token) => states.on_server(GUILD, Some(server(token)), self.now),
            NoServer => states.on_server(GUILD, None, self.now),
            RemovedFromGuild => states.on_removed_from_guild(GUILD, now),
            NewSession => states.on_new_session(now),
            Resumed => states.on_resumed(self.now),
            TimePasses => {
                self.now += WAIT;
                states.on_time(self.now);
            }
            HoldBack(held_back) => self.held_back = held_back,
        }
        let mut effects = Vec::new();
        while !self.held_back
            && let Some(command) = self.states.take_command(self.now)
        {
            effects.push(match command {
                GatewayCommand::SetVoiceState {
                    channel: Some(channel),
                    ..
                } => format!("send {channel}"),
                GatewayCommand::SetVoiceState { channel: None, .. } => "send out".to_owned(),
                GatewayCommand::CreateStream(key) => format!("create {}", key.channel),
                GatewayCommand::DeleteStream(key) => format!("end {}", key.channel),
                GatewayCommand::PauseStream(_, paused) => format!("pause {paused}"),
            });
        }
        while let Some(output) = self.states.take_output() {
            effects.push(match output {
                Output::Credentials(c) => {
                    let token = c.token.expose_secret();
                    let stream = c.stream.map_or_else(String::new, |stream| {
                        let token = stream.token.expose_secret();
                        format!(" live {} {token}", stream.rtc_server_id)
                    });
                    format!(
                        "credentials {} {} {token}{stream}",
                        c.channel_id, c.voice_session_id
                    )
                }
                Output::Left { asked, .. } => format!("left asked={asked}"),
                Output::Moved { channel, .. } => format!("moved {channel}"),
                Output::JoinFailed { reason, .. } => format!("failed {}", reason.code()),
                Output::LiveRefused { reason, .. } => format!("refused {}", reason.code()),
            });
        }
        effects.join(", ")
    }

    pub(super) fn run(&mut self, name: &str, script: &[(In, &str)]) {
        for (i, (input, expected)) in script.iter().enumerate() {
            assert_eq!(self.step(*input), *expected, "{name}, line {i}: {input:?}");
        }
    }
}

pub(super) fn seated() -> Vec<VoiceCredentials> {
    vec![VoiceCredentials {
        guild_id: GUILD,
        channel_id: 5,
        user_id: ME,
        voice_session_id: "s".to_owned(),
        endpoint: "host:1".to_owned(),
        token: "t".into(),
        stream: None,
    }]
}

/// The same, with a stream.
pub(super) fn streaming() -> Vec<VoiceCredentials> {
    let stream = StreamCredentials {
        stream_key: key(5).to_string(),
        rtc_server_id: 90,
        endpoint: "host:1".to_owned(),
        token: "w".into(),
    };
    let mut held = seated();
    held[0].stream = Some(stream);
    held
}

fn key(channel: u64) -> StreamKey {
    StreamKey {
        guild: GUILD,
        channel,
        user: ME,
    }
}

fn server(token: &str) -> super::Server {
    let (endpoint, token) = ("host:1".to_owned(), token.into());
    super::Server { endpoint, token }
}
