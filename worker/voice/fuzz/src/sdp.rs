//! A voice server's description of itself (op 4), as text.

use std::time::Instant;

use orb_voice::packet::{PacketError, PacketLayer, WebRtcConfig, WebRtcLayer};

/// What is longer than this, the layer takes for no description.
const MOST: usize = 8 << 10;

/// Returns how many descriptions were taken: one or none.
pub fn run(data: &[u8]) -> usize {
    let text = String::from_utf8_lossy(data);
    let now = Instant::now();
    let mut layer = WebRtcLayer::new(
        WebRtcConfig {
            audio_ssrc: 1,
            video: None,
            local: ([127, 0, 0, 1], 9).into(),
            first_estimate: WebRtcConfig::FIRST_ESTIMATE,
        },
        now,
    )
    .expect("an address of one host");
    assert_eq!(layer.next_deadline(), None);
    let taken = layer.accept(&text, now);
    match taken {
        Ok(peer) => {
            assert!(text.len() <= MOST && peer.is_ipv4() && peer.port() != 0);
            assert!(!peer.ip().is_unspecified() && !peer.ip().is_multicast());
            let written = format!("{} {} typ host", peer.ip(), peer.port());
            let words: Vec<_> = text.split_ascii_whitespace().collect();
            // Ports may be written with zeroes in front, and a plus.
            let plain = peer.port().to_string() == port_as_written(&words, peer.ip());
            assert!(!plain || words.join(" ").contains(&written), "{peer}");
            for line in ["a=ice-ufrag:", "a=ice-pwd:", "a=fingerprint:"] {
                assert!(text.contains(line), "{line}");
            }
            let mut datagrams = 0;
            layer.on_deadline(now, &mut |_| datagrams += 1);
            assert!(datagrams <= 2);
            1
        }
        Err(error) => {
            let refused = matches!(
                error,
                PacketError::BadDescription(_) | PacketError::BadAddress
            );
            assert!(refused && error.ends_connection(), "{error}");
            assert_eq!(layer.next_deadline(), None);
            0
        }
    }
}

/// The word behind the address.
fn port_as_written(words: &[&str], ip: std::net::IpAddr) -> String {
    let ip = ip.to_string();
    let at = words.iter().position(|word| *word == ip);
    let port = at.and_then(|at| words.get(at + 1));
    port.map(ToString::to_string).unwrap_or_default()
}
