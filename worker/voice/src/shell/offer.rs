//! This host's half of a stream's media path.

use std::{io, net::SocketAddr, time::Instant};

use uuid::Uuid;

use super::ends::Ends;
use crate::{
    End,
    packet::{PacketError, VideoSsrcs, WebRtcConfig, WebRtcLayer},
    wire::Offer,
};

/// Sound has so much: Opus at 128 kbit/s with its packets' headers.
const SOUND: u64 = 160_000;

/// A path that waits for the server's half.
pub(super) struct Offered {
    /// Large: it must not be in the task of every connection.
    pub(super) layer: Box<WebRtcLayer>,
    pub(super) ends: Ends,
}

impl Offered {
    /// Binds a socket. `pictures_rate`: what is to be sent, in bits a second, if that is known.
    pub(super) fn new(
        media: SocketAddr,
        audio_ssrc: u32,
        pictures: VideoSsrcs,
        pictures_rate: Option<u64>,
    ) -> Result<Self, End> {
        let ends = Ends::to(media).map_err(|error| no_socket(&error))?;
        let local = ends
            .sender
            .local_addr()
            .map_err(|error| no_socket(&error))?;
        let config = WebRtcConfig {
            audio_ssrc,
            video: Some(pictures),
            local,
            first_estimate: pictures_rate.map_or(WebRtcConfig::FIRST_ESTIMATE, |rate| {
                rate.saturating_add(SOUND)
            }),
        };
        let layer = WebRtcLayer::new(config, Instant::now()).map_err(|error| no_path(&error))?;
        Ok(Self {
            layer: Box::new(layer),
            ends,
        })
    }

    /// What the server is told.
    pub(super) fn offer(&mut self) -> Offer {
        Offer {
            sdp: self.layer.local_sdp(),
            connection: Uuid::new_v4(),
        }
    }

    /// Takes in the server's half: from here on the path opens by itself.
    pub(super) fn accept(mut self, answer: &str) -> Result<Self, End> {
        let peer = self.layer.accept(answer, Instant::now());
        let peer = peer.map_err(|error| no_path(&error))?;
        let connected = self.ends.sender.connect(peer);
        connected.map_err(|error| no_socket(&error))?;
        Ok(self)
    }
}

fn no_socket(error: &io::Error) -> End {
    End::broken(format!("no socket for media: {error}"))
}

fn no_path(error: &PacketError) -> End {
    End::broken(format!("no path for media: {error}"))
}
