//! IP discovery: what our address looks like from outside (Discord, "Voice connections: IP discovery").
//!
//! ```text
//!   2 type   2 length   4 SSRC   64 address, as text, then zeros   2 port
//! ```
//!
//! All numbers with the highest byte first. `length` is that of what follows it.

use std::net::{IpAddr, SocketAddr};

use super::PacketError;

/// Bytes of request and response.
pub const DISCOVERY_LEN: usize = 74;

const REQUEST: [u8; 4] = [0, 1, 0, 70];
const RESPONSE: [u8; 4] = [0, 2, 0, 70];

/// Asks how the server sees the sender. It answers to where the request came from.
pub fn request(ssrc: u32) -> [u8; DISCOVERY_LEN] {
    let mut packet = [0; DISCOVERY_LEN];
    packet[..4].copy_from_slice(&REQUEST);
    packet[4..8].copy_from_slice(&ssrc.to_be_bytes());
    packet
}

/// Reads the answer to a [`request`] for `ssrc`: the address for SELECT PROTOCOL.
pub fn parse_response(packet: &[u8], ssrc: u32) -> Result<SocketAddr, PacketError> {
    let Ok(packet) = <&[u8; DISCOVERY_LEN]>::try_from(packet) else {
        return Err(PacketError::Malformed(
            "not as long as a discovery response",
        ));
    };
    if packet[..4] != RESPONSE {
        return Err(PacketError::Malformed("not a discovery response"));
    }
    if packet[4..8] != ssrc.to_be_bytes() {
        return Err(PacketError::Malformed(
            "discovery response for another ssrc",
        ));
    }
    let text = packet[8..72].split(|byte| *byte == 0).next();
    let address = text.and_then(|text| std::str::from_utf8(text).ok()?.parse::<IpAddr>().ok());
    let address = address.ok_or(PacketError::Malformed("discovery response has no address"))?;
    let port = u16::from_be_bytes([packet[72], packet[73]]);
    Ok(SocketAddr::new(address, port))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn response(ssrc: u32, address: &[u8], port: u16) -> [u8; DISCOVERY_LEN] {
        let mut packet = request(ssrc);
        packet[1] = 2;
        packet[8..8 + address.len()].copy_from_slice(address);
        packet[72..].copy_from_slice(&port.to_be_bytes());
        packet
    }

    #[test]
    fn bytes_of_a_request() {
        let packet = request(0x0102_0304);
        assert_eq!(packet[..8], [0, 1, 0, 70, 1, 2, 3, 4]);
        assert_eq!(packet[8..], [0; 66]);
    }

    #[test]
    fn reads_the_address() {
        let packet = response(7, b"203.0.113.9", 40_000);
        let address = parse_response(&packet, 7).unwrap();
        assert_eq!(address, "203.0.113.9:40000".parse().unwrap());
    }

    #[test]
    fn refuses_what_is_no_answer_to_the_question() {
        let good = response(7, b"203.0.113.9", 40_000);
        assert!(parse_response(&good, 8).is_err());
        assert!(parse_response(&good[..73], 7).is_err());
        assert!(parse_response(&request(7), 7).is_err());
        for address in [&b""[..], b"203.0.113", b"voice.example", &[b'1'; 64]] {
            assert!(parse_response(&response(7, address, 1), 7).is_err());
        }
    }

    proptest! {
        #[test]
        fn any_address_is_read_back(address: IpAddr, port: u16, ssrc: u32) {
            let packet = response(ssrc, address.to_string().as_bytes(), port);
            prop_assert_eq!(parse_response(&packet, ssrc), Ok(SocketAddr::new(address, port)));
        }

        #[test]
        fn garbage_does_not_panic(tail in proptest::collection::vec(any::<u8>(), 66)) {
            let mut packet = request(7);
            packet[1] = 2;
            packet[8..].copy_from_slice(&tail);
            let _ = parse_response(&packet, 7);
            let _ = parse_response(&tail, 7);
        }
    }
}
