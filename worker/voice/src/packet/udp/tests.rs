#![allow(clippy::unwrap_used)]
use std::collections::HashSet;

use proptest::prelude::*;

use super::*;

const KEY: [u8; 32] = [
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25,
    26, 27, 28, 29, 30, 31,
];
const SSRC: u32 = 4242;

fn layer(mode: TransportMode) -> UdpLayer {
    UdpLayer::new(SSRC, mode, TransportKey::new(KEY), Instant::now())
}

fn audio(rtp_time: u32, payload: &[u8]) -> OutgoingFrame<'_> {
    OutgoingFrame {
        kind: MediaKind::Audio,
        rtp_time,
        wallclock: Instant::now(),
        payload,
    }
}

/// The one packet that a frame becomes.
fn sent(layer: &mut UdpLayer, frame: OutgoingFrame<'_>) -> Vec<u8> {
    let mut packets = Vec::new();
    let sent = layer.send(frame, Instant::now(), &mut |packet| {
        packets.push(packet.to_vec());
    });
    sent.unwrap();
    assert_eq!(packets.len(), 1);
    packets.remove(0)
}

fn received<'a>(
    layer: &'a mut UdpLayer,
    packet: &'a mut [u8],
) -> Result<Option<IncomingFrame<'a>>, PacketError> {
    layer.receive(packet, Instant::now(), &mut |_| panic!("nothing to send"))
}

fn unhex(hex: &str) -> Vec<u8> {
    let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(byte).collect()
}

/// Packets of another implementation (`TransportCrypto` in `discord-native-voice` 0.1.1 from `PyPI`) under [`KEY`]: one
/// plain, one with a CSRC and an extension of one word.
const FOREIGN: [(TransportMode, &str, &str); 2] = [
    (
        TransportMode::Aes256Gcm,
        "80781234000003c000001092ee94a54958498e69584ee4385c5f35ab41f499a3bcd88122a14e79d9e3c600000080",
        "91781235000007800000109200000007bede0001d6f68cf7c22c0327eab42917540cd6c418d263983c1dcaca7c51\
         779cc7cf7b365b8c8fe8f6a6a844cd60e00502000080",
    ),
    (
        TransportMode::XChaCha20Poly1305,
        "80781234000003c00000109230d728ecd906875bb0b50b6a610dae4e76405f280062301691c52c0b399300000080",
        "91781235000007800000109200000007bede000159fa24951002744f8e92a8a2ac8a863d1dabfccf8d76445d284c\
         b52dedf78979634047f943f6b50644a4350302000080",
    ),
];

#[test]
fn opens_what_another_implementation_sealed() {
    for (mode, plain, extended) in FOREIGN {
        let mut layer = layer(mode);
        let mut packet = unhex(plain);
        let frame = received(&mut layer, &mut packet).unwrap().unwrap();
        let expected = IncomingFrame {
            kind: MediaKind::Audio,
            ssrc: SSRC,
            sequence: 0x1234,
            rtp_time: 960,
            payload: b"opus frame one",
        };
        assert_eq!(frame, expected);

        let mut packet = unhex(extended);
        let frame = received(&mut layer, &mut packet).unwrap().unwrap();
        assert_eq!(frame.payload, b"opus behind an extension");
        assert_eq!((frame.sequence, frame.rtp_time), (0x1235, 1920));
    }
}

#[test]
fn seals_as_another_implementation_does() {
    for (mode, plain, _) in FOREIGN {
        let mut layer = layer(mode);
        layer.sequence = 0x1234;
        layer.nonces = Nonces::begin_at(0x0000_0080);
        let packet = sent(&mut layer, audio(960, b"opus frame one"));
        assert_eq!(packet, unhex(plain));
    }
}

#[test]
fn sequences_follow_and_nonces_never_repeat() {
    for mode in TransportMode::PREFERENCE {
        let mut layer = layer(mode);
        layer.sequence = 65_000;
        layer.nonces = Nonces::begin_at(u32::MAX - 600);
        let mut nonces = HashSet::new();
        let mut sequence = 65_000_u16;
        for _ in 0..2_000 {
            let mut packet = sent(&mut layer, audio(0, b"opus"));
            assert!(nonces.insert(packet[packet.len() - 4..].to_vec()));
            let frame = received(&mut layer, &mut packet).unwrap().unwrap();
            assert_eq!(frame.sequence, sequence);
            sequence = sequence.wrapping_add(1);
        }
    }
}

#[test]
fn two_layers_begin_at_different_numbers() {
    let start = |_| {
        let packet = sent(&mut layer(TransportMode::Aes256Gcm), audio(0, b""));
        (packet[2..4].to_vec(), packet[packet.len() - 4..].to_vec())
    };
    let starts: HashSet<_> = (0..20).map(start).collect();
    assert!(starts.len() > 15, "{starts:?}");
}

#[test]
fn a_frame_that_cannot_go_out_uses_nothing_up() {
    let mut layer = layer(TransportMode::Aes256Gcm);
    let sequence = layer.sequence;
    let longest = [0; MAX_PAYLOAD + 1];
    let video = OutgoingFrame {
        kind: MediaKind::Video,
        ..audio(0, b"")
    };
    let mut refuse = |frame| layer.send(frame, Instant::now(), &mut |_| panic!("sent"));
    let too_long = PacketError::FrameTooLong {
        len: MAX_PAYLOAD + 1,
    };
    assert_eq!(refuse(audio(0, &longest)), Err(too_long));
    assert_eq!(refuse(video), Err(PacketError::VideoUnsupported));
    assert_eq!(layer.sequence, sequence);

    let memory = layer.packet.as_ptr();
    let packet = sent(&mut layer, audio(0, &longest[1..]));
    assert_eq!(packet.len(), MAX_PACKET);
    assert_eq!(layer.packet.as_ptr(), memory, "no new memory for a packet");
}

#[test]
fn keep_alives_count_from_zero_every_five_seconds() {
    let start = Instant::now();
    let mut layer = UdpLayer::new(
        SSRC,
        TransportMode::Aes256Gcm,
        TransportKey::new(KEY),
        start,
    );
    let mut packets = Vec::new();
    let mut at = |seconds| {
        layer.on_deadline(start + Duration::from_secs(seconds), &mut |packet| {
            packets.push(packet.to_vec());
        });
        layer.next_deadline().unwrap() - start
    };
    assert_eq!(at(4), Duration::from_secs(5));
    assert_eq!(at(5), Duration::from_secs(10));
    assert_eq!(at(60), Duration::from_secs(65), "missed ones stay missed");
    assert_eq!(
        packets,
        [[0, 0, 0, 0, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0, 0, 0]]
    );
}

#[test]
fn what_is_no_sound_is_passed_over() {
    let mut layer = layer(TransportMode::Aes256Gcm);
    let keep_alive = [0x80, 0x78, 0, 0, 0, 0, 0, 0];
    let rtcp = [[0x80, 200, 0, 6, 0, 0, 0, 1].as_slice(), &[9; 40]].concat();
    let camera = [[0x80, 101, 0, 6].as_slice(), &[9; 40]].concat();
    for mut packet in [keep_alive.to_vec(), rtcp, camera] {
        assert_eq!(received(&mut layer, &mut packet), Ok(None));
    }
}

#[test]
fn a_replayed_packet_is_the_same_frame_again() {
    let mut layer = layer(TransportMode::Aes256Gcm);
    let packet = sent(&mut layer, audio(7, b"opus"));
    for _ in 0..2 {
        let mut copy = packet.clone();
        let frame = received(&mut layer, &mut copy).unwrap().unwrap();
        assert_eq!((frame.rtp_time, frame.payload), (7, &b"opus"[..]));
    }
}

proptest! {
    #[test]
    fn any_frame_comes_back(
        gcm: bool, rtp_time: u32, payload in proptest::collection::vec(any::<u8>(), 0..=MAX_PAYLOAD),
    ) {
        let mut layer = layer(TransportMode::PREFERENCE[usize::from(gcm)]);
        let mut packet = sent(&mut layer, audio(rtp_time, &payload));
        let frame = received(&mut layer, &mut packet).unwrap().unwrap();
        prop_assert_eq!((frame.rtp_time, frame.ssrc, frame.payload), (rtp_time, SSRC, &payload[..]));
    }

    #[test]
    fn garbage_is_an_error_or_nothing(mut packet: Vec<u8>, rtp in 0..3_u8) {
        if rtp > 0 && packet.len() > 1 {
            packet[0] = packet[0] & 0x3f | 0x80;
            packet[1] = if rtp > 1 { rtp::OPUS } else { packet[1] };
        }
        let mut layer = layer(TransportMode::Aes256Gcm);
        prop_assert!(!matches!(received(&mut layer, &mut packet), Ok(Some(_))));
    }

    /// A peer that has the key may lie as well: anything may stand behind any header.
    #[test]
    fn sealed_garbage_does_not_panic(first in 0x80..0xc0_u8, mut packet in proptest::collection::vec(any::<u8>(), 12..120)) {
        packet[0] = first;
        packet[1] = rtp::OPUS;
        let mut layer = layer(TransportMode::Aes256Gcm);
        if let Ok(header) = RtpHeader::parse(&packet) {
            layer.cipher.seal(&mut packet, header.clear, 5);
            if let Ok(frame) = received(&mut layer, &mut packet) {
                prop_assert!(frame.is_some_and(|frame| frame.ssrc == header.ssrc));
            }
        }
    }
}
