//! Discord's abbreviated SDP: what goes into op 1, and what comes in op 4. Pure.
//!
//! No session descriptions, in spite of the name, but the few lines of one that matter. Which ones a client sends is
//! the rule of the [unofficial documentation](https://docs.discord.food/topics/voice-connections) (`webrtc` protocol):
//! `ice-`, `fingerprint`, `extmap` and the `rtpmap`s of its codecs. What a server answers:
//!
//! ```text
//! m=audio 50004 ICE/SDP
//! a=fingerprint:sha-256 4A:79:…
//! c=IN IP4 66.22.1.2
//! a=rtcp:50004
//! a=ice-ufrag:6XGR
//! a=ice-pwd:…
//! a=fingerprint:sha-256 4A:79:…
//! a=candidate:1 1 UDP 4261412862 66.22.1.2 50004 typ host
//! ```

use std::net::{IpAddr, SocketAddr};

use crate::packet::PacketError;

/// Payload types and extension numbers, fixed by this project: the client offers them, the server takes them over.
pub(super) const OPUS: u8 = 120;
pub(super) const H264: u8 = 101;
pub(super) const H264_RTX: u8 = 102;
pub(super) const ABS_SEND_TIME: u8 = 2;
pub(super) const TRANSPORT_CC: u8 = 3;
pub(super) const PLAYOUT_DELAY: u8 = 5;

/// A description is half a kilobyte. What is longer than this is none.
const MOST_BYTES: usize = 8 << 10;

/// Of a SHA-256 fingerprint.
const HASH: usize = 32;

/// What the server needs to know of this side.
#[derive(Clone, Copy, Debug)]
pub(super) struct Local<'a> {
    pub(super) ufrag: &'a str,
    pub(super) password: &'a str,
    /// As `sha-256 AA:BB…`.
    pub(super) fingerprint: &'a str,
    pub(super) video: bool,
}

impl Local<'_> {
    /// The lines for op 1.
    pub(super) fn write(&self) -> String {
        let Self {
            ufrag,
            password,
            fingerprint,
            video,
        } = self;
        let mut lines = vec![
            "a=extmap-allow-mixed".to_owned(),
            format!("a=ice-ufrag:{ufrag}"),
            format!("a=ice-pwd:{password}"),
            "a=ice-options:trickle".to_owned(),
            format!("a=fingerprint:{fingerprint}"),
            format!(
                "a=extmap:{ABS_SEND_TIME} http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
            ),
            format!(
                "a=extmap:{TRANSPORT_CC} \
                 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
            ),
        ];
        if *video {
            lines.push(format!(
                "a=extmap:{PLAYOUT_DELAY} http://www.webrtc.org/experiments/rtp-hdrext/playout-delay"
            ));
        }
        lines.push(format!("a=rtpmap:{OPUS} opus/48000/2"));
        if *video {
            lines.push(format!("a=rtpmap:{H264} H264/90000"));
            lines.push(format!("a=rtpmap:{H264_RTX} rtx/90000"));
        }
        lines.join("\n")
    }
}

/// What a server said about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Remote {
    pub(super) ufrag: String,
    pub(super) password: String,
    /// SHA-256 of the certificate that DTLS must show.
    pub(super) fingerprint: [u8; HASH],
    /// Of the first candidate that can be used.
    pub(super) address: SocketAddr,
}

impl Remote {
    /// Reads a server's description. Lines that are not known are passed over; a known one that says two things, or is
    /// malformed, spoils all: media goes to that address, and is encrypted for that certificate.
    pub(super) fn parse(text: &str) -> Result<Self, PacketError> {
        if text.len() > MOST_BYTES {
            return Err(bad("too long"));
        }
        let (mut ufrag, mut password, mut fingerprint, mut address) = (None, None, None, None);
        for line in text.lines().map(str::trim) {
            let Some((name, value)) = line
                .strip_prefix("a=")
                .and_then(|line| line.split_once(':'))
            else {
                continue;
            };
            match name {
                "ice-ufrag" => once(&mut ufrag, ice_text(value, 4)?)?,
                "ice-pwd" => once(&mut password, ice_text(value, 22)?)?,
                "fingerprint" => once(&mut fingerprint, sha256(value)?)?,
                "candidate" if address.is_none() => address = candidate(value),
                _ => {}
            }
        }
        Ok(Self {
            ufrag: ufrag.ok_or(bad("no ice-ufrag"))?,
            password: password.ok_or(bad("no ice-pwd"))?,
            fingerprint: fingerprint.ok_or(bad("no fingerprint"))?,
            address: address.ok_or(bad("no candidate that can be used"))?,
        })
    }
}

const fn bad(what: &'static str) -> PacketError {
    PacketError::BadDescription(what)
}

/// Discord says some lines twice, and the same in both.
fn once<T: PartialEq>(place: &mut Option<T>, value: T) -> Result<(), PacketError> {
    match place {
        Some(earlier) if *earlier != value => Err(bad("it contradicts itself")),
        _ => {
            *place = Some(value);
            Ok(())
        }
    }
}

/// RFC 8839, section 5.4: letters, digits, `+` and `/`, up to 256 of them.
fn ice_text(value: &str, least: usize) -> Result<String, PacketError> {
    let fits = (least..=256).contains(&value.len());
    let is_ice = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    if fits && value.bytes().all(is_ice) {
        Ok(value.to_owned())
    } else {
        Err(bad("ice credentials"))
    }
}

/// RFC 8122, section 5. Only SHA-256: it is what Discord uses, and what is checked against.
fn sha256(value: &str) -> Result<[u8; HASH], PacketError> {
    let malformed = bad("fingerprint");
    let (kind, digits) = value.split_once(' ').ok_or(malformed)?;
    if !kind.eq_ignore_ascii_case("sha-256") {
        return Err(malformed);
    }
    let mut hash = [0; HASH];
    let mut bytes = digits.trim().split(':');
    for byte in &mut hash {
        let pair = bytes.next().ok_or(malformed)?;
        let is_hex = pair.len() == 2 && pair.bytes().all(|digit| digit.is_ascii_hexdigit());
        if !is_hex {
            return Err(malformed);
        }
        *byte = u8::from_str_radix(pair, 16).map_err(|_| malformed)?;
    }
    if bytes.next().is_some() {
        return Err(malformed);
    }
    Ok(hash)
}

/// A host candidate for UDP and RTP (RFC 8839, section 5.1), or none: others may stand beside it.
fn candidate(value: &str) -> Option<SocketAddr> {
    let mut words = value.split_ascii_whitespace();
    let (_foundation, component, transport) = (words.next()?, words.next()?, words.next()?);
    let (_priority, ip, port) = (words.next()?, words.next()?, words.next()?);
    let (typ, kind) = (words.next()?, words.next()?);
    if component != "1" || !transport.eq_ignore_ascii_case("udp") || (typ, kind) != ("typ", "host")
    {
        return None;
    }
    let address = SocketAddr::new(ip.parse().ok()?, port.parse().ok()?);
    can_be_a_host(address).then_some(address)
}

/// Whether one host can be reached there, by the address alone.
pub(super) fn can_be_a_host(address: SocketAddr) -> bool {
    let one_host = match address.ip() {
        IpAddr::V4(ip) => !ip.is_link_local() && !ip.is_broadcast(),
        IpAddr::V6(ip) => ip.to_ipv4_mapped().is_none(),
    };
    one_host
        && address.port() != 0
        && !address.ip().is_unspecified()
        && !address.ip().is_multicast()
}

#[cfg(test)]
mod tests;
