//! What the listening member makes of a WebRTC connection's media: sound for the ears, packets of pictures for its
//! [`PictureWatch`](crate::picture_watch::PictureWatch), and key frames that it asks for.

use std::time::{Duration, Instant};

use bytes::Bytes;
use str0m::rtp::RtpPacket;

use crate::access_units::{AccessUnit, PicturePacket, Unpacked};
use crate::heard::Arrival;
use crate::record::RecordEvent;
use crate::seen::{Media, SeenPicture, SenderReport};
use crate::voice_connections::VoiceConnection;
use crate::webrtc_peer::PictureSsrcs;
use crate::world::State;

impl State {
    pub(crate) fn sender_report(
        &mut self,
        ssrc: u32,
        at: Instant,
        of: u32,
        ntp: Duration,
        rtp_time: u32,
    ) {
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
    pub(crate) fn sound(&mut self, ssrc: u32, at: Instant, packet: &RtpPacket) {
        let Some(connection) = self.connections.get(ssrc) else {
            return;
        };
        let (place, user) = (connection.place(), connection.user);
        if connection.speaking.is_none()
            && let Some(path) = self.webrtc.get_mut(ssrc)
        {
            path.early.came(Media::Sound, at);
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
    pub(crate) fn picture(
        &mut self,
        ssrc: u32,
        at: Instant,
        again: bool,
        packet: &RtpPacket,
    ) -> Option<u32> {
        let connection = self.connections.get(ssrc)?;
        let PictureSsrcs { rtx, .. } = connection.pictures?;
        let announced = connection.video.as_ref();
        let announced = announced.is_some_and(|video| video.allows(at));
        self.context.seen.with(ssrc, |stored| {
            let counters = &mut stored.counters;
            counters.packets += 1;
            counters.bytes += packet.payload.len() as u64;
            counters.retransmitted += u64::from(again);
        });
        let path = self.webrtc.get_mut(ssrc)?;
        if !announced {
            path.early.came(Media::Picture, at);
        }
        let unpacked = path.watch.push(PicturePacket {
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
    pub(crate) fn watch(&mut self, ssrc: u32, now: Instant, unpacked: Vec<Unpacked>) {
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

    /// A client has said by now that there is sound, or that there are pictures.
    pub(crate) fn announced(&mut self, ssrc: u32, media: Media, now: Instant) {
        self.judge_early(ssrc, now);
        if let Some(path) = self.webrtc.get_mut(ssrc) {
            path.early.announced(media);
        }
    }

    /// Writes down what came unannounced: of each kind the first time is in the record.
    pub(crate) fn judge_early(&mut self, ssrc: u32, now: Instant) {
        let Some(path) = self.webrtc.get_mut(ssrc) else {
            return;
        };
        let user = self.connections.get(ssrc).map(|connection| connection.user);
        for early in path.early.overdue(now) {
            if early.media == Media::Picture {
                let seen = &self.context.seen;
                seen.with(ssrc, |stored| stored.counters.unannounced += early.packets);
            }
            if early.first {
                let event = RecordEvent::MediaUnannounced {
                    connection: u64::from(ssrc),
                    media: early.media,
                };
                self.context.record.add(None, user, event);
            }
        }
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
    pub(crate) fn key_frame_for(&mut self, viewer: u32, now: Instant) {
        let Some(place) = self.connections.get(viewer).map(VoiceConnection::place) else {
            return;
        };
        let others = self.connections.in_call(place).map(|one| one.ssrc);
        let others: Vec<u32> = others.filter(|ssrc| *ssrc != viewer).collect();
        for ssrc in others {
            self.ask_for_key_frame(ssrc, now);
        }
    }
}
