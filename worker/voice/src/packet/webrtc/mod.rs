//! The layer of the `webrtc` protocol: sound and picture over ICE, DTLS and SRTP, by str0m.
//!
//! str0m does what a browser's sender does: packets of a size, retransmission, sender reports, an estimate of the line's
//! bandwidth, pacing, padding. This layer tells it of Discord's server, gives it frames, and gathers what the line does.
//!
//! ```text
//!  new ── local_sdp ──▶ op 1 … op 4 ──▶ accept ──▶ Opening ── ICE, DTLS ──▶ Open ──▶ Lost
//!                                          no datagram before        frames
//! ```
//!
//! It hears nobody: in a call that somebody streams into, nobody else speaks.

use std::{
    net::SocketAddr,
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, Instant},
};

use str0m::{
    Candidate, Event, IceConnectionState, IceCreds, Input, Output, Rtc,
    bwe::BweKind,
    config::Fingerprint,
    media::{Frequency, MediaTime, Mid},
    net::{Protocol, Receive},
    rtp::RawPacket,
};

mod bandwidth;
mod config;
mod feedback;
mod pace;
mod queue;
mod rate;
mod room;
mod sdp;
mod spread;
mod steady;

pub use config::{VideoSsrcs, WebRtcConfig};
pub use feedback::LineReport;

use super::{IncomingFrame, MediaKind, OutgoingFrame, PacketError, PacketLayer, PathState};
use bandwidth::Bandwidth;
use feedback::Feedback;
use pace::Pace;

/// What is due so soon is done at once. str0m's pacer lets packets of one burst out a microsecond apart.
const AT_ONCE: Duration = Duration::from_micros(100);

/// The most steps in one call: two bursts of packets, and what else is due. The rest is done in the next.
const MOST_STEPS: usize = 500;

/// After so many steps at once, the next call.
const BREATH: Duration = Duration::from_millis(1);

/// The longest frame of sound: str0m would send a longer one as two. Opus of 20 ms at 256 kbit/s has 640 bytes.
const MOST_SOUND: usize = 1100;

/// The longest picture. Discord's clients send none of more than some 100 KB.
const MOST_PICTURE: usize = 1 << 20;

/// Pictures that may wait for the pacer, in bytes. It lets nothing wait longer than about two seconds.
const MOST_WAITING: usize = 4 << 20;

/// Packets that can be sent again, and for how long: 3 s of 3 Mbit/s.
const SENT_AGAIN: usize = 1000;
const SENT_AGAIN_FOR: Duration = Duration::from_secs(3);

/// When more than this share of what is sent was sent before, nothing is sent again for a moment. A key frame that is
/// lost whole is half of a second's bytes.
const MOST_AGAIN: f32 = 0.5;

/// Receivers may delay a picture by so much to play it smoothly, and shall not add to that.
const PLAYOUT_DELAY: MediaTime = MediaTime::from_millis(100);

/// What one kind of media needs.
#[derive(Clone, Copy, Debug)]
struct Stream {
    mid: Mid,
    ssrc: u32,
    rtx: Option<u32>,
    payload_type: u8,
    clock: Frequency,
    /// str0m sends sender reports from when it knows of a stream, right or wrong. So it is told with the first frame.
    declared: bool,
}

/// Sound and picture over the `webrtc` protocol, the one of browsers.
///
/// It lives as long as a media path: it stays through a RESUME, and a new SESSION DESCRIPTION makes a new one.
pub struct WebRtcLayer {
    rtc: Rtc,
    local: SocketAddr,
    /// `None` until [`WebRtcLayer::accept`].
    peer: Option<SocketAddr>,
    state: PathState,
    sound: Stream,
    picture: Option<Stream>,
    deadline: Option<Instant>,
    /// The time that str0m was told last: it takes no notice of an earlier one.
    told: Instant,
    feedback: Feedback,
    key_frame_requests: u64,
    bandwidth: Bandwidth,
    pace: Pace,
}

impl WebRtcLayer {
    /// The estimate begins with no less: below it even sound would wait.
    pub const LEAST_ESTIMATE: u64 = 300_000;

    /// A layer that has not begun. Makes the keys of its own for this connection alone.
    pub fn new(config: WebRtcConfig, now: Instant) -> Result<Self, PacketError> {
        config.check()?;
        let mut rtc = config.build(now);
        let candidate =
            Candidate::host(config.local, "udp").map_err(|_| PacketError::BadAddress)?;
        rtc.add_local_candidate(candidate);
        let sound = Stream {
            mid: "0".into(),
            ssrc: config.audio_ssrc,
            rtx: None,
            payload_type: sdp::OPUS,
            clock: Frequency::FORTY_EIGHT_KHZ,
            declared: false,
        };
        let picture = config.video.map(|ssrcs| Stream {
            mid: "1".into(),
            ssrc: ssrcs.ssrc,
            rtx: Some(ssrcs.rtx),
            payload_type: sdp::H264,
            clock: Frequency::NINETY_KHZ,
            declared: false,
        });
        let mut direct = rtc.direct_api();
        direct.set_ice_controlling(true);
        direct.declare_media(sound.mid, str0m::media::MediaKind::Audio);
        if let Some(picture) = picture {
            direct.declare_media(picture.mid, str0m::media::MediaKind::Video);
        }
        Ok(Self {
            rtc,
            local: config.local,
            peer: None,
            state: PathState::Opening,
            sound,
            picture,
            deadline: None,
            told: now,
            feedback: Feedback::new(config.audio_ssrc, now),
            key_frame_requests: 0,
            bandwidth: Bandwidth::new(),
            pace: Pace::new(config.first_estimate(), now),
        })
    }

    /// What the server needs to know, for op 1 (SELECT PROTOCOL).
    pub fn local_sdp(&mut self) -> String {
        let direct = self.rtc.direct_api();
        let credentials = direct.local_ice_credentials();
        let fingerprint = direct.local_dtls_fingerprint().to_string();
        let local = sdp::Local {
            ufrag: &credentials.ufrag,
            password: &credentials.pass,
            fingerprint: &fingerprint,
            video: self.picture.is_some(),
        };
        local.write()
    }

    /// Takes the server's answer (op 4), once, and begins to connect: [`PacketLayer::on_deadline`] is due at once. All
    /// packets go to the address that it returns, and are expected from there.
    pub fn accept(&mut self, remote_sdp: &str, now: Instant) -> Result<SocketAddr, PacketError> {
        if self.peer.is_some() {
            return Err(PacketError::BadDescription("a second one"));
        }
        let remote = sdp::Remote::parse(remote_sdp)?;
        let peer = remote.address;
        if peer.is_ipv4() != self.local.is_ipv4() {
            return Err(PacketError::BadAddress);
        }
        let candidate = Candidate::host(peer, "udp").map_err(|_| PacketError::BadAddress)?;
        self.rtc.add_remote_candidate(candidate);
        let mut direct = self.rtc.direct_api();
        direct.set_remote_ice_credentials(IceCreds {
            ufrag: remote.ufrag,
            pass: remote.password,
        });
        direct.set_remote_fingerprint(Fingerprint {
            hash_func: "sha-256".to_owned(),
            bytes: remote.fingerprint.to_vec(),
        });
        direct.start_dtls(true).map_err(|_| PacketError::Broken)?;
        self.peer = Some(peer);
        self.deadline = Some(now);
        Ok(peer)
    }

    /// Whether frames can be sent.
    pub fn is_connected(&self) -> bool {
        self.state == PathState::Open
    }

    fn stream(&mut self, kind: MediaKind) -> Result<&mut Stream, PacketError> {
        match kind {
            MediaKind::Audio => Ok(&mut self.sound),
            MediaKind::Video => self.picture.as_mut().ok_or(PacketError::VideoUnsupported),
        }
    }

    fn check(&mut self, frame: &OutgoingFrame<'_>) -> Result<(), PacketError> {
        let (len, longest) = match frame.kind {
            MediaKind::Audio => (frame.payload.len(), MOST_SOUND),
            MediaKind::Video => (frame.payload.len(), MOST_PICTURE),
        };
        if len > longest {
            return Err(PacketError::FrameTooLong { len });
        }
        let bytes = self.waiting().0;
        if frame.kind == MediaKind::Video && bytes + len > MOST_WAITING {
            return Err(PacketError::TooMuchWaiting { bytes });
        }
        Ok(())
    }

    /// Hands a frame to str0m, which keeps it until it is given time.
    fn write(&mut self, frame: &OutgoingFrame<'_>, now: Instant) -> Result<(), PacketError> {
        let stream = self.stream(frame.kind)?;
        let first = !std::mem::replace(&mut stream.declared, true);
        let stream = *stream;
        if first {
            let mut direct = self.rtc.direct_api();
            let rtx = stream.rtx.map(Into::into);
            let sender = direct.declare_stream_tx(stream.ssrc.into(), rtx, stream.mid, None);
            if rtx.is_some() {
                sender.set_rtx_cache(SENT_AGAIN, SENT_AGAIN_FOR, Some(MOST_AGAIN));
                sender.set_unpaced(false);
            }
        }
        let mut writer = self.rtc.writer(stream.mid).ok_or(PacketError::Broken)?;
        if frame.kind == MediaKind::Video {
            writer = writer.playout_delay(MediaTime::ZERO, PLAYOUT_DELAY);
        }
        let rtp_time = MediaTime::new(frame.rtp_time.into(), stream.clock);
        // A moment to come has no place in a sender report.
        let wallclock = frame.wallclock.min(now);
        writer
            .write(
                stream.payload_type.into(),
                wallclock,
                rtp_time,
                frame.payload,
            )
            .map_err(|_| PacketError::Broken)
    }

    /// Gives str0m something, and does all that it wants done.
    ///
    /// What comes from a server may make it panic (0.24.1: transport-wide feedback with a run of no packets). That ends
    /// this connection and no other.
    fn drive(
        &mut self,
        input: Input<'_>,
        now: Instant,
        wire: &mut dyn FnMut(&[u8]),
    ) -> Result<(), PacketError> {
        let all = AssertUnwindSafe(|| self.steps(input, now, wire));
        let outcome = catch_unwind(all).unwrap_or_else(|_| {
            self.rtc.disconnect();
            Err(PacketError::Broken)
        });
        if outcome == Err(PacketError::Broken) || !self.rtc.is_alive() {
            self.state = PathState::Lost;
        }
        if self.state == PathState::Lost {
            self.deadline = None;
        }
        outcome
    }

    fn steps(
        &mut self,
        input: Input<'_>,
        now: Instant,
        wire: &mut dyn FnMut(&[u8]),
    ) -> Result<(), PacketError> {
        self.probe(now);
        self.told = self.told.max(now);
        // An error here is about what came in; whether the connection stands it, str0m says next.
        let taken = self.rtc.handle_input(input);
        for _ in 0..MOST_STEPS {
            match self.rtc.poll_output().map_err(|_| PacketError::Broken)? {
                Output::Transmit(datagram) => wire(&datagram.contents),
                Output::Event(event) => self.event(event, now),
                Output::Timeout(at) => {
                    let at = self.next_step(at, now);
                    if at > now + AT_ONCE {
                        self.deadline = Some(at);
                        return taken.map_err(|_| PacketError::Malformed("webrtc"));
                    }
                    self.told = at.max(self.told);
                    self.rtc
                        .handle_input(Input::Timeout(self.told))
                        .map_err(|_| PacketError::Broken)?;
                }
            }
        }
        self.deadline = Some(now + BREATH);
        taken.map_err(|_| PacketError::Malformed("webrtc"))
    }

    fn event(&mut self, event: Event, now: Instant) {
        match event {
            Event::Connected => self.state = PathState::Open,
            Event::IceConnectionStateChange(IceConnectionState::Disconnected) | Event::Closed => {
                self.state = PathState::Lost;
            }
            Event::KeyframeRequest(_) => self.key_frame_requests += 1,
            Event::RawPacket(packet) => {
                if let RawPacket::RtpTx(header, bytes) = &*packet {
                    self.left(header, bytes.len(), now);
                }
                self.feedback.packet(&packet, now);
            }
            Event::PeerStats(stats) => {
                self.feedback.connection(&stats);
                self.judge_estimate(now);
            }
            Event::MediaEgressStats(stats) => self.feedback.stream(&stats),
            Event::EgressBitrateEstimate(BweKind::Remb { estimate, .. }) => {
                self.feedback.receivers_estimate(estimate.as_u64());
            }
            _ => {}
        }
    }

    fn judge_estimate(&mut self, now: Instant) {
        let line = self.feedback.line();
        if let Some(believed) = line.and_then(|line| self.bandwidth.judge(line, now)) {
            self.feedback.believe(believed);
        }
        if let Some((estimate, loss, queue)) = self.feedback.capacity() {
            let full = steady::shows_it_is_full(loss, queue);
            self.pace.line(estimate, full, now);
        }
    }

    /// Not before the first picture: there is nothing to pad with, and str0m would send packets of an SSRC of its own, which
    /// Discord's server has not been told of.
    fn probe(&mut self, now: Instant) {
        if self.picture.is_some_and(|picture| picture.declared) {
            let sound = self.feedback.sound(now);
            self.bandwidth.tell(&mut self.rtc, sound);
        }
    }
}

impl PacketLayer for WebRtcLayer {
    fn send(
        &mut self,
        frame: OutgoingFrame<'_>,
        now: Instant,
        wire: &mut dyn FnMut(&[u8]),
    ) -> Result<(), PacketError> {
        match self.state {
            PathState::Opening => return Err(PacketError::NotConnected),
            PathState::Lost => return Err(PacketError::Broken),
            PathState::Open => {}
        }
        self.stream(frame.kind)?;
        self.check(&frame)?;
        self.write(&frame, now)?;
        self.drive(Input::Timeout(now), now, wire)
    }

    fn receive<'a>(
        &'a mut self,
        packet: &'a mut [u8],
        now: Instant,
        wire: &mut dyn FnMut(&[u8]),
    ) -> Result<Option<IncomingFrame<'a>>, PacketError> {
        let (Some(peer), false) = (self.peer, self.state == PathState::Lost) else {
            return Ok(None);
        };
        let received = Receive::new(Protocol::Udp, peer, self.local, packet)
            .map_err(|_| PacketError::Malformed("webrtc"))?;
        self.drive(Input::Receive(now, received), now, wire)?;
        Ok(None)
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.deadline
    }

    fn on_deadline(&mut self, now: Instant, wire: &mut dyn FnMut(&[u8])) {
        if self.deadline.is_none_or(|at| now < at) {
            return;
        }
        // Whoever sends next learns of it; the state says it before.
        if let Err(error) = self.drive(Input::Timeout(now), now, wire) {
            tracing::warn!(%error, "the media connection broke");
        }
    }

    fn state(&self) -> PathState {
        self.state
    }

    fn has_room(&mut self) -> bool {
        self.waiting().0 <= MOST_WAITING - MOST_PICTURE
    }

    fn bytes_waiting(&mut self) -> usize {
        self.waiting().0
    }

    fn take_feedback(&mut self, now: Instant) -> Option<LineReport> {
        self.is_connected().then(|| self.feedback.report(now))?
    }

    fn set_probe_target(&mut self, bits_per_second: u64) {
        self.bandwidth.aim_at(bits_per_second);
    }

    fn key_frame_requests(&self) -> u64 {
        self.key_frame_requests
    }
}

#[cfg(test)]
mod tests;
