//! When pictures and reports leave.
//!
//! There are two pacers: str0m's own, and beside it [`Spread`], which is faster. While that one is open, str0m is told that
//! pictures need no pacing. So each packet still leaves by str0m's hand, counted by its estimator with its right time.

use std::time::{Duration, Instant};

use str0m::{PacerReason, Reason, rtp::RtpHeader};

use super::{AT_ONCE, BREATH, Stream, WebRtcLayer, spread::Spread};

/// What nobody waits for is done so much later at most: reports, statistics, the estimator's clock. Together with the next
/// frame, as a rule, since each wake-up costs as much as some packets.
const NO_HURRY: Duration = Duration::from_millis(20);

/// After a packet that pads or was sent before, for so long, it may be that str0m probes: by packets two milliseconds apart.
const MAY_PROBE: Duration = Duration::from_millis(50);

/// The estimate of a new path is a guess for so long, and nothing leaves faster by it: probes and the pictures that lead up to
/// the present one fill a narrow line as it is.
const GUESSED_FOR: Duration = Duration::from_secs(2);

/// What is told to str0m's pacer, and what is known of it.
#[derive(Debug)]
pub(super) struct Pace {
    spread: Spread,
    /// Since then the estimate is more than a guess; none before the line is heard of.
    known_from: Option<Instant>,
    /// str0m was told that pictures need no pacing.
    open: bool,
    may_probe_until: Instant,
}

impl Pace {
    /// For a line that is taken to carry so many bits a second.
    pub(super) fn new(bits_per_second: u64, now: Instant) -> Self {
        let mut spread = Spread::new(bits_per_second, now);
        spread.line(bits_per_second, true, now);
        Self {
            spread,
            known_from: None,
            open: false,
            may_probe_until: now,
        }
    }

    /// What the line is taken to carry from now on, in bits a second, and whether it shows a queue or loss.
    pub(super) fn line(&mut self, bits_per_second: u64, full: bool, now: Instant) {
        let known_from = *self.known_from.get_or_insert(now + GUESSED_FOR);
        self.spread
            .line(bits_per_second, full || now < known_from, now);
    }

    fn sent(&mut self, is_frame: bool, len: usize, now: Instant) {
        self.spread.sent(len, now);
        if !is_frame {
            self.may_probe_until = now + MAY_PROBE;
        }
    }

    /// When to go on, where str0m wants to at `at`.
    fn next_step(&mut self, at: Instant, pictures_wait: bool, now: Instant) -> Instant {
        if pictures_wait {
            let opens = self.spread.opens_at(now);
            opens.map_or(at, |opens| opens.max(now + BREATH).min(at))
        } else if now < self.may_probe_until {
            at
        } else {
            at.max(now + NO_HURRY)
        }
    }
}

impl WebRtcLayer {
    /// Bytes of pictures that wait for their turn, and since when.
    pub(super) fn waiting(&mut self) -> (usize, Option<Instant>) {
        let Some(picture) = self.picture.filter(|picture| picture.declared) else {
            return (0, None);
        };
        let mut direct = self.rtc.direct_api();
        let stream = direct.stream_tx(&picture.ssrc.into());
        let queue = stream.as_ref().and_then(|stream| stream.queue_info());
        queue.map_or((0, None), |queue| (queue.byte_size(), queue.first_unsent()))
    }

    /// Whether any picture waits for its turn.
    fn look_at_queue(&mut self, now: Instant) -> bool {
        let since = self.waiting().1;
        let wait = since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        self.feedback.waits(wait);
        since.is_some()
    }

    /// Tells str0m whether pictures may leave faster than by its own pace. Returns whether they may.
    fn let_go(&mut self, open: bool) -> bool {
        if self.pace.open != open
            && let Some(picture) = self.picture
            && let Some(sender) = self.rtc.direct_api().stream_tx(&picture.ssrc.into())
        {
            sender.set_unpaced(open);
            self.pace.open = open;
        }
        open
    }

    /// When to go on, where str0m has done all that it would before `at`.
    pub(super) fn next_step(&mut self, at: Instant, now: Instant) -> Instant {
        let pictures_wait = self.look_at_queue(now);
        if !self.is_connected() {
            return at;
        }
        let probes = matches!(
            self.rtc.last_timeout_reason(),
            Reason::Pacer(PacerReason::Probe1 | PacerReason::Probe2)
        );
        let at_once = at <= now + AT_ONCE;
        let may_open = pictures_wait && !probes && (self.pace.open || !at_once);
        let open = self.pace.spread.is_open(now) && may_open;
        if self.let_go(open) {
            now
        } else if at_once || probes {
            at
        } else {
            self.pace.next_step(at, pictures_wait, now)
        }
    }

    /// A packet left.
    pub(super) fn left(&mut self, header: &RtpHeader, len: usize, now: Instant) {
        let is_of = |stream: Stream| *header.ssrc == stream.ssrc;
        let is_frame = is_of(self.sound) || self.picture.is_some_and(is_of);
        self.pace.sent(is_frame, len, now);
    }
}
