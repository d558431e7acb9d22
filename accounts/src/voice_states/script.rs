//! What the tables of [`super::tests`] are written in: an input, and what comes of it at once.

use std::time::{Duration, Instant};

use secrecy::ExposeSecret;

use super::{Output, VoiceStates};
use crate::VoiceCredentials;

const ME: u64 = 7;
const GUILD: u64 = 1;
const WAIT: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, Debug)]
pub(super) enum In {
    Join(u64),
    Leave,
    Refresh,
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
    HoldBack, Join, Leave, NewSession, NoServer, Refresh, RemovedFromGuild, Resumed, Seated,
    Server, TimePasses, Unseated,
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
        let states = &mut self.states;
        match input {
            Join(channel) => states.join(GUILD, channel),
            Leave => states.leave(GUILD),
            Refresh => states.refresh(GUILD),
            Seated(channel, session) => states.on_state(GUILD, Some(channel), session, self.now),
            Unseated => states.on_state(GUILD, None, "", self.now),
            Server(token) => {
                let (endpoint, token) = ("host:1".to_owned(), token.into());
                states.on_server(GUILD, Some(super::Server { endpoint, token }), self.now);
            }
            NoServer => states.on_server(GUILD, None, self.now),
            RemovedFromGuild => states.on_removed_from_guild(GUILD),
            NewSession => states.on_new_session(),
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
            effects.push(match command.channel {
                Some(channel) => format!("send {channel}"),
                None => "send out".to_owned(),
            });
        }
        while let Some(output) = self.states.take_output() {
            effects.push(match output {
                Output::Credentials(c) => {
                    let token = c.token.expose_secret();
                    format!(
                        "credentials {} {} {token}",
                        c.channel_id, c.voice_session_id
                    )
                }
                Output::Left { asked, .. } => format!("left asked={asked}"),
                Output::Moved { channel, .. } => format!("moved {channel}"),
                Output::JoinFailed { reason, .. } => format!("failed {}", reason.code()),
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
    }]
}
