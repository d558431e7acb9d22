//! The child role `drive`: the driver alone, many sessions that play from memory.
//!
//! It is told what to do on standard input, an [`Order`] a line, so that no credentials stand in a command line, and
//! answers [`Order::Report`] on standard output. It ends with its input.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use discord_sim::VoiceCredentials;
use orb_voice::{
    Call, CallEvent, Driver, DriverConfig, Encryption, FrameSource, OpenGate, VoiceServer,
};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::sync::mpsc;

use super::frames::{Frames, Sendings};
use crate::machine::allow_many_sockets;

/// Events of all calls that may wait to be read.
const EVENTS: usize = 16_384;

/// A line of the input.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Order {
    /// The first: whose certificates the voice servers have.
    Trust(PathBuf),
    /// One more session.
    Join(Seat),
    /// Answer with an [`Account`].
    Report,
}

/// What a session connects with.
#[derive(Serialize, Deserialize)]
pub(super) struct Seat {
    endpoint: String,
    guild: u64,
    channel: u64,
    user: u64,
    session: String,
    token: String,
}

impl From<VoiceCredentials> for Seat {
    fn from(credentials: VoiceCredentials) -> Self {
        Self {
            endpoint: credentials.endpoint,
            guild: credentials.guild.0,
            channel: credentials.channel.0,
            user: credentials.user.0,
            session: credentials.session,
            token: credentials.token,
        }
    }
}

impl From<Seat> for VoiceServer {
    fn from(seat: Seat) -> Self {
        Self {
            endpoint: seat.endpoint,
            guild_id: seat.guild,
            channel_id: seat.channel,
            user_id: seat.user,
            session_id: seat.session.into(),
            token: seat.token.into(),
            stream: None,
        }
    }
}

/// How it stands.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Account {
    /// Times that a session began to send encrypted.
    pub(super) encrypted: usize,
    /// Times that a connection was cut or given up.
    pub(super) ended: usize,
    /// Datagrams that the kernel did not take.
    pub(super) send_errors: u64,
    /// How late frames were sent since the last report, in ms: half, 99 of 100, and all of them not later.
    pub(super) late_p50_ms: f64,
    pub(super) late_p99_ms: f64,
    pub(super) late_max_ms: f64,
}

/// The role.
pub(crate) async fn run() -> Result<()> {
    allow_many_sockets()?;
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let (sender, mut events) = mpsc::channel(EVENTS);
    let mut crew: Option<Crew> = None;
    loop {
        tokio::select! {
            line = lines.next_line() => {
                let Some(line) = line? else { return Ok(()) };
                match (serde_json::from_str(&line).context("not an order")?, &mut crew) {
                    (Order::Trust(ca), None) => crew = Some(Crew::new(ca, sender.clone())?),
                    (Order::Join(seat), Some(crew)) => crew.join(seat),
                    (Order::Report, Some(crew)) => crew.report()?,
                    _ => bail!("the first order, and only it, says whom to trust"),
                }
            }
            Some(event) = events.recv() => {
                if let Some(crew) = &mut crew {
                    crew.note(&event);
                }
            }
        }
    }
}

struct Crew {
    driver: Driver,
    events: mpsc::Sender<CallEvent>,
    calls: Vec<Call>,
    sendings: Arc<Sendings>,
    account: Account,
}

impl Crew {
    fn new(ca: PathBuf, events: mpsc::Sender<CallEvent>) -> Result<Self> {
        let driver = Driver::new(DriverConfig {
            extra_ca_file: Some(ca),
            ..DriverConfig::default()
        })?;
        Ok(Self {
            driver,
            events,
            calls: Vec::new(),
            sendings: Arc::default(),
            account: Account::default(),
        })
    }

    fn join(&mut self, seat: Seat) {
        let frames = Arc::new(Frames::new(Arc::clone(&self.sendings)));
        let frames = frames as Arc<dyn FrameSource>;
        let mut call = self.driver.call(frames, self.events.clone());
        call.connect(seat.into(), Arc::new(OpenGate));
        self.calls.push(call);
    }

    fn note(&mut self, event: &CallEvent) {
        match event {
            CallEvent::Encryption(Encryption::EndToEnd) => self.account.encrypted += 1,
            CallEvent::Reconnecting { reason, .. } | CallEvent::Lost { reason, .. } => {
                eprintln!("a connection ended: {reason}");
                self.account.ended += 1;
            }
            CallEvent::Connected { .. } | CallEvent::Encryption(_) => {}
        }
    }

    fn report(&mut self) -> Result<()> {
        let late = self.sendings.take();
        self.account.send_errors = self.driver.stats().snapshot().send_errors;
        self.account.late_p50_ms = late.median();
        self.account.late_p99_ms = late.percentile(99.0);
        self.account.late_max_ms = late.max();
        let mut out = std::io::stdout().lock();
        writeln!(out, "{}", serde_json::to_string(&self.account)?)?;
        out.flush().context("nobody reads the report")
    }
}
