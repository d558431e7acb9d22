//! What the picture is encoded as: what the film's plan offers, and what the line bears.

use std::time::{Duration, Instant};

use orb_video::ladder::tuning::{
    HEAVY_LOSS, LEAVE_BELOW, LIGHT_LOSS, LONG_QUEUE, ROOM_FOR, SENDER_LIMITED, SHORT_QUEUE,
};
use orb_video::ladder::{Controller, Ladder, Report, Rung};
use orb_voice::{LineReport, PictureFormat};
use orb_worker_media::PicturePlan;

/// On the lowest rung, bad news must last so long before pictures are left out: longer than the switch to that rung takes
/// to be felt.
const THIN_AFTER: Duration = Duration::from_secs(1);

/// [`ROOM_FOR`] without bad news ends that; twice as long each time that it comes back, up to so much.
const MOST_BACK_OFF: u32 = 4;

/// After an encoder did not start, no other is asked for so long.
const AFTER_FAILURE: Duration = Duration::from_secs(5);

/// Plans that are kept: the present film's, and that of the one that is opened ahead.
const PLANS: usize = 4;

/// The owner is to change the encoder.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Ask {
    /// None: the film as it is.
    pub(super) rung: Option<Rung>,
    /// Nothing leaves for so long.
    pub(super) drain: Duration,
}

/// Decides about the encoding of one stream's pictures.
pub(super) struct Rate {
    epoch: Instant,
    plans: Vec<Planned>,
    /// Runs without any picture.
    dark: Vec<u64>,
    present: Option<Present>,
    not_before: Option<Instant>,
    /// Of this run, more is sent than the line was found to bear: there is no room for the encoder that would send less.
    without_room: Option<u64>,
    thinning: Thinning,
}

/// A run and what is known of its encoding.
struct Planned {
    run: u64,
    plan: PicturePlan,
    /// The owner was asked for it, and has not said what came of it.
    asked: Option<Asked>,
}

#[derive(Clone, Copy, PartialEq)]
struct Asked {
    rung: Option<Rung>,
}

struct Present {
    run: u64,
    controller: Controller,
    copies: bool,
}

impl Rate {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            epoch: now,
            plans: Vec::new(),
            dark: Vec::new(),
            present: None,
            not_before: None,
            without_room: None,
            thinning: Thinning::default(),
        }
    }

    /// What the pictures of a run are, and could be, or that it has none. Comes again when that changes by itself.
    pub(super) fn planned(&mut self, run: u64, plan: Option<PicturePlan>) {
        self.plans.retain(|planned| planned.run != run);
        self.dark.retain(|dark| *dark != run);
        let Some(plan) = plan else {
            if self.dark.len() == PLANS {
                self.dark.remove(0);
            }
            return self.dark.push(run);
        };
        if self.plans.len() == PLANS {
            self.plans.remove(0);
        }
        self.plans.push(Planned {
            run,
            plan,
            asked: None,
        });
        self.present.take_if(|present| present.run == run);
    }

    /// The encoder is another one by now.
    pub(super) fn changed(&mut self, run: u64, rung: Option<Rung>) {
        if let Some(planned) = self.of_mut(run) {
            planned.plan.rung = rung;
            planned.asked.take_if(|asked| asked.rung == rung);
        }
        self.without_room.take_if(|without| *without == run);
    }

    /// The encoder that was asked for did not start: what was sent before is.
    pub(super) fn failed(&mut self, run: u64, now: Instant) {
        if let Some(planned) = self.of_mut(run) {
            planned.asked = None;
        }
        self.not_before = Some(now + AFTER_FAILURE);
        self.present.take_if(|present| present.run == run);
    }

    /// There is no room for the encoder that was asked for. Where it would send less, what is sent is more than the line
    /// bears: it is thinned out until there is room, or the line bears all of it again.
    pub(super) fn refused(&mut self, run: u64, now: Instant) {
        let present = self.present.as_ref();
        let wanted = present
            .filter(|present| present.run == run)
            .map(Present::rate);
        let sent = self
            .of(run)
            .map(|planned| planned.plan.current().bits_per_second);
        if wanted.zip(sent).is_none_or(|(wanted, sent)| wanted >= sent) {
            return self.failed(run, now);
        }
        if let Some(planned) = self.of_mut(run) {
            planned.asked = None;
        }
        self.not_before = Some(now + AFTER_FAILURE);
        self.without_room = Some(run);
    }

    /// It is known that this run has no picture.
    pub(super) fn is_dark(&self, run: u64) -> bool {
        self.dark.contains(&run)
    }

    /// What the encoding of a run is; none before its plan is known.
    pub(super) fn format(&self, run: u64) -> Option<PictureFormat> {
        let Rung {
            width,
            height,
            frame_rate,
            bits_per_second,
        } = self.of(run)?.plan.current();
        Some(PictureFormat {
            width,
            height,
            frame_rate,
            bits_per_second,
        })
    }

    /// What the line was found to bear, of the film of this run: where another pipeline of it is to begin.
    pub(super) fn rung(&self, run: u64) -> Option<Rung> {
        if self.without_room == Some(run) {
            // Another pipeline would take the room that this one did not get.
            return self.of(run)?.plan.rung;
        }
        let present = self.present.as_ref()?;
        (present.run == run).then(|| present.wanted()).flatten()
    }

    /// Whether IDR pictures alone are to leave.
    pub(super) fn thins(&self) -> bool {
        self.thinning.thins || self.without_room.is_some()
    }

    /// Takes a report while pictures of this run are sent.
    pub(super) fn report(&mut self, run: u64, line: &LineReport, now: Instant) -> Option<Ask> {
        let at = now.saturating_duration_since(self.epoch);
        self.follow(run, at)?;
        let waits = self.not_before.is_some_and(|until| now < until);
        // Without room for another encoder it is still looked what the line bears: that ends the thinning.
        if waits && self.without_room.is_none() {
            return None;
        }
        let present = self.present.as_mut()?;
        let report = Report {
            now: at,
            estimate: line.estimate,
            sent: line.sent,
            loss: line.loss,
            queue_delay: line.queue_delay,
            wants: line.wants,
        };
        let switch = present.controller.report(&report);
        let controller = &present.controller;
        let lowest = controller.rung() == 0;
        let rate = controller.ladder().rungs()[0].bits_per_second;
        self.thinning.look(lowest.then_some(rate), &report);
        let rung = present.wanted();
        let is_sent = self.of(run)?.plan.rung;
        if rung == is_sent {
            self.without_room = None;
        }
        if waits {
            return None;
        }
        let sent = self.of(run)?.asked.map_or(is_sent, |asked| asked.rung);
        // Also for a film that follows on a line that is known not to bear what its plan chose.
        if switch.is_none() && rung == sent {
            return None;
        }
        let drain = switch.map(|switch| switch.drain).unwrap_or_default();
        tracing::info!(run, cause = ?switch.map(|switch| switch.cause), ?rung, ?drain, "the picture's rung changes");
        self.of_mut(run)?.asked = Some(Asked { rung });
        Some(Ask { rung, drain })
    }

    /// What the line is to be probed for.
    pub(super) fn probe_target(&self) -> u64 {
        let present = self.present.as_ref();
        present.map_or(0, |present| present.controller.probe_target())
    }

    /// Puts the controller of this run in place; none while its plan is not known.
    fn follow(&mut self, run: u64, at: Duration) -> Option<()> {
        let is_it = |planned: &&Planned| planned.run == run;
        let planned = self.plans.iter().find(is_it)?;
        if self
            .present
            .as_ref()
            .is_none_or(|present| present.run != run)
        {
            let before = self.present.take();
            self.present = Some(Present::after(before, run, &planned.plan, at));
            self.without_room = None;
            self.thinning = Thinning::default();
        }
        Some(())
    }

    fn of(&self, run: u64) -> Option<&Planned> {
        self.plans.iter().find(|planned| planned.run == run)
    }

    fn of_mut(&mut self, run: u64) -> Option<&mut Planned> {
        self.plans.iter_mut().find(|planned| planned.run == run)
    }
}

impl Present {
    /// What was learned about the line holds for the next film.
    fn after(before: Option<Self>, run: u64, plan: &PicturePlan, at: Duration) -> Self {
        let copies = plan.copies;
        let top = |ladder: &Ladder| ladder.rungs().len() - 1;
        let limited = before.filter(|present| {
            let controller = &present.controller;
            controller.rung() < top(controller.ladder())
        });
        let controller = match limited {
            Some(Self { controller, .. }) if *controller.ladder() == plan.ladder => controller,
            limited => {
                let most = limited.map_or(u64::MAX, |present| present.rate());
                let rate = plan.current().bits_per_second.min(most);
                Controller::new(plan.ladder.clone(), rate, at)
            }
        };
        Self {
            run,
            controller,
            copies,
        }
    }

    fn rate(&self) -> u64 {
        self.controller.ladder().rungs()[self.controller.rung()].bits_per_second
    }

    /// None: the film as it is.
    fn wanted(&self) -> Option<Rung> {
        let rungs = self.controller.ladder().rungs();
        let index = self.controller.rung();
        (!self.copies || index + 1 < rungs.len()).then(|| rungs[index])
    }
}

/// The last resort, on a line that does not bear the lowest rung.
#[derive(Debug, Default)]
struct Thinning {
    thins: bool,
    bad_since: Option<Duration>,
    good_since: Option<Duration>,
    times: u32,
}

impl Thinning {
    /// `lowest` is the rate of the lowest rung, if that is sent.
    fn look(&mut self, lowest: Option<u64>, report: &Report) {
        let Some(rate) = lowest else {
            *self = Self::default();
            return;
        };
        let now = report.now;
        let narrow = report.estimate.is_some_and(|estimate| {
            let held_down = estimate as f64 >= report.sent as f64 * SENDER_LIMITED;
            !held_down && (estimate as f64) < rate as f64 * LEAVE_BELOW
        });
        let bad = narrow || report.queue_delay > LONG_QUEUE || report.loss > HEAVY_LOSS;
        let good = !narrow && report.queue_delay <= SHORT_QUEUE && report.loss <= LIGHT_LOSS;
        let run = |since: Option<Duration>, holds: bool| since.or(Some(now)).filter(|_| holds);
        self.bad_since = run(self.bad_since, bad);
        self.good_since = run(self.good_since, good);
        let lasts = |since: Option<Duration>, long| {
            since.is_some_and(|since| now.saturating_sub(since) >= long)
        };
        if !self.thins && lasts(self.bad_since, THIN_AFTER) {
            self.thins = true;
            self.times += 1;
        } else if self.thins {
            let back_off = 1 << self.times.saturating_sub(1).min(MOST_BACK_OFF);
            self.thins = !lasts(self.good_since, ROOM_FOR * back_off);
        }
    }
}

#[cfg(test)]
mod tests;
