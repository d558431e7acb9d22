//! Connecting: from credentials to the first packet that the member decrypts, and where the time goes.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use discord_sim::{DiscordSim, DiscordSimConfig, RecordEntry, RecordEvent};
use orb_voice::{CallEvent, Encryption, Step};

use super::solo::{self, Solo, TELLS_WITHIN};
use crate::relay::{Relay, TcpPort, UdpPort};
use crate::report::Measurement;
use crate::statistics::Samples;
use crate::waiting::until;

/// Connections measured; each in a channel of its own, whose DAVE group is founded by it.
const ROUNDS: u64 = 30;

/// Over the relay.
const ROUND_TRIP: Duration = Duration::from_millis(30);

/// What the time between two [`Moments`] is called.
const PARTS: [&str; 7] = [
    "gate asked",
    "dialled",
    "TLS, WebSocket and HELLO",
    "IDENTIFY, READY and the discovery's datagram",
    "its answer, SELECT PROTOCOL and the session description",
    "DAVE group",
    "first packet",
];

pub(super) async fn measure() -> Result<Vec<Measurement>> {
    eprintln!("connecting: {ROUNDS} on loopback");
    let sim = DiscordSim::start(DiscordSimConfig::default()).await?;
    let near = rounds(&sim, None).await?;
    sim.shutdown().await;

    eprintln!("connecting: {ROUNDS} at a round trip of {ROUND_TRIP:?}");
    let media = UdpPort::bind()?;
    let sim = DiscordSim::start(DiscordSimConfig {
        media_relay: Some(media.address()?),
        ..DiscordSimConfig::default()
    })
    .await?;
    let _media = media.relay(ROUND_TRIP / 2, sim.media_address())?;
    let gateway = TcpPort::bind()?.relay(ROUND_TRIP / 2, sim.voice_endpoints()[0])?;
    let far = rounds(&sim, Some(&gateway)).await?;
    sim.shutdown().await;

    Ok(vec![
        near.measurement("connect_ms", "on loopback").at_most(120.0),
        near.p99("connect_p99_ms"),
        far.measurement(
            "connect_rtt_30_ms",
            "over a relay with a round trip of 30 ms, one more for TCP's handshake",
        ),
    ])
}

async fn rounds(sim: &DiscordSim, relay: Option<&Relay>) -> Result<Connects> {
    let mut connects = Connects::default();
    // What is done once in a process is not what is measured: round 0 only warms up.
    for round in 0..=ROUNDS {
        let moments = connect(sim, relay, round).await?;
        if round > 0 {
            connects.add(&moments);
        }
    }
    Ok(connects)
}

/// The moments of one connection, by time: before it, and at the end of each of [`PARTS`].
type Moments = [Instant; PARTS.len() + 1];

async fn connect(sim: &DiscordSim, relay: Option<&Relay>, round: u64) -> Result<Moments> {
    let (guild, channel, user) = (1000 + round, 2000 + round, 3000 + round);
    let mut server = solo::server(sim.voice_credentials(guild, channel, user)?);
    if let Some(relay) = relay {
        server.endpoint = relay.address.to_string();
    }
    // A new one each time: TLS is to remember no session, as with a server that was never dialled before.
    let driver = solo::driver(sim)?;
    let mut solo = Solo::new(&driver);
    let begun = Instant::now();
    solo.connect(server);
    let described = solo.told(&CallEvent::Connected { resumed: false }).await?;
    let encrypted = CallEvent::Encryption(Encryption::EndToEnd);
    let grouped = solo.told(&encrypted).await?;
    let heard = until("the first packet", TELLS_WITHIN, async || {
        let heard = sim.heard(guild);
        let packets = heard.packets();
        let first = packets
            .iter()
            .find(|packet| packet.dave_encrypted && packet.decrypted);
        Ok(first.map(|packet| packet.at))
    })
    .await?;
    sim.leave_voice(guild, user);

    let record = sim.record();
    let at = |wanted: fn(&RecordEvent) -> bool| {
        let mut since = record.iter().filter(|entry| entry.at >= begun);
        since.find(|entry| wanted(&entry.event))
    };
    let dialled = at(|event| matches!(event, RecordEvent::VoiceDialled { .. }));
    let discovering = at(|event| matches!(event, RecordEvent::IpDiscovery { .. }));
    let when = |entry: Option<&RecordEntry>| entry.map(|entry| entry.at);
    let moments = (|| {
        Some([
            begun,
            solo.gate.asked(Step::Dial)?,
            when(dialled)?,
            solo.gate.asked(Step::Identify)?,
            when(discovering)?,
            described,
            grouped,
            heard,
        ])
    })();
    moments.context("a connection has a dial, an IDENTIFY and a discovery")
}

#[derive(Default)]
struct Connects {
    whole: Samples,
    parts: [Samples; PARTS.len()],
}

impl Connects {
    fn add(&mut self, moments: &Moments) {
        for (part, pair) in self.parts.iter_mut().zip(moments.windows(2)) {
            // The key may be there before its owner is told: the first packet does not wait for us.
            part.push_ms(pair[1].saturating_duration_since(pair[0]));
        }
        self.whole.push_ms(moments[PARTS.len()] - moments[0]);
    }

    fn measurement(&self, name: &'static str, way: &str) -> Measurement {
        let parts: Vec<String> = PARTS
            .iter()
            .zip(&self.parts)
            .map(|(name, part)| format!("{name} {:.1}", part.median()))
            .collect();
        let detail = format!(
            "median, {way}; credentials to the first packet that the member decrypts, driver and simulator in the bench, \
             a new TLS session and a new DAVE group each time: {}; medians of its parts in ms, each until: {}",
            self.whole.describe(),
            parts.join(", ")
        );
        Measurement::new(name, self.whole.median(), "ms", detail)
    }

    fn p99(&self, name: &'static str) -> Measurement {
        let detail = format!("the same: {}", self.whole.describe());
        Measurement::new(name, self.whole.percentile(99.0), "ms", detail)
    }
}
