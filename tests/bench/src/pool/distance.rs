//! Discord's voice servers and the film far away from the workers; the pool itself is in one place.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use discord_sim::DiscordSimConfig;

use crate::relay::{Relay, TcpPort, UdpPort};
use crate::surroundings::Surroundings;

/// What is reported beside loopback.
pub(super) const ROUND_TRIP: Duration = Duration::from_millis(30);

/// Where clients are told to go, before there is anything behind it.
pub(super) struct Ports {
    voice: TcpPort,
    media: UdpPort,
    film: TcpPort,
}

/// The ways to what is far away.
pub(super) struct Distance {
    film: Relay,
    _voice: Relay,
    _media: Relay,
}

impl Ports {
    pub(super) fn bind() -> Result<Self> {
        Ok(Self {
            voice: TcpPort::bind()?,
            media: UdpPort::bind()?,
            film: TcpPort::bind()?,
        })
    }

    /// Has clients told to come this way.
    pub(super) fn announce(&self, discord: DiscordSimConfig) -> Result<DiscordSimConfig> {
        Ok(DiscordSimConfig {
            media_relay: Some(self.media.address()?),
            voice_relays: Some([self.voice.address()?; 2]),
            ..discord
        })
    }

    pub(super) fn open(self, to: &Surroundings) -> Result<Distance> {
        let one_way = ROUND_TRIP / 2;
        let film = address(to.jellyfin_url())?;
        Ok(Distance {
            film: self.film.relay(one_way, film)?,
            _voice: self.voice.relay(one_way, to.discord.voice_endpoints()[0])?,
            _media: self.media.relay(one_way, to.discord.media_address())?,
        })
    }
}

impl Distance {
    /// Jellyfin, from where the workers are.
    pub(super) fn jellyfin_url(&self) -> String {
        format!("http://{}", self.film.address)
    }
}

fn address(url: &str) -> Result<SocketAddr> {
    let address = url.trim_start_matches("http://").trim_end_matches('/');
    address
        .parse()
        .with_context(|| format!("{url} is no address"))
}
