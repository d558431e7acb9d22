//! Which pictures leave: not while a queue on the way must drain, and only what a decoder can use.

use std::time::{Duration, Instant};

use orb_video::ladder::Rung;

/// After a drain, so long the new encoder's first picture is waited for. It starts in a third of a second; beyond this it
/// is not coming, and any picture to begin with will do.
const NEW_ENCODER: Duration = Duration::from_secs(3);

/// A picture that is due.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate {
    pub(super) idr: bool,
    pub(super) rung: Option<Rung>,
}

/// Lets pictures pass, in order.
#[derive(Debug, Default)]
pub(super) struct Sieve {
    state: State,
    /// The line does not bear the lowest rung.
    thins: bool,
}

#[derive(Debug, Default, Clone, Copy)]
enum State {
    /// What comes can be decoded.
    #[default]
    Open,
    /// One was left out: what comes up to an IDR picture cannot be.
    Broken,
    /// A queue on the way must drain.
    Drains {
        until: Instant,
        /// What is sent after it.
        rung: Option<Rung>,
    },
}

impl Sieve {
    /// Nothing leaves for so long, nor before the first picture of that encoding.
    pub(super) fn drain(&mut self, long: Duration, rung: Option<Rung>, now: Instant) {
        if !long.is_zero() {
            let until = now + long;
            self.state = State::Drains { until, rung };
        }
    }

    /// There is no new encoder.
    pub(super) fn no_new_encoder(&mut self) {
        if let State::Drains { .. } = self.state {
            self.state = State::Broken;
        }
    }

    /// IDR pictures alone, from here on or no longer.
    pub(super) fn thin(&mut self, thins: bool) {
        if std::mem::replace(&mut self.thins, thins) && !thins {
            self.broken();
        }
    }

    /// Pictures of another source follow, of which the first is an IDR picture.
    pub(super) fn new_source(&mut self) {
        self.state = State::Open;
    }

    /// Whether this picture leaves. One that does not is gone.
    pub(super) fn passes(&mut self, picture: Candidate, now: Instant) -> bool {
        let Candidate { idr, rung } = picture;
        if let State::Drains { until, rung: new } = self.state
            && now >= until
            && idr
            && (rung == new || now >= until + NEW_ENCODER)
        {
            self.state = State::Open;
        }
        if let (State::Broken, true) = (self.state, idr) {
            self.state = State::Open;
        }
        let passes = matches!(self.state, State::Open) && (idr || !self.thins);
        if !passes {
            self.broken();
        }
        passes
    }

    fn broken(&mut self) {
        if let State::Open = self.state {
            self.state = State::Broken;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOW: Option<Rung> = Some(Rung {
        width: 426,
        height: 240,
        frame_rate: 24.0,
        bits_per_second: 350_000,
    });

    struct Bench {
        sieve: Sieve,
        start: Instant,
    }

    impl Bench {
        fn new() -> Self {
            Self {
                sieve: Sieve::default(),
                start: Instant::now(),
            }
        }

        fn passes(&mut self, ms: u64, idr: bool, rung: Option<Rung>) -> bool {
            let now = self.start + Duration::from_millis(ms);
            self.sieve.passes(Candidate { idr, rung }, now)
        }

        fn drain(&mut self, ms: u64) {
            let long = Duration::from_millis(ms);
            self.sieve.drain(long, LOW, self.start);
        }
    }

    #[test]
    fn all_pass_at_first_also_one_that_is_no_idr() {
        let mut bench = Bench::new();
        assert!(bench.passes(0, false, None) && bench.passes(0, true, None));
    }

    #[test]
    fn a_drain_ends_with_the_new_encoders_first_picture() {
        let mut bench = Bench::new();
        bench.drain(500);
        assert!(!bench.passes(100, true, LOW), "too early");
        assert!(!bench.passes(600, true, None), "of the old encoder");
        assert!(!bench.passes(700, false, LOW), "nothing to begin with");
        assert!(bench.passes(800, true, LOW) && bench.passes(801, false, LOW));
    }

    #[test]
    fn without_a_new_encoder_the_old_one_goes_on_with_an_idr_picture() {
        let mut bench = Bench::new();
        bench.drain(500);
        assert!(!bench.passes(3_400, true, None));
        assert!(!bench.passes(3_600, false, None));
        assert!(bench.passes(3_601, true, None), "waited long enough");

        let mut bench = Bench::new();
        bench.drain(500);
        bench.sieve.no_new_encoder();
        assert!(!bench.passes(0, false, None));
        assert!(bench.passes(1, true, None) && bench.passes(2, false, None));
    }

    #[test]
    fn a_switch_without_a_drain_leaves_nothing_out() {
        let mut bench = Bench::new();
        bench.drain(0);
        bench.sieve.no_new_encoder();
        assert!(bench.passes(0, false, None));
    }

    #[test]
    fn thinned_out_only_idr_pictures_pass_and_then_from_one_on_all() {
        let mut bench = Bench::new();
        bench.sieve.thin(true);
        let passed = [true, false, false, true, false].map(|idr| bench.passes(0, idr, LOW));
        assert_eq!(passed, [true, false, false, true, false]);
        bench.sieve.thin(false);
        let passed = [false, true, false].map(|idr| bench.passes(0, idr, LOW));
        assert_eq!(passed, [false, true, true]);
    }

    #[test]
    fn another_source_begins_anew() {
        let mut bench = Bench::new();
        bench.drain(500);
        bench.sieve.new_source();
        assert!(bench.passes(0, true, None) && bench.passes(0, false, None));
    }
}
