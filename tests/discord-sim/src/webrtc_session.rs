//! Op 1 with the protocol "webrtc", and what the voice server does with the datagrams of such connections.
//!
//! Each datagram passes its connection's link on the way up before str0m sees it, and what str0m answers passes the
//! other one. Sound goes to the ears as over UDP, pictures to the [`PictureWatch`], both to the others in the call.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::json;
use str0m::rtp::RtpPacket;

use crate::access_units::{AccessUnit, PicturePacket, Unpacked};
use crate::heard::{Arrival, Missed};
use crate::in_flight::Datagram;
use crate::picture_watch::PictureWatch;
use crate::record::RecordEvent;
use crate::seen::{Media, QueueWait, SeenPicture, SenderReport};
use crate::sfu::Outgoing;
use crate::voice_connections::{SocketOut, VoiceConnection, VoiceOut};
use crate::voice_session::SelectProtocol;
use crate::voice_wire::op;
use crate::webrtc_offer::Offer;
use crate::webrtc_peer::{Happened, Peer, PictureSsrcs};
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

    fn sender_report(&mut self, ssrc: u32, at: Instant, of: u32, ntp: Duration, rtp_time: u32) {
        let media = match of {
            own if own == ssrc => Media::Sound,
            _ => Media::Picture,
        };
        let report = SenderReport {
            at,
            media,
            ntp,
            rtp_time,
        };
        self.context.seen.with(ssrc, |stored| stored.report(report));
    }

    /// The listening member hears a packet.
    fn sound(&mut self, ssrc: u32, at: Instant, packet: &RtpPacket) {
        let Some(connection) = self.connections.get(ssrc) else {
            return;
        };
        let (place, user) = (connection.place(), connection.user);
        if connection.speaking.unwrap_or_default() == 0 {
            self.unannounced(ssrc, Media::Sound);
        }
        let Some(call) = self.calls.get_mut(&place) else {
            return;
        };
        let arrival = Arrival {
            at,
            sequence: packet.header.sequence_number,
            timestamp: packet.header.timestamp,
            hearing: call.hear(user, &packet.payload, at),
        };
        self.context.heard.packet(ssrc, arrival);
    }

    /// The listening member gets a packet of a picture; returns the SSRC that it is sent again with.
    fn picture(&mut self, ssrc: u32, at: Instant, again: bool, packet: &RtpPacket) -> Option<u32> {
        let connection = self.connections.get(ssrc)?;
        let PictureSsrcs { rtx, .. } = connection.pictures?;
        let announced = connection.video.as_ref().is_some_and(|video| video.active);
        self.context.seen.with(ssrc, |stored| {
            let counters = &mut stored.counters;
            counters.packets += 1;
            counters.bytes += packet.payload.len() as u64;
            counters.retransmitted += u64::from(again);
            counters.unannounced += u64::from(!announced);
        });
        if !announced {
            self.unannounced(ssrc, Media::Picture);
        }
        let unpacked = self.webrtc.get_mut(ssrc)?.watch.push(PicturePacket {
            sequence: *packet.seq_no,
            rtp_time: packet.header.timestamp,
            marker: packet.header.marker,
            at,
            retransmitted: again,
            payload: packet.payload.to_vec(),
        });
        self.watch(ssrc, at, unpacked);
        Some(rtx)
    }

    /// The listening member looks at what has come whole, and misses what has not.
    fn watch(&mut self, ssrc: u32, now: Instant, unpacked: Vec<Unpacked>) {
        for one in unpacked {
            let missing = match one {
                Unpacked::Picture(unit) => {
                    self.look(ssrc, &unit);
                    continue;
                }
                Unpacked::Missing { packets } => packets,
                Unpacked::Malformed => 0,
            };
            if let Some(path) = self.webrtc.get_mut(ssrc) {
                path.watch.missed();
            }
            self.context.seen.with(ssrc, |stored| {
                stored.counters.broken += 1;
                stored.counters.lost += missing;
                stored.counters.malformed += u64::from(missing == 0);
            });
        }
        let Some(path) = self.webrtc.get_mut(ssrc) else {
            return;
        };
        if path.watch.is_blind() && path.watch.asks_now(now) {
            self.ask_for_key_frame(ssrc, now);
        }
    }

    fn look(&mut self, ssrc: u32, unit: &AccessUnit) {
        let Some(connection) = self.connections.get(ssrc) else {
            return;
        };
        let Some(call) = self.calls.get_mut(&connection.place()) else {
            return;
        };
        let sight = call.see(connection.user, &unit.data, unit.at);
        let Some(path) = self.webrtc.get_mut(ssrc) else {
            return;
        };
        let link = match &sight.picture {
            Some(picture) => path.watch.take(picture),
            None => path.watch.missed(),
        };
        let seen = &self.context.seen;
        let picture = SeenPicture {
            first_at: unit.first_at,
            at: unit.at,
            unix_ns: seen.clock().unix_ns(unit.at),
            rtp_time: unit.rtp_time,
            bytes: sight.picture.as_ref().map_or(unit.data.len(), Vec::len),
            packets: unit.packets,
            retransmitted: unit.retransmitted,
            idr: link.idr,
            dave_encrypted: sight.dave,
            decrypted: sight.picture.is_some(),
            decodable: link.decodable,
            in_the_clear: connection.dave_version > 0 && !sight.dave,
            downgraded: sight.downgraded,
            data: sight.picture.map(Bytes::from),
        };
        seen.with(ssrc, |stored| {
            stored.counters.broken += u64::from(link.skipped);
            stored.picture(picture);
        });
    }

    /// A client sends what it did not announce. The first time is in the record.
    fn unannounced(&mut self, ssrc: u32, media: Media) {
        let path = self.webrtc.get_mut(ssrc);
        if !path.is_some_and(|path| path.unannounced.insert(media)) {
            return;
        }
        let user = self.connections.get(ssrc).map(|connection| connection.user);
        let event = RecordEvent::MediaUnannounced {
            connection: u64::from(ssrc),
            media,
        };
        self.context.record.add(None, user, event);
    }

    /// Asks a client for a key frame; `false`: it shows nothing.
    pub(crate) fn ask_for_key_frame(&mut self, ssrc: u32, now: Instant) -> bool {
        let path = self.webrtc.get_mut(ssrc);
        let asked = path.is_some_and(|path| path.peer.ask_for_key_frame(now));
        if asked {
            let seen = &self.context.seen;
            seen.with(ssrc, |stored| stored.counters.key_frame_requests += 1);
        }
        asked
    }

    /// A client that looks on asked for a key frame.
    fn key_frame_for(&mut self, viewer: u32, now: Instant) {
        let Some(place) = self.connections.get(viewer).map(VoiceConnection::place) else {
            return;
        };
        let others = self.connections.in_call(place).map(|one| one.ssrc);
        let others: Vec<u32> = others.filter(|ssrc| *ssrc != viewer).collect();
        for ssrc in others {
            self.ask_for_key_frame(ssrc, now);
        }
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
