//! When to switch, and to which rung.

use std::time::Duration;

use super::tuning::{
    BLIND_DOWN_TO, CLIMB_AT, DEEP_QUEUE, DOWN_AFTER, DOWN_DWELL, DOWN_TO, FORGIVEN_AFTER,
    HEAVY_LOSS, LEAVE_BELOW, LIGHT_LOSS, LONG_QUEUE, MAX_BACK_OFF, MAX_DRAIN, ROOM_FOR,
    SENDER_LIMITED, SHORT_QUEUE, TAKEN_BACK_WITHIN, TRIAL_AFTER, UP_DWELL,
};
use super::{Ladder, Rung};

/// What the viewers' clients ask for at most (Discord's op 15); None asks for no limit.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Wants {
    /// Bits a second of the picture.
    pub bits_per_second: Option<u64>,
    /// Pixels of a frame.
    pub pixels: Option<u32>,
    /// Frames a second.
    pub frame_rate: Option<f64>,
}

impl Wants {
    fn allow(&self, rung: &Rung) -> bool {
        self.bits_per_second
            .is_none_or(|most| rung.bits_per_second <= most)
            && self.pixels.is_none_or(|most| rung.pixels() <= most)
            && self.frame_rate.is_none_or(|most| rung.frame_rate <= most)
    }
}

/// What the line did, as known at one moment. To be given about ten times a second, also when nothing is new.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Report {
    /// Time of it; never runs back.
    pub now: Duration,
    /// Bits a second that the line takes for the picture, by TWCC or REMB; sound and retransmission taken off.
    pub estimate: Option<u64>,
    /// Bits a second of picture and padding sent over the last second.
    pub sent: u64,
    /// Share of packets lost over the last second, 0 to 1, before retransmission.
    pub loss: f32,
    /// How much longer packets take than they would without a queue.
    pub queue_delay: Duration,
    /// The least of what the viewers want.
    pub wants: Wants,
}

/// Why a rung is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The viewers want less.
    Wants,
    /// Packets queue up.
    Queue,
    /// Packets are lost.
    Loss,
    /// The estimate is below what the rung needs.
    Estimate,
    /// The estimate has room for a higher one.
    Room,
    /// There is no estimate, and nothing was lost or late for long.
    Trial,
}

/// To be carried out: start an encoder for the rung, switch to it at its first IDR picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Switch {
    /// Index in [`Ladder::rungs`].
    pub rung: usize,
    /// Why.
    pub cause: Cause,
    /// Send no picture for this long, nor before the new encoder's first one: what is queued must drain.
    pub drain: Duration,
}

/// Decides for one film on one line.
#[derive(Debug, Clone)]
pub struct Controller {
    ladder: Ladder,
    current: usize,
    switched_at: Duration,
    climbed_at: Option<Duration>,
    taken_back: u32,
    forgiven_at: Duration,
    bad: BadNews,
    /// Since when nothing is lost or late.
    clean_since: Option<Duration>,
    /// For each rung, since when the estimate has had room for it.
    room_since: Vec<Option<Duration>>,
    wants: Wants,
}

/// Since when there is which bad news.
#[derive(Debug, Clone, Copy, Default)]
struct BadNews {
    queue: Option<Duration>,
    loss: Option<Duration>,
    estimate: Option<Duration>,
}

impl Controller {
    /// Begins on the highest rung of at most `bits_per_second`.
    pub fn new(ladder: Ladder, bits_per_second: u64, now: Duration) -> Self {
        let current = ladder.highest(|rung| rung.bits_per_second <= bits_per_second);
        Self {
            room_since: vec![None; ladder.rungs().len()],
            current,
            switched_at: now,
            climbed_at: None,
            taken_back: 0,
            forgiven_at: now,
            bad: BadNews::default(),
            clean_since: None,
            wants: Wants::default(),
            ladder,
        }
    }

    /// Index of the rung that is sent, or being switched to.
    pub fn rung(&self) -> usize {
        self.current
    }

    /// The ladder that it decides on.
    pub fn ladder(&self) -> &Ladder {
        &self.ladder
    }

    /// The bits a second that the bandwidth estimator should look for, by padding where the picture is less: what the
    /// next rung that is wanted needs; on the top one, its own rate.
    pub fn probe_target(&self) -> u64 {
        let top = self.ladder.highest(|rung| self.wants.allow(rung));
        let rate = |rung: usize| self.ladder.rungs()[rung].bits_per_second;
        if self.current < top {
            (rate(self.current + 1) as f64 * CLIMB_AT * 1.05) as u64
        } else {
            rate(self.current)
        }
    }

    /// Takes a report. A rung to switch to is taken as switched to.
    pub fn report(&mut self, report: &Report) -> Option<Switch> {
        self.observe(report);
        let switch = self
            .obey_wants(report)
            .or_else(|| self.go_down(report))
            .or_else(|| self.go_up(report))?;
        self.take(report.now, switch);
        Some(switch)
    }

    fn rate(&self) -> u64 {
        self.ladder.rungs()[self.current].bits_per_second
    }

    /// Starts and stops the stop-watches.
    fn observe(&mut self, report: &Report) {
        let now = report.now;
        self.wants = report.wants;
        let sender_limited = |estimate: u64| estimate as f64 >= report.sent as f64 * SENDER_LIMITED;
        let rate = self.rate() as f64;
        // A line that is not filled shows a low estimate without being narrow: quiet scenes are small.
        let narrow = report
            .estimate
            .is_some_and(|e| (e as f64) < rate * LEAVE_BELOW && !sender_limited(e));
        run(&mut self.bad.queue, now, report.queue_delay > LONG_QUEUE);
        run(&mut self.bad.loss, now, report.loss > HEAVY_LOSS);
        run(&mut self.bad.estimate, now, narrow);
        let clean = report.loss <= LIGHT_LOSS && report.queue_delay <= SHORT_QUEUE;
        run(&mut self.clean_since, now, clean);
        for (index, rung) in self.ladder.rungs().iter().enumerate() {
            let needed = rung.bits_per_second as f64;
            let room = report.estimate.is_some_and(|e| {
                e as f64 >= needed * CLIMB_AT
                    || (index == self.current + 1 && e as f64 >= needed && sender_limited(e))
            });
            let usable = report.loss <= HEAVY_LOSS && report.queue_delay <= SHORT_QUEUE;
            run(&mut self.room_since[index], now, room && usable);
        }
        // Only a climb that lasted is forgiven for: waiting below proves nothing. And no sooner than the next trial
        // would come, else the waits never grow beyond it.
        let held = now.saturating_sub(self.forgiven_at.max(self.switched_at));
        if self.climbed_at.is_some() && held >= FORGIVEN_AFTER * (1 << self.taken_back) {
            self.taken_back = self.taken_back.saturating_sub(1);
            self.forgiven_at = now;
        }
    }

    fn obey_wants(&self, report: &Report) -> Option<Switch> {
        let most = self.ladder.highest(|rung| report.wants.allow(rung));
        // Rungs above each other need not all be larger: it is the present one that must be wanted.
        let unwanted = !report.wants.allow(&self.ladder.rungs()[self.current]);
        (unwanted && most != self.current).then_some(Switch {
            rung: most,
            cause: Cause::Wants,
            drain: Duration::ZERO,
        })
    }

    fn go_down(&self, report: &Report) -> Option<Switch> {
        if self.current == 0 || report.now.saturating_sub(self.switched_at) < DOWN_DWELL {
            return None;
        }
        let lasts = |since| lasts(since, report.now, DOWN_AFTER);
        let rate = self.rate() as f64;
        let unseen = report.estimate.is_none_or(|e| e as f64 >= rate);
        let (cause, most) = if report.queue_delay >= DEEP_QUEUE || lasts(self.bad.queue) {
            let most = match report.estimate {
                Some(estimate) if !unseen => estimate as f64 * DOWN_TO,
                _ => rate * BLIND_DOWN_TO,
            };
            (Cause::Queue, most)
        } else if lasts(self.bad.estimate) {
            (Cause::Estimate, report.estimate? as f64 * DOWN_TO)
        } else if lasts(self.bad.loss) {
            // As GCC: by half of the loss.
            (Cause::Loss, rate * (1.0 - 0.5 * f64::from(report.loss)))
        } else {
            return None;
        };
        let fits = |rung: &Rung| rung.bits_per_second as f64 <= most && report.wants.allow(rung);
        Some(Switch {
            rung: self.ladder.highest(fits).min(self.current - 1),
            cause,
            // What arrives now was sent before it; the queue has grown since.
            drain: (report.queue_delay * 2).min(MAX_DRAIN),
        })
    }

    fn go_up(&self, report: &Report) -> Option<Switch> {
        let back_off = 1 << self.taken_back;
        let most = self.ladder.highest(|rung| report.wants.allow(rung));
        if most <= self.current || report.now.saturating_sub(self.switched_at) < UP_DWELL * back_off
        {
            return None;
        }
        let has_room = |rung: &usize| lasts(self.room_since[*rung], report.now, ROOM_FOR);
        let wanted = |rung: &usize| report.wants.allow(&self.ladder.rungs()[*rung]);
        let mut above = (self.current + 1..=most).filter(wanted);
        let (rung, cause) = if report.estimate.is_some() {
            (above.rfind(has_room)?, Cause::Room)
        } else if lasts(self.clean_since, report.now, TRIAL_AFTER * back_off) {
            (above.next()?, Cause::Trial)
        } else {
            return None;
        };
        Some(Switch {
            rung,
            cause,
            drain: Duration::ZERO,
        })
    }

    fn take(&mut self, now: Duration, switch: Switch) {
        let up = switch.rung > self.current;
        let taken_back = self
            .climbed_at
            .is_some_and(|at| now.saturating_sub(at) < TAKEN_BACK_WITHIN);
        if up {
            self.climbed_at = Some(now);
        } else if switch.cause != Cause::Wants && taken_back {
            self.taken_back = (self.taken_back + 1).min(MAX_BACK_OFF);
            self.climbed_at = None;
        }
        self.current = switch.rung;
        self.switched_at = now;
        // What was seen is about the old rung.
        self.bad = BadNews::default();
        self.clean_since = None;
    }
}

/// A stop-watch that runs while `condition` holds.
fn run(since: &mut Option<Duration>, now: Duration, condition: bool) {
    *since = if condition { since.or(Some(now)) } else { None };
}

fn lasts(since: Option<Duration>, now: Duration, long: Duration) -> bool {
    since.is_some_and(|since| now.saturating_sub(since) >= long)
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
