//! A server that holds the keys and lies: what it seals, what it sends in the clear, and time, in any order.
//!
//! Each step is a byte and what it needs.

use std::{
    sync::Once,
    time::{Duration, Instant},
};

use orb_voice::packet::{
    MediaKind, OutgoingFrame, PacketError, PacketLayer, PathState, VideoSsrcs, WebRtcConfig,
    WebRtcLayer,
};
use str0m::{
    Candidate, Event, IceCreds, Input as ServerInput, Output, Rtc, media,
    net::{Protocol, Receive},
    rtp::Extension,
};

use super::{
    input::Input,
    tap::{Sealer, provider},
};

const AUDIO: u32 = 1;
const VIDEO: u32 = 2;
const RTX: u32 = 3;

/// A step may be some milliseconds of work.
const MOST_STEPS: usize = 200;

/// libFuzzer ends the process at any panic. The layer catches those of str0m, and that is to be seen here: what it lets
/// through ends the process still, or fails the test.
static NO_ABORT: Once = Once::new();

/// Returns how many frames the server had of the layer.
pub fn run(data: &[u8]) -> usize {
    NO_ABORT.call_once(|| std::panic::set_hook(Box::new(|panic| eprintln!("{panic}"))));
    let mut input = Input::new(data);
    let mut world = World::connected();
    for _ in 0..MOST_STEPS {
        if input.is_empty() {
            break;
        }
        world.step(&mut input);
        world.check();
    }
    world.run_for(Duration::from_millis(200));
    world.frames
}

struct World {
    now: Instant,
    layer: WebRtcLayer,
    server: Rtc,
    server_deadline: Instant,
    sealer: Sealer,
    frames: usize,
}

fn address(port: u16) -> std::net::SocketAddr {
    ([127, 0, 0, 1], port).into()
}

impl World {
    fn connected() -> Self {
        let now = Instant::now();
        let config = WebRtcConfig {
            audio_ssrc: AUDIO,
            video: Some(VideoSsrcs {
                ssrc: VIDEO,
                rtx: RTX,
            }),
            local: address(1),
            first_estimate: WebRtcConfig::FIRST_ESTIMATE,
        };
        let mut layer = WebRtcLayer::new(config, now).expect("an address of one host");
        let mut server = server(now);
        introduce(&mut layer, &mut server, now);
        let mut world = Self {
            now,
            layer,
            server,
            server_deadline: now,
            sealer: Sealer::none(),
            frames: 0,
        };
        // Until there is RTCP of the server: it reports on what it receives.
        for _ in 0..100 {
            world.run_for(Duration::from_millis(20));
            world.send(MediaKind::Audio, b"opus");
            world.send(MediaKind::Video, &[0, 0, 0, 1, 0x41, 0x9a, 7, 7]);
            if let Some(sealer) = Sealer::take() {
                world.sealer = sealer;
                return world;
            }
        }
        panic!("no RTCP of the server");
    }

    fn step(&mut self, input: &mut Input<'_>) {
        match input.byte() % 10 {
            0 => self.run_for(Duration::from_millis(u64::from(input.byte()) * 4)),
            1 => self.send(MediaKind::Audio, input.piece()),
            2 => self.send(MediaKind::Video, input.piece()),
            3 => {
                let mut picture = vec![0, 0, 0, 1, 0x65, 0x88, 0x84];
                picture.resize(picture.len() + usize::from(input.number()), 9);
                self.send(MediaKind::Video, &picture);
            }
            4 => self.deliver(&mut input.piece().to_vec()),
            5 => {
                let rtcp = input.piece();
                self.deliver_sealed(rtcp);
            }
            6 => self.deliver_sealed(&feedback(15, 205, input)),
            7 => self.deliver_sealed(&feedback(1, 205, input)),
            8 => {
                let (format, kind) = (input.byte() & 0x1f, 200 + input.byte() % 8);
                self.deliver_sealed(&feedback(format, kind, input));
            }
            _ => self.layer.set_probe_target(u64::from(input.number()) << 12),
        }
    }

    /// What holds at any time.
    fn check(&mut self) {
        let lost = self.layer.state() == PathState::Lost;
        assert_eq!(lost, self.layer.next_deadline().is_none());
        if let Some(report) = self.layer.take_feedback(self.now) {
            assert!((0.0..=1.0).contains(&report.loss), "{report:?}");
            assert!(report.queue_delay < Duration::from_mins(10), "{report:?}");
        }
    }

    fn send(&mut self, kind: MediaKind, payload: &[u8]) {
        let frame = OutgoingFrame {
            kind,
            rtp_time: 7,
            wallclock: self.now,
            payload,
        };
        let mut packets = Vec::new();
        let lost = self.layer.state() == PathState::Lost;
        let sent = self.layer.send(frame, self.now, &mut |packet| {
            packets.push(packet.to_vec());
        });
        match sent {
            Ok(()) => assert!(!lost),
            Err(PacketError::Broken) => assert!(self.layer.state() == PathState::Lost),
            Err(PacketError::NotConnected) => {
                assert!(self.layer.state() == PathState::Opening);
            }
            Err(PacketError::FrameTooLong { len }) => assert!(len > 1_000),
            Err(PacketError::TooMuchWaiting { bytes }) => assert!(bytes > 1 << 20),
            Err(other) => panic!("{other}"),
        }
        assert!(!lost || packets.is_empty());
        self.serve(packets);
    }

    fn deliver_sealed(&mut self, rtcp: &[u8]) {
        if let Some(mut packet) = self.sealer.seal(rtcp) {
            self.deliver(&mut packet);
        }
    }

    fn deliver(&mut self, packet: &mut [u8]) {
        let mut packets = Vec::new();
        let heard = self.layer.receive(packet, self.now, &mut |packet| {
            packets.push(packet.to_vec());
        });
        assert!(!matches!(heard, Ok(Some(_))), "it hears nobody");
        self.serve(packets);
    }

    fn run_for(&mut self, time: Duration) {
        let until = self.now + time;
        loop {
            let mut packets = Vec::new();
            self.layer.on_deadline(self.now, &mut |packet| {
                packets.push(packet.to_vec());
            });
            self.serve(packets);
            let due = self.layer.next_deadline();
            assert!(due.is_none_or(|due| due > self.now), "due again at once");
            if self.server_deadline <= self.now {
                let now = self.now;
                self.drive_server(ServerInput::Timeout(now));
            }
            if self.now >= until {
                return;
            }
            let next = due.map_or(until, |due| due.min(until));
            let least = self.now + Duration::from_millis(1);
            self.now = next.min(self.server_deadline).max(least);
        }
    }

    fn serve(&mut self, packets: Vec<Vec<u8>>) {
        for packet in packets {
            let received = Receive::new(Protocol::Udp, address(1), address(2), &packet);
            let received = received.expect("a datagram of the layer");
            let now = self.now;
            self.drive_server(ServerInput::Receive(now, received));
        }
    }

    fn drive_server(&mut self, input: ServerInput<'_>) {
        // What was answered to lies may be nonsense to an honest server.
        let _ = self.server.handle_input(input);
        loop {
            match self.server.poll_output() {
                Ok(Output::Transmit(datagram)) => {
                    self.deliver(&mut datagram.contents.to_vec());
                }
                Ok(Output::Event(Event::MediaData(_))) => self.frames += 1,
                Ok(Output::Event(_)) => {}
                Ok(Output::Timeout(at)) => {
                    self.server_deadline = at.max(self.now + Duration::from_millis(1));
                    return;
                }
                Err(_) => {
                    self.server_deadline = self.now + Duration::from_hours(1);
                    return;
                }
            }
        }
    }
}

/// One RTCP packet about the layer's picture, with any body.
fn feedback(format: u8, kind: u8, input: &mut Input<'_>) -> Vec<u8> {
    let body = input.piece();
    let words = 2 + body.len().div_ceil(4);
    let mut packet = vec![0x80 | format, kind];
    packet.extend(u16::try_from(words).unwrap_or(u16::MAX).to_be_bytes());
    packet.extend([0, 0, 0, 9]);
    packet.extend(VIDEO.to_be_bytes());
    packet.extend(body);
    packet.resize(4 + 4 * words, 0);
    packet
}

fn server(now: Instant) -> Rtc {
    let mut config = Rtc::builder()
        .set_crypto_provider(provider())
        .clear_codecs()
        .clear_extension_map()
        .set_extension(2, Extension::AbsoluteSendTime)
        .set_extension(3, Extension::TransportSequenceNumber)
        .set_extension(5, Extension::PlayoutDelay)
        .set_ice_lite(true);
    let codecs = config.codec_config();
    codecs.add_config(
        120.into(),
        None,
        str0m::format::Codec::Opus,
        media::Frequency::FORTY_EIGHT_KHZ,
        Some(2),
        str0m::format::FormatParams::default(),
    );
    codecs.add_h264(101.into(), Some(102.into()), true, 0x42_e01f);
    let mut server = config.build(now);
    let candidate = Candidate::host(address(2), "udp").expect("an address of one host");
    server.add_local_candidate(candidate);
    let mut direct = server.direct_api();
    direct.enable_twcc_feedback();
    direct.declare_media("0".into(), media::MediaKind::Audio);
    direct.expect_stream_rx(AUDIO.into(), None, "0".into(), None);
    direct.declare_media("1".into(), media::MediaKind::Video);
    direct.expect_stream_rx(VIDEO.into(), Some(RTX.into()), "1".into(), None);
    server
}

fn introduce(layer: &mut WebRtcLayer, server: &mut Rtc, now: Instant) {
    let fragment = layer.local_sdp();
    let value = |name: &str| {
        let line = fragment.lines().find_map(|line| line.strip_prefix(name));
        line.expect("written by the layer").to_owned()
    };
    let mut direct = server.direct_api();
    direct.set_remote_ice_credentials(IceCreds {
        ufrag: value("a=ice-ufrag:"),
        pass: value("a=ice-pwd:"),
    });
    let fingerprint = value("a=fingerprint:").parse();
    direct.set_remote_fingerprint(fingerprint.expect("written by the layer"));
    direct.set_ice_controlling(false);
    direct.start_dtls(false).expect("the first time");
    let own = direct.local_ice_credentials();
    let answer = format!(
        "a=fingerprint:{}\na=ice-ufrag:{}\na=ice-pwd:{}\n\
         a=candidate:1 1 UDP 4261412862 127.0.0.1 2 typ host\n",
        direct.local_dtls_fingerprint(),
        own.ufrag,
        own.pass
    );
    let candidate = Candidate::host(address(1), "udp").expect("an address of one host");
    server.add_remote_candidate(candidate);
    layer.accept(&answer, now).expect("an honest description");
}
