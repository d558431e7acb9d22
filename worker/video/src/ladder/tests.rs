#![allow(clippy::unwrap_used)]
use proptest::prelude::*;

use super::*;

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// How a sender's bandwidth estimator finds what is above the present rate.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Estimator {
    /// Pads to the probe target each second, as str0m and libwebrtc do.
    Probing,
    /// Grows by 8 % a second up to 1.5 times of what is sent (GCC without padding).
    Growing,
    /// There is none.
    Missing,
}

/// A line as a fluid: what is above its capacity queues, up to 1.5 s, the rest is lost. Reports are 100 ms old.
struct Line {
    estimator: Estimator,
    queued: f64,
    received: f64,
    estimate: f64,
    lost: f64,
    hold_until: Duration,
    delays: std::collections::VecDeque<f64>,
}

#[derive(Debug, Clone, Copy)]
struct Seen {
    now: Duration,
    rung: usize,
    rate: u64,
    queue: f64,
    switch: Option<Switch>,
}

const STEP: Duration = Duration::from_millis(20);

/// Runs a controller over a line whose capacity is `capacity(now)`, starting at 4 Mbit/s of a 1080p film's ladder.
fn simulate(
    estimator: Estimator,
    length: Duration,
    mut capacity: impl FnMut(Duration) -> f64,
    mut wants: impl FnMut(Duration) -> Wants,
) -> Vec<Seen> {
    let ladder = Ladder::for_film(1920, 1080, 24.0, 6_000_000);
    let mut controller = Controller::new(ladder, 4_000_000, Duration::ZERO);
    let mut line = Line {
        estimator,
        queued: 0.0,
        received: 0.0,
        estimate: 5_000_000.0,
        lost: 0.0,
        hold_until: Duration::ZERO,
        delays: std::collections::VecDeque::from([0.0; 5]),
    };
    let (mut now, mut seen) = (Duration::ZERO, Vec::new());
    // The old encoder's rate is sent until the new one is there.
    let mut sending = controller.rate() as f64;
    while now < length {
        let capacity = capacity(now);
        if now >= line.hold_until {
            sending = controller.rate() as f64;
        }
        let held = now < line.hold_until && sending > controller.rate() as f64;
        line.step(if held { 0.0 } else { sending }, capacity);
        let mut switch = None;
        if now.as_millis().is_multiple_of(100) {
            line.estimate(now, sending, capacity, controller.probe_target() as f64);
            let report = line.report(now, sending, wants(now));
            switch = controller.report(&report);
            if let Some(switch) = switch {
                line.hold_until = now + switch.drain.max(MS * 300);
            }
        }
        seen.push(Seen {
            now,
            rung: controller.rung(),
            rate: controller.rate(),
            queue: line.queued / capacity,
            switch,
        });
        now += STEP;
    }
    seen
}

impl Line {
    fn step(&mut self, sending: f64, capacity: f64) {
        let step = STEP.as_secs_f64();
        let came = sending * step;
        let out = (self.queued + came).min(capacity * step);
        let left = self.queued + came - out;
        self.queued = left.min(capacity * 1.5);
        let lost = if came > 0.0 {
            (left - self.queued) / came
        } else {
            0.0
        };
        self.lost = self.lost * 0.98 + lost * 0.02;
        self.received = self.received * 0.8 + out / step * 0.2;
        self.delays.push_back(self.queued / capacity);
    }

    fn estimate(&mut self, now: Duration, sending: f64, capacity: f64, target: f64) {
        let late = self.delays[self.delays.len() - 6];
        if late > 0.1 {
            self.estimate = self.estimate.min(0.85 * self.received);
        } else if late < 0.05 {
            self.estimate = match self.estimator {
                Estimator::Probing if now.as_millis().is_multiple_of(1000) => self
                    .estimate
                    .max(target.min(self.estimate * 2.0).min(capacity * 0.95)),
                Estimator::Growing => {
                    let grown = self.estimate * 1.008;
                    self.estimate.max(grown.min(1.5 * sending + 10_000.0))
                }
                Estimator::Probing | Estimator::Missing => self.estimate,
            };
        }
    }

    fn report(&mut self, now: Duration, sending: f64, wants: Wants) -> Report {
        let late = self.delays[self.delays.len() - 6];
        self.delays.drain(..self.delays.len() - 6);
        Report {
            now,
            estimate: (self.estimator != Estimator::Missing).then_some(self.estimate as u64),
            sent: sending as u64,
            loss: self.lost as f32,
            queue_delay: Duration::from_secs_f64(late),
            wants,
        }
    }
}

fn anything(_: Duration) -> Wants {
    Wants::default()
}

fn at(seen: &[Seen], moment: Duration) -> Seen {
    *seen.iter().find(|seen| seen.now >= moment).unwrap()
}

fn most_switches_a_minute(seen: &[Seen]) -> usize {
    let switches: Vec<Duration> = seen
        .iter()
        .filter(|s| s.switch.is_some())
        .map(|s| s.now)
        .collect();
    let in_minute = |from: &Duration| {
        switches
            .iter()
            .filter(|t| **t >= *from && **t < *from + SECOND * 60)
            .count()
    };
    switches.iter().map(in_minute).max().unwrap_or(0)
}

/// Link 6 → 1.5 → 6 Mbit/s.
fn breakdown(now: Duration) -> f64 {
    if (30..60).contains(&now.as_secs()) {
        1_500_000.0
    } else {
        6_000_000.0
    }
}

#[test]
fn a_breakdown_is_answered_within_two_seconds_and_recovered_from_in_twenty() {
    let seen = simulate(Estimator::Probing, SECOND * 120, breakdown, anything);
    let before = at(&seen, SECOND * 29);
    assert!(before.rate >= 4_000_000, "{before:?}");
    let down = at(&seen, SECOND * 32);
    assert!(down.queue <= 0.3, "{down:?}");
    assert!(down.rate <= 1_500_000, "{down:?}");
    let narrow = &seen[31 * 50..60 * 50];
    assert!(narrow.iter().all(|s| s.rate <= 1_500_000));
    let worst = narrow[50..].iter().map(|s| s.queue).fold(0.0, f64::max);
    assert!(worst <= 0.3, "{worst}");
    let recovered = at(&seen, SECOND * 80);
    assert!(
        recovered.rate as f64 >= 0.8 * before.rate as f64,
        "{recovered:?}"
    );
    assert!(most_switches_a_minute(&seen) <= 8);
}

#[test]
fn without_probing_it_recovers_as_fast_as_the_estimate_grows() {
    let seen = simulate(Estimator::Growing, SECOND * 150, breakdown, anything);
    assert!(at(&seen, SECOND * 32).queue <= 0.3);
    let recovered = at(&seen, SECOND * 110);
    assert!(recovered.rate >= 4_000_000, "{recovered:?}");
}

#[test]
fn without_an_estimate_it_goes_by_delay_and_tries_ever_more_rarely() {
    let seen = simulate(Estimator::Missing, SECOND * 600, |_| 1_500_000.0, anything);
    assert!(at(&seen, SECOND * 4).rate <= 1_500_000);
    let trials: Vec<u64> = seen
        .iter()
        .filter(|s| s.switch.is_some_and(|s| s.cause == Cause::Trial) && s.rate > 1_500_000)
        .map(|s| s.now.as_secs())
        .collect();
    assert!((3..=9).contains(&trials.len()), "{trials:?}");
    assert!(trials[2] - trials[1] > trials[1] - trials[0], "{trials:?}");
}

#[test]
fn a_steady_line_is_left_alone() {
    // An estimate that grows with what is sent is above the line's capacity now and then, and each time a climb is taken
    // back: three in 210 s, once the waits are at their longest.
    for (estimator, most) in [(Estimator::Probing, 2), (Estimator::Growing, 8)] {
        for mbit in [0.6, 1.1, 1.5, 2.2, 3.3, 5.0, 8.0] {
            let seen = simulate(estimator, SECOND * 300, |_| mbit * 1e6, anything);
            let late = seen
                .iter()
                .filter(|s| s.now > SECOND * 90 && s.switch.is_some())
                .count();
            assert!(late <= most, "{late} at {mbit} Mbit/s, {estimator:?}");
        }
    }
}

fn quiet(now: Duration) -> Report {
    Report {
        now,
        estimate: Some(5_000_000),
        sent: 4_000_000,
        loss: 0.0,
        queue_delay: Duration::ZERO,
        wants: Wants::default(),
    }
}

fn controller() -> Controller {
    let ladder = Ladder::for_film(1920, 1080, 24.0, 6_000_000);
    Controller::new(ladder, 4_000_000, Duration::ZERO)
}

/// Gives the same report every 100 ms, and what was decided when.
fn feed(
    c: &mut Controller,
    from: Duration,
    to: Duration,
    change: impl Fn(&mut Report),
) -> Vec<(Duration, Switch)> {
    let mut switches = Vec::new();
    let mut now = from;
    while now < to {
        let mut report = quiet(now);
        change(&mut report);
        switches.extend(c.report(&report).map(|switch| (now, switch)));
        now += MS * 100;
    }
    switches
}

#[test]
fn losses_of_the_link_are_not_congestion() {
    let mut c = controller();
    assert!(feed(&mut c, Duration::ZERO, SECOND * 60, |r| r.loss = 0.05).is_empty());
    let switches = feed(&mut c, SECOND * 60, SECOND * 61, |r| r.loss = 0.2);
    assert_eq!(switches.len(), 1);
    assert_eq!(switches[0].1.cause, Cause::Loss);
}

#[test]
fn a_quiet_scene_is_no_narrow_line() {
    let mut c = controller();
    let scene = |r: &mut Report| (r.sent, r.estimate) = (1_000_000, Some(1_500_000));
    assert!(feed(&mut c, Duration::ZERO, SECOND * 60, scene).is_empty());
    let narrow = |r: &mut Report| (r.sent, r.estimate) = (1_400_000, Some(1_500_000));
    assert!(!feed(&mut c, SECOND * 60, SECOND * 62, narrow).is_empty());
}

#[test]
fn a_spike_is_ignored_and_a_deep_queue_is_not() {
    let mut c = controller();
    let switches = feed(&mut c, SECOND * 5, SECOND * 5 + MS * 200, |r| {
        r.queue_delay = MS * 300;
    });
    assert!(switches.is_empty());
    assert!(feed(&mut c, SECOND * 6, SECOND * 10, |_| ()).is_empty());
    let switches = feed(&mut c, SECOND * 10, SECOND * 10 + MS * 100, |r| {
        r.queue_delay = MS * 450;
    });
    assert_eq!(
        (switches[0].0, switches[0].1.drain),
        (SECOND * 10, MS * 900)
    );
}

#[test]
fn wants_are_obeyed_at_once_and_cost_no_back_off() {
    let mut c = controller();
    let small = Wants {
        pixels: Some(640 * 360),
        ..Wants::default()
    };
    let switches = feed(&mut c, Duration::ZERO, SECOND * 60, |r| r.wants = small);
    assert_eq!(switches.len(), 1);
    assert_eq!(
        (switches[0].0, switches[0].1.cause),
        (Duration::ZERO, Cause::Wants)
    );
    assert!(c.ladder().rungs()[c.rung()].height <= 360);
    assert_eq!(c.probe_target(), c.rate(), "nothing above is wanted");
    let switches = feed(&mut c, SECOND * 60, SECOND * 120, |_| ());
    assert_eq!(switches.len(), 1, "straight up again: {switches:?}");
}

#[test]
fn a_climb_that_is_taken_back_doubles_the_wait() {
    let mut c = controller();
    let (mut now, mut waits) = (SECOND, Vec::new());
    for _ in 0..4 {
        let down = feed(&mut c, now, now + MS * 1500, |r| {
            (r.queue_delay, r.estimate) = (MS * 200, Some(3_500_000));
        });
        let (at, _) = *down.last().unwrap();
        let climbs = feed(&mut c, at + MS * 100, at + SECOND * 100, |_| ());
        let (climbed, _) = climbs[0];
        waits.push(climbed.saturating_sub(at).as_secs());
        // Bad news soon after the climb: a controller that had not seen the rest.
        c = controller_after(&c, climbed);
        now = climbed + SECOND * 2;
    }
    assert_eq!(waits, [5, 10, 20, 40]);
}

/// The controller as it was right after its climb at `climbed`.
fn controller_after(c: &Controller, climbed: Duration) -> Controller {
    Controller {
        switched_at: climbed,
        climbed_at: Some(climbed),
        ..c.clone()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// On a line that wanders between 0.3 and 8 Mbit/s: few switches, never above what is wanted, never up in a hurry.
    #[test]
    fn random_walks(
        steps in prop::collection::vec(-0.35_f64..0.35, 300),
        ceiling in prop::option::of(400_000_u64..6_000_000),
        probing in any::<bool>(),
    ) {
        let mut rate = 3e6_f64;
        let capacities: Vec<f64> = steps.iter().map(|step| {
            rate = (rate * step.exp()).clamp(0.3e6, 8e6);
            rate
        }).collect();
        let wants = Wants { bits_per_second: ceiling, ..Wants::default() };
        let estimator = if probing { Estimator::Probing } else { Estimator::Growing };
        let seen = simulate(estimator, SECOND * 300, |now| capacities[now.as_secs() as usize], |_| wants);
        prop_assert!(seen.iter().all(|s| s.rung == 0 || ceiling.is_none_or(|most| s.rate <= most)));
        let most = most_switches_a_minute(&seen);
        prop_assert!(most <= 16, "{most} switches in a minute");
        let switches: Vec<&Seen> = seen.iter().filter(|s| s.switch.is_some()).collect();
        for pair in switches.windows(2) {
            let apart = pair[1].now.saturating_sub(pair[0].now);
            let up = pair[1].rung > pair[0].rung;
            prop_assert!(apart >= if up { UP_DWELL } else { DOWN_DWELL }, "{pair:?}");
        }
    }

    /// Whatever is reported, nothing panics and the rung exists.
    #[test]
    fn any_report_is_taken(reports in prop::collection::vec(
        (0_u64..100_000, prop::option::of(any::<u64>()), any::<u64>(), any::<f32>(), any::<u32>(), prop::option::of(any::<u64>())), 0..100)
    ) {
        let mut c = controller();
        for (now, estimate, sent, loss, queue, most) in reports {
            let report = Report {
                now: MS * now as u32,
                estimate,
                sent,
                loss,
                queue_delay: MS * queue,
                wants: Wants { bits_per_second: most, ..Wants::default() },
            };
            let switch = c.report(&report);
            prop_assert!(c.rung() < c.ladder().rungs().len());
            prop_assert!(switch.is_none_or(|switch| switch.rung == c.rung() && switch.drain <= MAX_DRAIN));
        }
    }
}
