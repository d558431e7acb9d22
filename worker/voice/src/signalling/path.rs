//! From READY to a media path: what is agreed on with the server, by either protocol.

use std::{net::SocketAddr, time::Instant};

use super::{End, Kind, MediaPath, Output, Phase, Signalling, Transport};
use crate::{
    packet::{TransportMode, VideoSsrcs},
    wire::{Answer, ClientMessage, Offer, PictureCodec, Speaking},
};

impl Signalling {
    /// The address of this host was found.
    pub fn discovered(&mut self, address: SocketAddr) {
        if let Phase::Discovering { ssrc, mode } = self.phase {
            self.phase = Phase::Selecting { ssrc };
            self.send(ClientMessage::SelectProtocol {
                address: address.ip(),
                port: address.port(),
                mode: mode.name(),
            });
        }
    }

    /// This client's half of a stream's path is there.
    pub fn offered(&mut self, offer: Offer) {
        if let Phase::Offering { ssrc } = self.phase {
            self.phase = Phase::Selecting { ssrc };
            self.send(ClientMessage::SelectWebRtc(offer));
        }
    }

    /// The path of a stream is open.
    pub fn media_opened(&mut self) {
        if self.phase == Phase::Opening {
            self.up(false);
        }
    }

    /// The path of a stream is gone, and only a new session brings another. To be said again while it is so: what is under
    /// way is not broken off.
    pub fn media_lost(&mut self, now: Instant) {
        match self.phase {
            Phase::Opening | Phase::Up => {
                self.resumable = false;
                self.hold();
                self.fail(End::broken("the media path broke"), now);
            }
            _ => {}
        }
    }

    pub(super) fn ready(
        &mut self,
        ssrc: u32,
        media: SocketAddr,
        modes: &[String],
        place: Option<VideoSsrcs>,
    ) {
        match &mut self.kind {
            Kind::Channel => {
                let Some(mode) = TransportMode::choose(modes) else {
                    return self.lose(End::broken(
                        "it offers no transport encryption that is known here",
                    ));
                };
                self.phase = Phase::Discovering { ssrc, mode };
                self.outputs.push_back(Output::Discover { media, ssrc });
            }
            Kind::Stream { pictures } => {
                let Some(place) = place else {
                    return self.lose(End::broken("it has no place for a picture"));
                };
                *pictures = Some(place);
                self.phase = Phase::Offering { ssrc };
                self.outputs.push_back(Output::Offer {
                    media,
                    ssrc,
                    pictures: place,
                });
            }
        }
    }

    pub(super) fn described(&mut self, ssrc: u32, answer: Answer, dave_version: u16) {
        let transport = match (self.kind, answer) {
            (Kind::Channel, Answer::Udp { mode, key }) => {
                let Some(mode) = TransportMode::choose(std::slice::from_ref(&mode)) else {
                    return self.lose(End::broken("it chose an encryption that was not asked for"));
                };
                Transport::Udp { mode, key }
            }
            (
                Kind::Stream { .. },
                Answer::WebRtc {
                    sdp,
                    pictures: None | Some(PictureCodec::H264),
                },
            ) => Transport::WebRtc { answer: sdp },
            (Kind::Stream { .. }, Answer::WebRtc { .. }) => {
                return self.lose(End::broken("it chose a picture codec that was not offered"));
            }
            _ => return self.lose(End::broken("it chose a protocol that was not asked for")),
        };
        let path = MediaPath {
            ssrc,
            transport,
            dave_version,
        };
        self.outputs.push_back(Output::Media(path));
        match self.kind {
            Kind::Channel => self.up(false),
            Kind::Stream { .. } => {
                self.phase = Phase::Opening;
                // Before any sound: whose its SSRC is.
                let speaking = Speaking::Soundshare;
                self.send(ClientMessage::Speaking { speaking, ssrc });
                // As clients do that show nobody.
                self.send(ClientMessage::SinkWants);
            }
        }
    }
}

#[cfg(test)]
mod tests;
