//! The selective forwarding unit: what one voice client sends, the others in its call get.
//!
//! A packet is opened with its sender's transport key and sealed anew for each receiver, whose key
//! and nonces are its own. SSRC, sequence number, timestamp and payload stay as they were, DAVE
//! frames included: those are opaque here.

use std::net::SocketAddr;

use crate::UserId;
use crate::call::Place;
use crate::member::is_dave_frame;
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
}
