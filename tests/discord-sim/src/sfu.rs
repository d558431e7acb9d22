//! The selective forwarding unit: what one voice client sends, the others in its call get, and
//! they are told who is there and speaks.
//!
//! A packet is opened with its sender's transport key and sealed anew for each receiver, whose key
//! and nonces are its own. SSRC, sequence number, timestamp and payload stay as they were, DAVE
//! frames included: those are opaque here.

use std::net::SocketAddr;
use std::time::Instant;

use serde_json::{Value, json};

use crate::UserId;
use crate::call::Place;
use crate::member::is_dave_frame;
use crate::record::RecordEvent;
use crate::seen::Media;
use crate::voice_connections::VoiceOut;
use crate::voice_video::video_event;
use crate::voice_wire::op;
use crate::world::State;

/// A datagram that is to be sent.
pub(crate) type Outgoing = (SocketAddr, Vec<u8>);

/// A packet whose transport encryption is off.
pub(crate) struct Opened<'a> {
    /// What `rtpsize` leaves clear.
    pub(crate) header: &'a [u8],
    /// Extension body, payload and padding.
    pub(crate) body: &'a [u8],
    /// The payload alone.
    pub(crate) payload: &'a [u8],
}

impl State {
    /// The datagrams that bring a packet of `sender` to everybody else in the call who has chosen
    /// a protocol and whose address is known.
    pub(crate) fn forward(
        &mut self,
        place: Place,
        sender: UserId,
        packet: &Opened<'_>,
    ) -> Vec<Outgoing> {
        let dave = is_dave_frame(packet.payload);
        let mut outgoing = Vec::new();
        for receiver in self.connections.in_call(place) {
            // Who never agreed to DAVE is not sent its frames (Discord, "Payload format").
            if receiver.user == sender || (dave && receiver.dave_version == 0) {
                continue;
            }
            let nonce = receiver.next_nonce;
            let Some((to, cipher)) = receiver.udp.zip(receiver.cipher.as_ref()) else {
                continue;
            };
            if let Some(sealed) = cipher.seal(packet.header, packet.body, nonce) {
                receiver.next_nonce = nonce.wrapping_add(1);
                outgoing.push((to, sealed));
            }
        }
        outgoing
    }

    /// Tells a new connection who is in the call, and the others that it came.
    pub(crate) fn introduce(&mut self, ssrc: u32) {
        let Some(newcomer) = self.connections.get(ssrc) else {
            return;
        };
        let (place, user) = ((newcomer.guild, newcomer.channel), newcomer.user);
        let Some(call) = self.calls.get(&place) else {
            return;
        };
        let mut present = call.members();
        let (mut speaking, mut showing) = (Vec::new(), Vec::new());
        for other in self.connections.in_call(place) {
            if other.ssrc != ssrc && other.user != user {
                present.push(other.user);
                if let Some(bits) = other.speaking {
                    speaking.push(speaking_event(other.user, other.ssrc, bits));
                }
                if other.video.as_ref().is_some_and(|video| video.active) {
                    showing.push(video_event(other));
                }
                let came = json!({"user_ids": [user]});
                other.send(VoiceOut::Json(op::CLIENTS_CONNECT, came));
            }
        }
        if let Some(newcomer) = self.connections.get_mut(ssrc) {
            let present = json!({"user_ids": present});
            newcomer.send(VoiceOut::Json(op::CLIENTS_CONNECT, present));
            // Else it could not tell whose the SSRCs are that it hears.
            for event in speaking {
                newcomer.send(VoiceOut::Json(op::SPEAKING, event));
            }
            for event in showing {
                newcomer.send(VoiceOut::Json(op::VIDEO, event));
            }
        }
    }

    pub(crate) fn speaking(&mut self, ssrc: u32, data: &Value) {
        let Some(speaker) = self.connections.get_mut(ssrc) else {
            return;
        };
        let speaking = data["speaking"].as_u64().unwrap_or_default();
        speaker.speaking = Some(speaking);
        let (place, user) = ((speaker.guild, speaker.channel), speaker.user);
        let source = speaker.socket.as_ref().map(|socket| socket.source);
        let event = RecordEvent::VoiceSpeaking {
            connection: u64::from(ssrc),
            speaking,
        };
        self.context.record.add(source, Some(user), event);
        self.announced(ssrc, Media::Sound, Instant::now());
        let relayed = speaking_event(user, ssrc, speaking);
        for other in self.connections.in_call(place) {
            if other.user != user {
                other.send(VoiceOut::Json(op::SPEAKING, relayed.clone()));
            }
        }
    }
}

/// Voice op 5 as the others get it.
fn speaking_event(user: UserId, ssrc: u32, speaking: u64) -> Value {
    json!({"user_id": user, "ssrc": ssrc, "speaking": speaking})
}
