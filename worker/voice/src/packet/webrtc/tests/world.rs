//! A layer, a server, and the line between them. Time goes from one event to the next.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use super::{
    cost::timed,
    link::Link,
    server::{AUDIO, RTX, Server, VIDEO},
};
use crate::packet::{
    LineReport, MediaKind, OutgoingFrame, PacketError, PacketLayer, PathState, VideoSsrcs,
    WebRtcConfig, WebRtcLayer,
};

pub(super) fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

pub(super) fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

pub(super) fn config() -> WebRtcConfig {
    WebRtcConfig {
        audio_ssrc: AUDIO,
        video: Some(VideoSsrcs {
            ssrc: VIDEO,
            rtx: RTX,
        }),
        local: address("127.0.0.1:5001"),
        first_estimate: WebRtcConfig::FIRST_ESTIMATE,
    }
}

pub(super) struct World {
    pub(super) start: Instant,
    pub(super) now: Instant,
    pub(super) layer: WebRtcLayer,
    pub(super) server: Server,
    pub(super) up: Link,
    pub(super) down: Link,
    /// Datagrams that the layer sent.
    pub(super) sent: usize,
    /// Processor time that frames and deadlines took.
    pub(super) spent: Duration,
    pub(super) reports: Vec<(Instant, LineReport)>,
    /// Asked for of the layer's estimator, once there are reports.
    pub(super) probe_target: u64,
}

impl World {
    /// Before anybody has said anything.
    pub(super) fn new(delay: Duration) -> Self {
        Self::with(config(), true, delay)
    }

    /// `arrivals`: the server reports when packets arrived.
    pub(super) fn with(config: WebRtcConfig, arrivals: bool, delay: Duration) -> Self {
        let start = Instant::now();
        Self {
            start,
            now: start,
            layer: WebRtcLayer::new(config, start).unwrap(),
            server: Server::new(address("127.0.0.1:5002"), config.local, arrivals, start),
            up: Link::new(delay),
            down: Link::new(delay),
            sent: 0,
            spent: Duration::ZERO,
            reports: Vec::new(),
            probe_target: 2_500_000,
        }
    }

    /// Both have heard of each other.
    pub(super) fn introduced(delay: Duration) -> Self {
        let mut world = Self::new(delay);
        world.introduce();
        world
    }

    pub(super) fn introduce(&mut self) {
        let fragment = self.layer.local_sdp();
        let answer = self.server.describe(&fragment, self.now);
        let peer = self.layer.accept(&answer, self.now).unwrap();
        assert_eq!(peer, address("127.0.0.1:5002"));
    }

    /// And have connected.
    pub(super) fn connected(delay: Duration) -> Self {
        let mut world = Self::introduced(delay);
        world.connect();
        world
    }

    pub(super) fn connect(&mut self) {
        let within = self.now + Duration::from_secs(5);
        while !(self.layer.is_connected() && self.server.connected) {
            assert!(self.now < within, "not connected");
            self.step(within);
        }
    }

    pub(super) fn at(&self, since_start: Duration) -> Instant {
        self.start + since_start
    }

    pub(super) fn run_for(&mut self, time: Duration) {
        self.run_until(self.now + time);
    }

    pub(super) fn run_until(&mut self, until: Instant) {
        while self.now < until {
            self.step(until);
        }
    }

    /// Goes to the next event, or to `until`.
    fn step(&mut self, until: Instant) {
        let events = [
            self.layer.next_deadline(),
            self.server.next_deadline(),
            self.up.next(),
            self.down.next(),
        ];
        let next = events.into_iter().flatten().min();
        self.now = next.map_or(until, |next| next.min(until)).max(self.now);
        let now = self.now;
        let (up, down, sent) = (&mut self.up, &mut self.down, &mut self.sent);
        let spent = &mut self.spent;
        let mut from_layer = |packet: &[u8]| {
            *sent += 1;
            up.send(packet, now);
        };
        if self.layer.next_deadline().is_some_and(|at| at <= now) {
            timed(spent, || self.layer.on_deadline(now, &mut from_layer));
        }
        while let Some(mut packet) = down.arrived(now) {
            let heard = timed(spent, || {
                self.layer.receive(&mut packet, now, &mut from_layer)
            });
            assert!(
                matches!(heard, Ok(None) | Err(PacketError::Broken)),
                "{heard:?}"
            );
        }
        let mut from_server = |packet: &[u8]| down.send(packet, now);
        if self.server.next_deadline().is_some_and(|at| at <= now) {
            self.server.due(now, &mut from_server);
        }
        while let Some(packet) = self.up.arrived(now) {
            self.server.receive(&packet, now, &mut from_server);
        }
        if let Some(report) = self.layer.take_feedback(now) {
            self.reports.push((now, report));
            self.layer.set_probe_target(self.probe_target);
        }
        let next = self.layer.next_deadline();
        let endless = next.is_some_and(|at| at <= now);
        assert!(!endless, "due again at once");
    }

    pub(super) fn send(
        &mut self,
        kind: MediaKind,
        wallclock: Instant,
        payload: &[u8],
    ) -> Result<(), PacketError> {
        let rtp_time = rtp_time(kind, wallclock.saturating_duration_since(self.start));
        let frame = OutgoingFrame {
            kind,
            rtp_time,
            wallclock,
            payload,
        };
        let (up, sent, now) = (&mut self.up, &mut self.sent, self.now);
        timed(&mut self.spent, || {
            self.layer.send(frame, now, &mut |packet| {
                *sent += 1;
                up.send(packet, now);
            })
        })
    }

    pub(super) fn picture(&mut self, payload: &[u8]) {
        self.send(MediaKind::Video, self.now, payload).unwrap();
    }

    pub(super) fn sound(&mut self, payload: &[u8]) {
        self.send(MediaKind::Audio, self.now, payload).unwrap();
    }

    /// What came of one kind, in order.
    pub(super) fn got(&self, kind: MediaKind) -> impl Iterator<Item = &[u8]> {
        let mid = if kind == MediaKind::Audio { "0" } else { "1" };
        let frames = self.server.frames.iter();
        let of_kind = frames.filter(move |(_, frame)| frame.mid == mid.into());
        of_kind.map(|(_, frame)| &frame.data[..])
    }

    pub(super) fn is_lost(&self) -> bool {
        self.layer.state() == PathState::Lost
    }

    pub(super) fn last_report(&self) -> LineReport {
        self.reports.last().unwrap().1
    }
}

/// Of a moment, by a clock that begins high, so that it soon turns over.
pub(super) fn rtp_time(kind: MediaKind, since: Duration) -> u32 {
    let (rate, start) = match kind {
        MediaKind::Audio => (48_000, 0xffff_0000_u32),
        MediaKind::Video => (90_000, 0xfffe_0000),
    };
    let ticks = since.as_nanos() * rate / 1_000_000_000;
    start.wrapping_add(ticks as u32)
}
