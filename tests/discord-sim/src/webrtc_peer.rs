//! One client's end of a WebRTC connection: ICE, DTLS and SRTP of the voice server, by str0m.
//!
//! The server is ice-lite and waits for the client's DTLS. str0m runs in its RTP mode: each packet comes out as it
//! came in, its retransmission wrapping off, and str0m itself sends what a server sends back: NACKs, reports of
//! reception, transport-wide feedback.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, UNIX_EPOCH};

use str0m::crypto::CryptoProvider;
use str0m::format::{Codec, FormatParams};
use str0m::media::{Frequency, KeyframeRequestKind, MediaKind, Mid};
use str0m::net::{Protocol, Receive};
use str0m::rtp::{Extension, ExtensionMap, RtpPacket, RtpWrite};
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig};

use crate::webrtc_offer::{Offer, PayloadTypes};

/// Profile and level of the H.264 that is answered; the simulator decodes none of it.
const H264_PROFILE: u32 = 0x42_e01f;

/// The header extensions that the voice server takes part in. Ids of others are not mapped: what comes with them is
/// passed over.
const EXTENSIONS: [Extension; 5] = [
    Extension::AbsoluteSendTime,
    Extension::TransportSequenceNumber,
    Extension::AudioLevel,
    Extension::VideoOrientation,
    Extension::PlayoutDelay,
];

/// Until a connection that has failed is looked at again; it is taken away before.
const A_LONG_TIME: Duration = Duration::from_hours(1);

/// SSRCs of what a client shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PictureSsrcs {
    pub(crate) ssrc: u32,
    pub(crate) rtx: u32,
}

/// All SSRCs of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ssrcs {
    pub(crate) sound: u32,
    pub(crate) pictures: Option<PictureSsrcs>,
}

/// What comes of a datagram, or of time.
pub(crate) enum Happened {
    /// This is to be sent.
    Transmit(SocketAddr, Vec<u8>),
    Connected,
    /// A packet, its SRTP and retransmission wrapping off.
    Packet(Box<RtpPacket>),
    /// A sender report: its SSRC, wall clock and RTP time.
    Report {
        ssrc: u32,
        /// Since the Unix epoch.
        ntp: Duration,
        rtp_time: u32,
    },
    /// The client asks for a key frame of what it is sent.
    KeyFrameWanted,
}

pub(crate) struct Peer {
    rtc: Rtc,
    local: SocketAddr,
    ufrag: String,
    ssrcs: Ssrcs,
    payload_types: PayloadTypes,
    /// When str0m wants to be asked again.
    wake: Instant,
    /// What it is sent of others, by SSRC.
    forwarded: BTreeMap<u32, Mid>,
}

impl Peer {
    /// `local`: where the voice server receives.
    pub(crate) fn new(
        offer: Offer,
        ssrcs: Ssrcs,
        local: SocketAddr,
        crypto: &Arc<CryptoProvider>,
        now: Instant,
    ) -> Result<Self, String> {
        let mut rtc = config(&offer, crypto).build(now);
        let candidate = Candidate::host(local, "udp").map_err(|error| error.to_string())?;
        rtc.add_local_candidate(candidate);
        let mut api = rtc.direct_api();
        let ufrag = api.local_ice_credentials().ufrag;
        api.set_ice_controlling(false);
        api.set_remote_ice_credentials(offer.ice);
        api.set_remote_fingerprint(offer.fingerprint);
        api.enable_twcc_feedback();
        let sound = mid(ssrcs.sound);
        api.declare_media(sound, MediaKind::Audio);
        api.expect_stream_rx(ssrcs.sound.into(), None, sound, None);
        if let Some(PictureSsrcs { ssrc, rtx }) = ssrcs.pictures {
            let pictures = mid(ssrc);
            api.declare_media(pictures, MediaKind::Video);
            api.expect_stream_rx(ssrc.into(), Some(rtx.into()), pictures, None);
        }
        api.start_dtls(false).map_err(|error| error.to_string())?;
        Ok(Self {
            rtc,
            local,
            ufrag,
            ssrcs,
            payload_types: offer.payload_types,
            wake: now,
            forwarded: BTreeMap::new(),
        })
    }

    /// The server's part of the session, in the few lines that Discord's op 4 has. `told`: where clients send to.
    pub(crate) fn answer(&mut self, told: SocketAddr) -> String {
        let api = self.rtc.direct_api();
        let ice = api.local_ice_credentials();
        let fingerprint = api.local_dtls_fingerprint().to_string();
        let (address, port) = (told.ip(), told.port());
        format!(
            "m=audio {port} ICE/SDP\n\
             a=fingerprint:{fingerprint}\n\
             c=IN IP4 {address}\n\
             a=rtcp:{port}\n\
             a=ice-ufrag:{ufrag}\n\
             a=ice-pwd:{pass}\n\
             a=fingerprint:{fingerprint}\n\
             a=candidate:1 1 UDP 4261412862 {address} {port} typ host\n",
            ufrag = ice.ufrag,
            pass = ice.pass,
        )
    }

    /// Names this end in STUN.
    pub(crate) fn ufrag(&self) -> &str {
        &self.ufrag
    }

    pub(crate) fn ssrcs(&self) -> Ssrcs {
        self.ssrcs
    }

    /// When [`Self::wait`] is due.
    pub(crate) fn wake(&self) -> Instant {
        self.wake
    }

    /// Takes a datagram that came at `at`.
    pub(crate) fn take(&mut self, at: Instant, source: SocketAddr, bytes: &[u8]) -> Vec<Happened> {
        let Ok(contents) = bytes.try_into() else {
            return Vec::new();
        };
        let receive = Receive {
            proto: Protocol::Udp,
            source,
            destination: self.local,
            contents,
        };
        self.input(Input::Receive(at, receive))
    }

    /// Time has passed.
    pub(crate) fn wait(&mut self, now: Instant) -> Vec<Happened> {
        self.input(Input::Timeout(now))
    }

    /// Has the client asked for a key frame; it goes out with the next [`Self::wait`]. `false`: it shows nothing.
    pub(crate) fn ask_for_key_frame(&mut self, now: Instant) -> bool {
        let Some(PictureSsrcs { ssrc, .. }) = self.ssrcs.pictures else {
            return false;
        };
        let mut api = self.rtc.direct_api();
        let Some(stream) = api.stream_rx(&ssrc.into()) else {
            return false;
        };
        stream.request_keyframe(KeyframeRequestKind::Pli);
        self.wake = now;
        true
    }

    /// Sends another client's packet to this one. `rtx`: the SSRC that it is sent again with.
    pub(crate) fn forward(
        &mut self,
        packet: &RtpPacket,
        rtx: Option<u32>,
        now: Instant,
    ) -> Vec<Happened> {
        let is_picture = rtx.is_some();
        let payload_type = match (is_picture, self.payload_types) {
            (false, types) => types.opus,
            (
                true,
                PayloadTypes {
                    h264: Some((h264, _)),
                    ..
                },
            ) => h264,
            (true, _) => return Vec::new(),
        };
        let ssrc = packet.header.ssrc;
        let mut api = self.rtc.direct_api();
        let mid = *self.forwarded.entry(*ssrc).or_insert_with(|| {
            let mid = mid(*ssrc);
            let kind = if is_picture {
                MediaKind::Video
            } else {
                MediaKind::Audio
            };
            api.declare_media(mid, kind);
            mid
        });
        let stream = api.declare_stream_tx(ssrc, rtx.map(Into::into), mid, None);
        let write = RtpWrite::new(
            payload_type.into(),
            packet.seq_no,
            packet.header.timestamp,
            now,
            Arc::clone(&packet.payload),
        )
        .marker(packet.header.marker)
        .nackable(is_picture);
        stream.write_rtp(write);
        self.wait(now)
    }

    fn input(&mut self, input: Input<'_>) -> Vec<Happened> {
        let mut happened = Vec::new();
        if let Err(error) = self.rtc.handle_input(input) {
            tracing::debug!(%error, "webrtc input refused");
        }
        loop {
            match self.rtc.poll_output() {
                Ok(Output::Timeout(at)) => {
                    self.wake = at;
                    return happened;
                }
                Ok(Output::Transmit(datagram)) => {
                    let bytes = datagram.contents.to_vec();
                    happened.push(Happened::Transmit(datagram.destination, bytes));
                }
                Ok(Output::Event(event)) => happened.extend(of_event(event)),
                Err(error) => {
                    tracing::debug!(%error, "webrtc connection failed");
                    self.rtc.disconnect();
                    // Nothing more will come of it.
                    self.wake += A_LONG_TIME;
                    return happened;
                }
            }
        }
    }
}

fn of_event(event: Event) -> Option<Happened> {
    match event {
        Event::Connected => Some(Happened::Connected),
        Event::RtpPacket(packet) => Some(Happened::Packet(Box::new(packet))),
        Event::SenderFeedback(feedback) => {
            let info = feedback.sender_info;
            let ntp = info.ntp_time.duration_since(UNIX_EPOCH);
            Some(Happened::Report {
                ssrc: *info.ssrc,
                ntp: ntp.unwrap_or_default(),
                rtp_time: info.rtp_time.numer() as u32,
            })
        }
        Event::KeyframeRequest(_) => Some(Happened::KeyFrameWanted),
        _ => None,
    }
}

fn config(offer: &Offer, crypto: &Arc<CryptoProvider>) -> RtcConfig {
    let mut extensions = ExtensionMap::empty();
    for (id, uri) in &offer.extensions {
        if let Some(known) = EXTENSIONS.into_iter().find(|one| one.as_uri() == uri) {
            extensions.set(*id, known);
        }
    }
    let mut config = Rtc::builder()
        .set_crypto_provider(Arc::clone(crypto))
        .set_ice_lite(true)
        .set_rtp_mode(true)
        .clear_codecs()
        .set_extension_map(extensions);
    let codecs = config.codec_config();
    let opus = FormatParams {
        min_p_time: Some(10),
        use_inband_fec: Some(true),
        ..FormatParams::default()
    };
    let opus_type = offer.payload_types.opus.into();
    let rate = Frequency::FORTY_EIGHT_KHZ;
    codecs.add_config(opus_type, None, Codec::Opus, rate, Some(2), opus);
    if let Some((h264, rtx)) = offer.payload_types.h264 {
        codecs.add_h264(h264.into(), Some(rtx.into()), true, H264_PROFILE);
    }
    config
}

/// One medium for each SSRC, named by it.
fn mid(ssrc: u32) -> Mid {
    Mid::from(ssrc.to_string().as_str())
}
