//! Shows a film over the WebRTC packet layer alone, without a voice gateway, to any WebRTC receiver.
//!
//! ```text
//! cargo run -p orb-voice --example show -- pictures.h264 24 sound.opus
//! ```
//!
//! `pictures.h264` is Annex B with so many pictures a second and none that are reordered. The first line of the output is
//! JSON: what the receiver has to know of the sender (`sdp`, and the SSRCs). The receiver's own half, in Discord's
//! abbreviated form, is one line of JSON on the input: `{"sdp": "…"}`. The output's last line says what was sent. Media is
//! not end-to-end encrypted. tests/node/webrtc.mjs has a browser look at it.

mod film;
#[path = "../speak/ogg.rs"]
mod ogg;

use std::error::Error;
use std::io::{ErrorKind, stdin};
use std::net::{Ipv4Addr, UdpSocket};
use std::time::{Duration, Instant};

use bytes::Bytes;
use orb_voice::packet::{
    MediaKind, OutgoingFrame, PacketLayer, PathState, VideoSsrcs, WebRtcConfig, WebRtcLayer,
};
use serde_json::{Value, json};

const AUDIO_SSRC: u32 = 1001;
const VIDEO: VideoSsrcs = VideoSsrcs {
    ssrc: 1002,
    rtx: 1003,
};

const OPUS_FRAME: Duration = Duration::from_millis(20);

/// For ICE and DTLS, on a busy machine.
const OPENS_WITHIN: Duration = Duration::from_secs(20);

/// After the last frame: for what is lost on the way and sent again.
const LINGER: Duration = Duration::from_secs(1);

/// The longest wait for a datagram.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A UDP datagram is not longer.
const DATAGRAM: usize = 1 << 16;

/// One of the two tracks: frames that are as far apart as each other.
struct Track {
    kind: MediaKind,
    frames: Vec<Bytes>,
    every: Duration,
    /// RTP clock.
    rate: f64,
    sent: usize,
}

impl Track {
    fn due(&self, begun: Instant) -> Option<Instant> {
        let at = self.every.mul_f64(self.sent as f64);
        (self.sent < self.frames.len()).then(|| begun + at)
    }

    /// Takes the frame that is due.
    fn next(&mut self, begun: Instant, now: Instant) -> Option<OutgoingFrame<'_>> {
        let wallclock = self.due(begun).filter(|due| *due <= now)?;
        let payload = &self.frames[self.sent];
        let seconds = (wallclock - begun).as_secs_f64();
        self.sent += 1;
        Some(OutgoingFrame {
            kind: self.kind,
            rtp_time: (seconds * self.rate).round() as u32,
            wallclock,
            payload,
        })
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [pictures, frame_rate, sound] = &arguments[..] else {
        return Err("usage: show <pictures.h264> <pictures a second> <sound.opus>".into());
    };
    let tracks = [
        Track {
            kind: MediaKind::Audio,
            frames: ogg::opus_packets(&std::fs::read(sound)?)?,
            every: OPUS_FRAME,
            rate: 48_000.0,
            sent: 0,
        },
        Track {
            kind: MediaKind::Video,
            frames: film::pictures(std::fs::read(pictures)?.into())?,
            every: Duration::from_secs_f64(1.0 / frame_rate.parse::<f64>()?),
            rate: 90_000.0,
            sent: 0,
        },
    ];

    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    let config = WebRtcConfig {
        audio_ssrc: AUDIO_SSRC,
        video: Some(VIDEO),
        local: socket.local_addr()?,
        first_estimate: WebRtcConfig::FIRST_ESTIMATE,
    };
    let mut layer = WebRtcLayer::new(config, Instant::now())?;
    let offer = json!({
        "sdp": layer.local_sdp(), "audio_ssrc": AUDIO_SSRC, "video_ssrc": VIDEO.ssrc, "rtx_ssrc": VIDEO.rtx,
    });
    println!("{offer}");
    let mut line = String::new();
    stdin().read_line(&mut line)?;
    let answer: Value = serde_json::from_str(&line)?;
    let answer = answer["sdp"].as_str().ok_or("the input has no sdp")?;
    socket.connect(layer.accept(answer, Instant::now())?)?;
    show(layer, &socket, tracks)
}

fn show(
    mut layer: WebRtcLayer,
    socket: &UdpSocket,
    mut tracks: [Track; 2],
) -> Result<(), Box<dyn Error>> {
    // Loopback refuses while the receiver is not there yet; ICE tries again.
    let mut wire = |datagram: &[u8]| drop(socket.send(datagram));
    let mut datagram = vec![0; DATAGRAM];
    let opening = Instant::now();
    let mut begun = None;
    let mut ended: Option<Instant> = None;
    let mut estimate = None;
    while ended.is_none_or(|ended| ended.elapsed() < LINGER) {
        let now = Instant::now();
        match layer.state() {
            PathState::Open => drop(begun.get_or_insert(now)),
            PathState::Opening if opening.elapsed() < OPENS_WITHIN => {}
            state => return Err(format!("the path is {state:?}").into()),
        }
        if let Some(begun) = begun {
            for track in &mut tracks {
                while let Some(frame) = track.next(begun, now) {
                    layer.send(frame, now, &mut wire)?;
                }
            }
        }
        layer.on_deadline(now, &mut wire);
        if let Some(report) = layer.take_feedback(now) {
            estimate = report.estimate;
        }
        let due = begun.and_then(|begun| tracks.iter().filter_map(|one| one.due(begun)).min());
        if begun.is_some() && due.is_none() {
            ended.get_or_insert(now);
        }
        let next = [due, layer.next_deadline()].into_iter().flatten().min();
        let wait = next.map_or(LOOK_EVERY, |next| next.saturating_duration_since(now));
        // No time at all would mean for ever.
        socket.set_read_timeout(Some(wait.clamp(Duration::from_micros(100), LOOK_EVERY)))?;
        match socket.recv(&mut datagram) {
            Ok(length) => {
                layer.receive(&mut datagram[..length], Instant::now(), &mut wire)?;
            }
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::ConnectionRefused
                ) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let [sound, pictures] = tracks.map(|track| track.sent);
    let said = json!({
        "sound": sound, "pictures": pictures, "key_frame_requests": layer.key_frame_requests(), "estimate": estimate,
    });
    println!("{said}");
    Ok(())
}
