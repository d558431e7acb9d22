//! What the estimator is asked for, and second thoughts about what it says.

use std::time::{Duration, Instant};

use str0m::{Rtc, bwe::Bitrate};

use super::{
    room::{Line, Room},
    steady::Steady,
};

/// Between str0m's estimator and the rest.
#[derive(Debug)]
pub(super) struct Bandwidth {
    /// Bits a second of picture that are to be looked for.
    target: u64,
    /// What str0m was told to look for, with sound.
    asked: Option<u64>,
    room: Room,
    steady: Steady,
    /// Where the estimator is to begin anew.
    begin_anew: Option<u64>,
}

impl Bandwidth {
    pub(super) fn new() -> Self {
        Self {
            target: 0,
            asked: None,
            room: Room::new(),
            steady: Steady::new(),
            begin_anew: None,
        }
    }

    pub(super) fn aim_at(&mut self, bits_per_second: u64) {
        self.target = bits_per_second;
    }

    /// Takes what the line does, sound and all, and returns the estimate that is believed. `None`: nothing to judge yet.
    pub(super) fn judge(
        &mut self,
        (estimate, loss, queue): (u64, f32, Duration),
        now: Instant,
    ) -> Option<u64> {
        let mut line = Line {
            estimate,
            wanted: self.asked?,
            loss,
            queue,
        };
        let (believed, set_back) = self.steady.watch(&line, now);
        line.estimate = believed;
        if self.room.look(line, now) || set_back {
            self.begin_anew = Some(believed);
        }
        Some(believed)
    }

    /// Tells str0m what to look for, beside so much sound.
    pub(super) fn tell(&mut self, rtc: &mut Rtc, sound: u64) {
        if self.target == 0 {
            return;
        }
        if let Some(from) = self.begin_anew.take() {
            rtc.bwe().reset(Bitrate::bps(from));
        }
        let wanted = self.target.saturating_add(sound);
        // Sound varies by a little, and each change is looked into.
        let near = |old: u64| wanted.abs_diff(old) <= old / 20;
        if !self.asked.is_some_and(near) {
            self.asked = Some(wanted);
            rtc.bwe().set_desired_bitrate(Bitrate::bps(wanted));
        }
    }
}
