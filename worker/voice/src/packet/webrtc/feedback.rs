//! What the line does, gathered from what went out and what the receiver reports.

use std::time::{Duration, Instant};

use orb_video::ladder::Wants;
use str0m::{
    rtp::{RawPacket, RtpHeader, rtcp::Rtcp},
    stats::{MediaEgressStats, PeerStats},
};

use super::{config::REPORT_INTERVAL, queue::Queue, rate::RateMeter};

/// Numbers in reports are taken as near to this one; of each, the low 16 bits count.
const FAR_FROM_ZERO: u64 = 1 << 20;

/// How the line is, as known at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LineReport {
    /// Bits a second that the line takes for the picture, by transport-wide feedback, or else by what the receiver says
    /// (REMB); sound and what is sent again taken off. `None`: nobody has said anything.
    pub estimate: Option<u64>,
    /// Bits a second of picture over the last second, with what was sent again and with padding.
    pub sent: u64,
    /// Share of packets lost over the last second, 0 to 1, before they were sent again.
    pub loss: f32,
    /// How much longer packets take than the fastest ones of the last ten to twenty seconds; and what waits here for its
    /// turn, if something always does.
    pub queue_delay: Duration,
    /// Round trip time.
    pub rtt: Option<Duration>,
    /// What viewers' clients ask for. Not of the packet layer: signalling fills it in.
    pub wants: Wants,
}

/// Gathers.
#[derive(Debug)]
pub(super) struct Feedback {
    audio_ssrc: u32,
    sound: RateMeter,
    picture: RateMeter,
    queue: Queue,
    /// Shortest wait of the oldest packet that waits here, since the last report.
    held_back: Option<Duration>,
    /// The receiver reports arrivals.
    has_arrivals: bool,
    estimate: Option<u64>,
    receivers_estimate: Option<u64>,
    loss: Option<f32>,
    receivers_loss: Option<f32>,
    rtt: Option<Duration>,
    least_rtt: Option<Duration>,
    reported_at: Instant,
}

impl Feedback {
    pub(super) fn new(audio_ssrc: u32, now: Instant) -> Self {
        Self {
            audio_ssrc,
            sound: RateMeter::new(now),
            picture: RateMeter::new(now),
            queue: Queue::new(now),
            held_back: None,
            has_arrivals: false,
            estimate: None,
            receivers_estimate: None,
            loss: None,
            receivers_loss: None,
            rtt: None,
            least_rtt: None,
            reported_at: now,
        }
    }

    /// A packet as it was before encryption, or after decryption.
    pub(super) fn packet(&mut self, packet: &RawPacket, now: Instant) {
        match packet {
            RawPacket::RtpTx(header, packet) => self.sent(header, packet.len(), now),
            RawPacket::RtcpRx(Rtcp::Twcc(arrivals)) => {
                self.has_arrivals = true;
                let zero = now;
                let arrivals = arrivals.clone().into_iter(zero, FAR_FROM_ZERO.into());
                for (number, _, at) in arrivals {
                    if let Some(at) = at {
                        let at = at.saturating_duration_since(zero);
                        self.queue.arrived(*number as u16, at, now);
                    }
                }
            }
            _ => {}
        }
    }

    fn sent(&mut self, header: &RtpHeader, len: usize, now: Instant) {
        // What the estimate counts, too: payloads.
        let payload = len.saturating_sub(header.header_len);
        if *header.ssrc == self.audio_ssrc {
            self.sound.add(payload, now);
        } else {
            self.picture.add(payload, now);
        }
        if let Some(number) = header.ext_vals.transport_cc {
            self.queue.sent(number, payload, now);
        }
    }

    /// How long the oldest packet here has waited; zero where none does.
    pub(super) fn waits(&mut self, wait: Duration) {
        self.held_back = Some(self.held_back.map_or(wait, |least| least.min(wait)));
    }

    pub(super) fn receivers_estimate(&mut self, bits_per_second: u64) {
        self.receivers_estimate = Some(bits_per_second);
    }

    pub(super) fn connection(&mut self, stats: &PeerStats) {
        self.estimate = stats.bwe_tx.map(|estimate| estimate.as_u64());
        self.loss = stats.egress_loss_fraction;
        let pair = stats.selected_candidate_pair.as_ref();
        let rtt = pair.and_then(|pair| pair.current_round_trip_time);
        self.rtt = rtt.or(self.rtt);
        self.least_rtt = self.rtt.into_iter().chain(self.least_rtt).min();
    }

    pub(super) fn stream(&mut self, stats: &MediaEgressStats) {
        self.receivers_loss = stats.loss.or(self.receivers_loss);
    }

    /// What the receiver's reports of arrivals say of the whole line: estimate, loss, queue.
    pub(super) fn line(&self) -> Option<(u64, f32, Duration)> {
        let loss = self.loss.unwrap_or_default();
        let known = self.estimate.filter(|_| self.has_arrivals);
        known.map(|estimate| (estimate, loss, self.queue.last()))
    }

    /// The same, or else what the receiver says that it would take, and what it lost.
    pub(super) fn capacity(&self) -> Option<(u64, f32, Duration)> {
        let loss = self.receivers_loss.unwrap_or_default();
        let by_receiver = self.receivers_estimate.filter(|_| !self.has_arrivals);
        self.line()
            .or_else(|| by_receiver.map(|estimate| (estimate, loss, Duration::ZERO)))
    }

    /// What is to be said of the whole line until str0m says something else.
    pub(super) fn believe(&mut self, estimate: u64) {
        self.estimate = Some(estimate);
    }

    /// The rate of sound over the last second.
    pub(super) fn sound(&mut self, now: Instant) -> u64 {
        self.sound.rate(now)
    }

    pub(super) fn report(&mut self, now: Instant) -> Option<LineReport> {
        if now.saturating_duration_since(self.reported_at) < REPORT_INTERVAL {
            return None;
        }
        self.reported_at = now;
        let (sound, sent) = (self.sound.rate(now), self.picture.rate(now));
        let (estimate, loss) = if self.has_arrivals {
            (self.estimate, self.loss)
        } else {
            (self.receivers_estimate, self.receivers_loss)
        };
        let loss = loss.unwrap_or_default().clamp(0.0, 1.0);
        let in_the_line = if self.has_arrivals {
            self.queue.take(self.least_rtt.unwrap_or_default())
        } else {
            let beyond = |rtt: Duration| rtt.saturating_sub(self.least_rtt.unwrap_or(rtt));
            self.rtt.map(beyond).unwrap_or_default()
        };
        Some(LineReport {
            estimate: estimate.map(|all| for_the_picture(all, sound, loss)),
            sent,
            loss,
            queue_delay: in_the_line + self.held_back.take().unwrap_or_default(),
            rtt: self.rtt,
            wants: Wants::default(),
        })
    }
}

/// What is lost is sent again, and that takes its share.
fn for_the_picture(all: u64, sound: u64, loss: f32) -> u64 {
    let rest = all.saturating_sub(sound) as f64;
    (rest / (1.0 + f64::from(loss))) as u64
}
