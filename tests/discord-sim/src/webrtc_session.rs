//! Op 1 with the protocol "webrtc", and what the voice server does with the datagrams of such connections.
//!
//! Each datagram passes its connection's link on the way up before str0m sees it, and what str0m answers passes the
//! other one. What comes of them goes to the listening member (`webrtc_media`) and to the others in the call.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use serde_json::json;
use str0m::rtp::RtpPacket;

use crate::heard::Missed;
use crate::in_flight::Datagram;
use crate::picture_watch::PictureWatch;
use crate::record::RecordEvent;
use crate::seen::QueueWait;
use crate::sfu::Outgoing;
use crate::voice_connections::{SocketOut, VoiceOut};
use crate::voice_session::SelectProtocol;
use crate::voice_wire::op;
use crate::webrtc_offer::Offer;
use crate::webrtc_peer::{Happened, Peer};
use crate::world::State;

impl State {
    pub(crate) fn select_webrtc(
        &mut self,
        ssrc: u32,
        select: &SelectProtocol,
    ) -> Option<SocketOut> {
        let context = Arc::clone(&self.context);
        let connection = self.connections.get(ssrc)?;
        let (guild, user, ssrcs) = (connection.guild, connection.user, connection.ssrcs());
        let source = connection.socket.as_ref().map(|socket| socket.source);
        let local = context.endpoints.udp;
        let peer = Offer::read(&select.data, &select.codecs).and_then(|offer| {
            if ssrcs.pictures.is_some() && offer.payload_types.h264.is_none() {
                return Err("no H264 among the codecs, but streams in op 0".to_owned());
            }
            Peer::new(offer, ssrcs, local, &self.webrtc.crypto, Instant::now())
        });
        let event = RecordEvent::ProtocolSelected {
            connection: u64::from(ssrc),
            protocol: "webrtc".to_owned(),
            refused: peer.as_ref().err().cloned(),
        };
        context.record.add(source, Some(user), event);
        let Ok(mut peer) = peer else {
            return Some(SocketOut::Close(4020, "bad request"));
        };
        let told = context.config.media_relay.unwrap_or(local);
        let description = json!({
            "audio_codec": "opus", "video_codec": "H264",
            "media_session_id": format!("{ssrc:032x}"), "sdp": peer.answer(told),
            "dave_protocol_version": self.dave_version_for(ssrc)
        });
        let config = &context.config;
        let watch = PictureWatch::new(config.loss_patience, config.asks_for_key_frames);
        self.webrtc.insert(guild, user, peer, watch);
        // In the same order as over UDP, for the same reason.
        self.introduce(ssrc);
        if let Some(connection) = self.connections.get_mut(ssrc) {
            // What it may have had before.
            connection.cipher = None;
            connection.udp = None;
            connection.send(VoiceOut::Json(op::SESSION_DESCRIPTION, description));
        }
        self.offer_external_sender(ssrc);
        None
    }

    /// A datagram of a WebRTC connection came in.
    pub(crate) fn webrtc_datagram(
        &mut self,
        ssrc: u32,
        at: Instant,
        client: SocketAddr,
        bytes: &[u8],
    ) -> Vec<Outgoing> {
        let Some(connection) = self.connections.get(ssrc) else {
            return Vec::new();
        };
        let guild = connection.guild;
        if connection.silenced {
            self.context.heard.missed(ssrc, Missed::Refused);
            return Vec::new();
        }
        if is_media(bytes) && self.faults.loses_packet(guild) {
            self.context.heard.missed(ssrc, Missed::Lost);
            return Vec::new();
        }
        let Some(link) = self.webrtc.get_mut(ssrc).and_then(|path| path.up.as_mut()) else {
            return self.webrtc_input(ssrc, at, client, bytes);
        };
        let queues = link.queues();
        let passage = link.offer(at, bytes.len());
        self.context.seen.with(ssrc, |stored| {
            stored.counters.link_lost += u64::from(passage.is_none());
            if queues {
                let waited = passage.map(|passage| passage.waited);
                stored.queue(QueueWait { at, waited });
            }
        });
        match passage {
            None => Vec::new(),
            Some(passage) if passage.out <= at => self.webrtc_input(ssrc, at, client, bytes),
            Some(passage) => {
                let datagram = Datagram {
                    ssrc,
                    to_server: true,
                    client,
                    bytes: bytes.to_vec(),
                };
                self.webrtc.in_flight.push(passage.out, datagram);
                Vec::new()
            }
        }
    }

    /// Does what is due; returns what is to be sent.
    pub(crate) fn webrtc_due(&mut self, now: Instant) -> Vec<Outgoing> {
        let mut outgoing = Vec::new();
        while let Some((at, datagram)) = self.webrtc.in_flight.pop(now) {
            if datagram.to_server {
                let Datagram {
                    ssrc,
                    client,
                    bytes,
                    ..
                } = &datagram;
                outgoing.extend(self.webrtc_input(*ssrc, at, *client, bytes));
            } else {
                outgoing.push((datagram.client, datagram.bytes));
            }
        }
        for ssrc in self.webrtc.due(now) {
            self.judge_early(ssrc, now);
            let Some(path) = self.webrtc.get_mut(ssrc) else {
                continue;
            };
            let unpacked = path.watch.overdue(now);
            self.watch(ssrc, now, unpacked);
            let Some(path) = self.webrtc.get_mut(ssrc) else {
                continue;
            };
            let happened = path.peer.wait(now);
            self.webrtc_happened(ssrc, now, false, happened, &mut outgoing);
        }
        outgoing
    }

    /// A datagram is through: the media server takes it.
    fn webrtc_input(
        &mut self,
        ssrc: u32,
        at: Instant,
        client: SocketAddr,
        bytes: &[u8],
    ) -> Vec<Outgoing> {
        let mut outgoing = Vec::new();
        if let Some(path) = self.webrtc.get_mut(ssrc) {
            let rtx = path.peer.ssrcs().pictures.map(|own| own.rtx);
            let again = rtx.is_some() && rtx == ssrc_of(bytes);
            let happened = path.peer.take(at, client, bytes);
            self.webrtc_happened(ssrc, at, again, happened, &mut outgoing);
        }
        outgoing
    }

    fn webrtc_happened(
        &mut self,
        ssrc: u32,
        at: Instant,
        again: bool,
        happened: Vec<Happened>,
        outgoing: &mut Vec<Outgoing>,
    ) {
        for one in happened {
            match one {
                Happened::Transmit(client, bytes) => {
                    self.webrtc_send(ssrc, at, client, bytes, outgoing);
                }
                Happened::Connected => self.webrtc_connected(ssrc),
                Happened::Packet(packet) if *packet.header.ssrc == ssrc => {
                    self.sound(ssrc, at, &packet);
                    self.webrtc_forward(ssrc, at, None, &packet, outgoing);
                }
                Happened::Packet(packet) => {
                    let rtx = self.picture(ssrc, at, again, &packet);
                    self.webrtc_forward(ssrc, at, rtx, &packet, outgoing);
                }
                Happened::Report {
                    ssrc: of,
                    ntp,
                    rtp_time,
                } => self.sender_report(ssrc, at, of, ntp, rtp_time),
                Happened::KeyFrameWanted => self.key_frame_for(ssrc, at),
            }
        }
    }

    /// Sends a datagram to a client, over its link.
    fn webrtc_send(
        &mut self,
        ssrc: u32,
        at: Instant,
        client: SocketAddr,
        bytes: Vec<u8>,
        outgoing: &mut Vec<Outgoing>,
    ) {
        let Some(link) = self
            .webrtc
            .get_mut(ssrc)
            .and_then(|path| path.down.as_mut())
        else {
            outgoing.push((client, bytes));
            return;
        };
        let Some(passage) = link.offer(at, bytes.len()) else {
            let seen = &self.context.seen;
            seen.with(ssrc, |stored| stored.counters.link_lost += 1);
            return;
        };
        let datagram = Datagram {
            ssrc,
            to_server: false,
            client,
            bytes,
        };
        self.webrtc.in_flight.push(passage.out, datagram);
    }

    fn webrtc_connected(&mut self, ssrc: u32) {
        let Some(connection) = self.connections.get(ssrc) else {
            return;
        };
        let source = connection.socket.as_ref().map(|socket| socket.source);
        let event = RecordEvent::MediaConnected {
            connection: u64::from(ssrc),
        };
        self.context
            .record
            .add(source, Some(connection.user), event);
    }

    /// Brings a packet to everybody else in the call who has a WebRTC connection. `rtx`: of pictures, the SSRC that
    /// they are sent again with.
    fn webrtc_forward(
        &mut self,
        sender: u32,
        at: Instant,
        rtx: Option<u32>,
        packet: &RtpPacket,
        outgoing: &mut Vec<Outgoing>,
    ) {
        let Some((place, user)) = self
            .connections
            .get(sender)
            .map(|one| (one.place(), one.user))
        else {
            return;
        };
        let others = self.connections.in_call(place);
        let others: Vec<u32> = others
            .filter(|one| one.user != user)
            .map(|one| one.ssrc)
            .collect();
        for other in others {
            if let Some(path) = self.webrtc.get_mut(other) {
                let happened = path.peer.forward(packet, rtx, at);
                self.webrtc_happened(other, at, false, happened, outgoing);
            }
        }
    }
}

/// RTP and not RTCP, STUN or DTLS (RFC 7983, RFC 5761).
fn is_media(bytes: &[u8]) -> bool {
    bytes.len() >= 12 && bytes[0] >> 6 == 2 && !crate::rtp::is_rtcp(bytes)
}

/// The SSRC of a packet with media.
fn ssrc_of(bytes: &[u8]) -> Option<u32> {
    let ssrc = bytes.get(8..12).filter(|_| is_media(bytes))?;
    ssrc.try_into().ok().map(u32::from_be_bytes)
}
