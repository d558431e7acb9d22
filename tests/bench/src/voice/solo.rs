//! The driver alone: no worker, no main gateway, credentials straight from the simulator.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use discord_sim::{DiscordSim, VoiceCredentials};
use orb_voice::{Call, CallEvent, Driver, DriverConfig, Gate, Passing, Permit, Step, VoiceServer};
use tokio::sync::mpsc;

use super::frames::Frames;

/// Events of one call that may wait to be read: more than a run causes.
const EVENTS: usize = 256;

/// MLS on a machine that is busy takes its time; beyond this something hangs.
pub(super) const TELLS_WITHIN: Duration = Duration::from_secs(15);

/// A driver that trusts the simulator.
pub(super) fn driver(sim: &DiscordSim) -> Result<Driver> {
    let config = DriverConfig {
        extra_ca_file: Some(sim.ca_file().to_owned()),
        ..DriverConfig::default()
    };
    Driver::new(config).context("cannot make a voice driver")
}

/// The driver's form of what the simulator gives out.
pub(super) fn server(credentials: VoiceCredentials) -> VoiceServer {
    VoiceServer {
        endpoint: credentials.endpoint,
        guild_id: credentials.guild.0,
        channel_id: credentials.channel.0,
        user_id: credentials.user.0,
        session_id: credentials.session.into(),
        token: credentials.token.into(),
        stream: None,
    }
}

/// One call that plays [`Frames`].
pub(super) struct Solo {
    call: Call,
    events: mpsc::Receiver<CallEvent>,
    pub(super) gate: Arc<NotingGate>,
}

impl Solo {
    pub(super) fn new(driver: &Driver) -> Self {
        let (sender, events) = mpsc::channel(EVENTS);
        Self {
            call: driver.call(Arc::new(Frames::default()), sender),
            events,
            gate: Arc::default(),
        }
    }

    pub(super) fn connect(&mut self, server: VoiceServer) {
        let gate = Arc::clone(&self.gate) as Arc<dyn Gate>;
        self.call.connect(server, gate);
    }

    /// When this event came; others are passed over, but for a loss.
    pub(super) async fn told(&mut self, wanted: &CallEvent) -> Result<Instant> {
        let told = tokio::time::timeout(TELLS_WITHIN, async {
            while let Some(event) = self.events.recv().await {
                if event == *wanted {
                    return Ok(Instant::now());
                }
                if let CallEvent::Lost { reason, .. } = event {
                    bail!("the voice connection was lost: {reason}");
                }
            }
            bail!("the call has ended")
        });
        told.await
            .with_context(|| format!("waited {TELLS_WITHIN:?} for {wanted:?}"))?
    }
}

/// A gate that is always open and notes when it was asked.
#[derive(Default)]
pub(super) struct NotingGate {
    asked: Mutex<Vec<(Step, Instant)>>,
}

impl NotingGate {
    /// When it was first asked for this step.
    pub(super) fn asked(&self, step: Step) -> Option<Instant> {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let first = asked.iter().find(|(other, _)| *other == step)?;
        Some(first.1)
    }
}

impl Gate for NotingGate {
    fn pass(&self, step: Step) -> Passing<'_> {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.push((step, Instant::now()));
        let expires = Instant::now() + TELLS_WITHIN;
        Box::pin(std::future::ready(Ok(Permit { expires })))
    }
}
