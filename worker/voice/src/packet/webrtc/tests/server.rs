//! Discord's end, played by a plain str0m: ice-lite, DTLS passive.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use str0m::{
    Candidate, Event, IceCreds, Input, Output, Rtc,
    format::{Codec, FormatParams},
    media::{Frequency, KeyframeRequestKind, MediaData, MediaKind, Mid, SenderFeedback},
    net::{Protocol, Receive},
    rtp::{Extension, RawPacket},
};

pub(super) const AUDIO: u32 = 13_959;
pub(super) const VIDEO: u32 = 13_960;
pub(super) const RTX: u32 = 13_961;
pub(super) const SSRC_OF_PROBES: u32 = 0;

/// What a client said of itself in op 1.
struct Fragment {
    credentials: IceCreds,
    fingerprint: String,
}

impl Fragment {
    fn parse(text: &str) -> Self {
        let value = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap().to_owned()
        };
        for line in text.lines() {
            let allowed = [
                "extmap-allow-mixed",
                "extmap:",
                "ice-",
                "fingerprint:",
                "rtpmap:",
            ];
            let rest = line.strip_prefix("a=").unwrap();
            assert!(allowed.iter().any(|name| rest.starts_with(name)), "{line}");
        }
        Self {
            credentials: IceCreds {
                ufrag: value("a=ice-ufrag:"),
                pass: value("a=ice-pwd:"),
            },
            fingerprint: value("a=fingerprint:"),
        }
    }
}

pub(super) struct Server {
    rtc: Rtc,
    address: SocketAddr,
    client: SocketAddr,
    deadline: Option<Instant>,
    pub(super) frames: Vec<(Instant, MediaData)>,
    pub(super) reports: Vec<(Instant, SenderFeedback)>,
    /// RTP that came in: when, SSRC, bytes of payload.
    pub(super) packets: Vec<(Instant, u32, usize)>,
    pub(super) connected: bool,
    pub(super) closed: bool,
    /// Says nothing any more, and hears nothing.
    pub(super) silent: bool,
}

impl Server {
    pub(super) fn new(
        address: SocketAddr,
        client: SocketAddr,
        arrivals: bool,
        now: Instant,
    ) -> Self {
        let mut config = Rtc::builder()
            .clear_codecs()
            .clear_extension_map()
            .set_extension(2, Extension::AbsoluteSendTime)
            .set_extension(3, Extension::TransportSequenceNumber)
            .set_extension(5, Extension::PlayoutDelay)
            .set_ice_lite(true)
            .enable_raw_packets(true);
        let codecs = config.codec_config();
        codecs.add_config(
            120.into(),
            None,
            Codec::Opus,
            Frequency::FORTY_EIGHT_KHZ,
            Some(2),
            FormatParams::default(),
        );
        codecs.add_h264(101.into(), Some(102.into()), true, 0x42_e01f);
        let mut rtc = config.build(now);
        rtc.add_local_candidate(Candidate::host(address, "udp").unwrap());
        let mut direct = rtc.direct_api();
        if arrivals {
            direct.enable_twcc_feedback();
        }
        let (sound, picture): (Mid, Mid) = ("0".into(), "1".into());
        direct.declare_media(sound, MediaKind::Audio);
        direct.expect_stream_rx(AUDIO.into(), None, sound, None);
        direct.declare_media(picture, MediaKind::Video);
        direct.expect_stream_rx(VIDEO.into(), Some(RTX.into()), picture, None);
        Self {
            rtc,
            address,
            client,
            deadline: None,
            frames: Vec::new(),
            reports: Vec::new(),
            packets: Vec::new(),
            connected: false,
            closed: false,
            silent: false,
        }
    }

    /// Takes the client's fragment, and says what Discord says in op 4.
    pub(super) fn describe(&mut self, fragment: &str, now: Instant) -> String {
        let client = Fragment::parse(fragment);
        let mut direct = self.rtc.direct_api();
        direct.set_remote_ice_credentials(client.credentials);
        direct.set_remote_fingerprint(client.fingerprint.parse().unwrap());
        direct.set_ice_controlling(false);
        direct.start_dtls(false).unwrap();
        let own = direct.local_ice_credentials();
        let fingerprint = direct.local_dtls_fingerprint().to_string();
        let candidate = Candidate::host(self.client, "udp").unwrap();
        self.rtc.add_remote_candidate(candidate);
        self.deadline = Some(now);
        let (ip, port) = (self.address.ip(), self.address.port());
        format!(
            "m=audio {port} ICE/SDP\na=fingerprint:{fingerprint}\nc=IN IP4 {ip}\na=rtcp:{port}\n\
             a=ice-ufrag:{}\na=ice-pwd:{}\na=fingerprint:{fingerprint}\n\
             a=candidate:1 1 UDP 4261412862 {ip} {port} typ host\n",
            own.ufrag, own.pass
        )
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.deadline
    }

    pub(super) fn due(&mut self, now: Instant, wire: &mut dyn FnMut(&[u8])) {
        self.drive(Input::Timeout(now), now, wire);
    }

    pub(super) fn receive(&mut self, packet: &[u8], now: Instant, wire: &mut dyn FnMut(&[u8])) {
        if self.silent {
            return;
        }
        let received = Receive::new(Protocol::Udp, self.client, self.address, packet).unwrap();
        self.drive(Input::Receive(now, received), now, wire);
    }

    pub(super) fn ask_for_a_key_frame(&mut self, kind: KeyframeRequestKind) {
        let mut direct = self.rtc.direct_api();
        let stream = direct.stream_rx(&VIDEO.into()).unwrap();
        stream.request_keyframe(kind);
    }

    pub(super) fn say_estimate(&mut self, bits_per_second: u64) {
        let mut direct = self.rtc.direct_api();
        let stream = direct.stream_rx(&VIDEO.into()).unwrap();
        stream.request_remb(str0m::bwe::Bitrate::bps(bits_per_second));
    }

    pub(super) fn close(&mut self) {
        self.rtc.close().unwrap();
    }

    fn drive(&mut self, input: Input<'_>, now: Instant, wire: &mut dyn FnMut(&[u8])) {
        self.rtc.handle_input(input).unwrap();
        loop {
            match self.rtc.poll_output().unwrap() {
                Output::Transmit(datagram) if !self.silent => wire(&datagram.contents),
                Output::Transmit(_) => {}
                Output::Event(event) => self.event(event, now),
                Output::Timeout(at) => {
                    self.deadline = Some(at.max(now + Duration::from_micros(1)));
                    return;
                }
            }
        }
    }

    fn event(&mut self, event: Event, now: Instant) {
        match event {
            Event::Connected => self.connected = true,
            Event::Closed => self.closed = true,
            Event::MediaData(frame) => self.frames.push((now, frame)),
            Event::SenderFeedback(report) => self.reports.push((now, report)),
            Event::RawPacket(packet) => {
                if let RawPacket::RtpRx(header, payload) = *packet {
                    self.packets.push((now, *header.ssrc, payload.len()));
                }
            }
            _ => {}
        }
    }
}
