#![allow(clippy::unwrap_used)]

use orb_voice::Wants;

use super::*;

/// Reports come so often.
const EACH: Duration = Duration::from_millis(100);

const RUN: u64 = 1;

fn film(copies: bool) -> PicturePlan {
    let mut rungs = Ladder::for_film(1280, 720, 24.0, 4_000_000)
        .rungs()
        .to_vec();
    if copies {
        rungs.push(Rung {
            bits_per_second: 5_000_000,
            ..rungs[rungs.len() - 1]
        });
    }
    let rung = (!copies).then(|| rungs[rungs.len() - 1]);
    PicturePlan {
        costs: vec![650; rungs.len()],
        ladder: Ladder::new(rungs).unwrap(),
        copies,
        rung,
    }
}

/// A line that takes all that is sent.
fn free(estimate: u64) -> LineReport {
    LineReport {
        estimate: Some(estimate),
        sent: 3_000_000,
        loss: 0.0,
        queue_delay: Duration::from_millis(5),
        rtt: None,
        wants: Wants::default(),
    }
}

/// One on which packets pile up.
fn full(estimate: u64) -> LineReport {
    LineReport {
        queue_delay: Duration::from_millis(300),
        ..free(estimate)
    }
}

struct Bench {
    rate: Rate,
    now: Instant,
}

impl Bench {
    fn plays(plan: PicturePlan) -> Self {
        let now = Instant::now();
        let mut rate = Rate::new(now);
        rate.planned(RUN, Some(plan));
        Self { rate, now }
    }

    /// What is asked for within so long, on such a line.
    fn asks(&mut self, run: u64, line: &LineReport, within: Duration) -> Option<Ask> {
        let until = self.now + within;
        while self.now < until {
            self.now += EACH;
            if let Some(ask) = self.rate.report(run, line, self.now) {
                return Some(ask);
            }
        }
        None
    }

    fn height(&self, run: u64) -> u32 {
        self.rate.format(run).unwrap().height
    }
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_line_that_breaks_down_is_answered_at_once_and_the_format_follows_the_encoder() {
    let mut bench = Bench::plays(film(true));
    assert_eq!(bench.asks(RUN, &free(8_000_000), 5 * SECOND), None);
    assert!(bench.rate.probe_target() > 0);
    let ask = bench.asks(RUN, &full(1_500_000), 2 * SECOND).unwrap();
    let rung = ask.rung.unwrap();
    assert!(
        rung.bits_per_second <= 1_350_000 && !ask.drain.is_zero(),
        "{ask:?}"
    );
    assert_eq!(bench.height(RUN), 720, "the encoder is not there yet");
    assert_eq!(bench.asks(RUN, &free(1_500_000), SECOND), None, "once");
    bench.rate.changed(RUN, ask.rung);
    assert_eq!(bench.height(RUN), rung.height);
}

#[test]
fn the_way_up_ends_with_the_film_as_it_is() {
    let mut bench = Bench::plays(film(true));
    bench.asks(RUN, &free(8_000_000), SECOND);
    let down = bench.asks(RUN, &full(1_500_000), 2 * SECOND).unwrap();
    bench.rate.changed(RUN, down.rung);
    let mut last = down.rung;
    for _ in 0..10 {
        let Some(up) = bench.asks(RUN, &free(9_000_000), 30 * SECOND) else {
            break;
        };
        bench.rate.changed(RUN, up.rung);
        last = up.rung;
    }
    assert_eq!(last, None);
    assert_eq!(bench.rate.rung(RUN), None);
}

#[test]
fn an_encoder_that_does_not_start_is_tried_again_later() {
    let mut bench = Bench::plays(film(false));
    bench.asks(RUN, &free(8_000_000), SECOND);
    bench.asks(RUN, &full(1_500_000), 2 * SECOND).unwrap();
    bench.rate.failed(RUN, bench.now);
    assert_eq!(bench.height(RUN), 720);
    assert_eq!(bench.asks(RUN, &full(1_500_000), 4 * SECOND), None);
    assert!(bench.asks(RUN, &full(1_500_000), 4 * SECOND).is_some());
}

#[test]
fn without_room_for_an_encoder_the_copy_is_thinned_out_until_there_is_room() {
    let mut bench = Bench::plays(film(true));
    bench.asks(RUN, &free(8_000_000), SECOND);
    let ask = bench.asks(RUN, &full(1_500_000), 2 * SECOND).unwrap();
    assert!(!bench.rate.thins());
    bench.rate.refused(RUN, bench.now);
    assert!(bench.rate.thins(), "at once: the line is full");
    assert_eq!(
        bench.rate.rung(RUN),
        None,
        "no way round for another pipeline"
    );
    assert_eq!(bench.asks(RUN, &free(1_500_000), 4 * SECOND), None);
    let again = bench.asks(RUN, &free(1_500_000), 4 * SECOND).unwrap();
    assert_eq!(again.rung, ask.rung);
    assert!(bench.rate.thins(), "it is not there yet");
    bench.rate.changed(RUN, again.rung);
    assert!(!bench.rate.thins());
}

#[test]
fn without_room_for_an_encoder_the_film_comes_back_once_the_line_bears_it() {
    let mut bench = Bench::plays(film(true));
    bench.asks(RUN, &free(8_000_000), SECOND);
    bench.asks(RUN, &full(1_500_000), 2 * SECOND).unwrap();
    bench.rate.refused(RUN, bench.now);
    for _ in 0..30 {
        if bench.asks(RUN, &free(9_000_000), SECOND).is_some() {
            bench.rate.refused(RUN, bench.now);
        }
    }
    assert!(!bench.rate.thins());
    assert_eq!(bench.asks(RUN, &free(9_000_000), 10 * SECOND), None);
    assert_eq!(bench.height(RUN), 720);
}

#[test]
fn what_is_refused_on_the_way_up_costs_no_picture() {
    let mut bench = Bench::plays(film(false));
    bench.asks(RUN, &free(8_000_000), SECOND);
    let low = bench.asks(RUN, &full(1_500_000), 2 * SECOND).unwrap();
    bench.rate.changed(RUN, low.rung);
    let up = bench.asks(RUN, &free(9_000_000), 30 * SECOND).unwrap();
    assert!(up.rung.unwrap().bits_per_second > low.rung.unwrap().bits_per_second);
    bench.rate.refused(RUN, bench.now);
    assert!(!bench.rate.thins());
    let again = bench.asks(RUN, &free(9_000_000), 30 * SECOND);
    assert!(again.is_some(), "later");
}

#[test]
fn what_was_learned_holds_for_another_pipeline_and_for_the_next_film() {
    let mut bench = Bench::plays(film(false));
    bench.asks(RUN, &free(8_000_000), SECOND);
    let low = bench.asks(RUN, &full(1_500_000), 2 * SECOND).unwrap().rung;
    // A seek: its pipeline is opened with what is known.
    assert_eq!(bench.rate.rung(RUN), low);
    bench.rate.planned(
        2,
        Some(PicturePlan {
            rung: low,
            ..film(false)
        }),
    );
    assert_eq!(bench.asks(2, &free(1_500_000), 2 * SECOND), None);
    // Another film, whose plan knows nothing of the line.
    bench.rate.planned(3, Some(film(true)));
    let ask = bench.asks(3, &free(1_500_000), EACH).unwrap();
    assert_eq!(
        (ask.rung.unwrap().bits_per_second, ask.drain),
        (low.unwrap().bits_per_second, Duration::ZERO)
    );
    assert_eq!(bench.asks(3, &free(1_500_000), SECOND), None, "once");
}

#[test]
fn a_plan_that_changes_by_itself_is_taken() {
    let mut bench = Bench::plays(film(true));
    bench.asks(RUN, &free(8_000_000), SECOND);
    bench.rate.planned(RUN, Some(film(false)));
    assert_eq!(bench.asks(RUN, &free(8_000_000), SECOND), None);
    let ask = bench.asks(RUN, &full(2_000_000), 2 * SECOND).unwrap();
    assert!(ask.rung.is_some());
}

#[test]
fn below_the_lowest_rung_pictures_are_left_out_until_the_line_is_free_for_long() {
    let mut bench = Bench::plays(film(false));
    bench.asks(RUN, &free(8_000_000), SECOND);
    let narrow = LineReport {
        sent: 350_000,
        ..full(200_000)
    };
    while let Some(ask) = bench.asks(RUN, &narrow, 3 * SECOND) {
        bench.rate.changed(RUN, ask.rung);
    }
    assert_eq!(bench.height(RUN), 240);
    assert!(bench.rate.thins());
    let free = LineReport {
        sent: 60_000,
        ..free(200_000)
    };
    bench.asks(RUN, &free, 2 * SECOND);
    assert!(bench.rate.thins(), "not yet");
    bench.asks(RUN, &free, 2 * SECOND);
    assert!(!bench.rate.thins());
    // It comes back: the next try is later.
    bench.asks(RUN, &narrow, 2 * SECOND);
    assert!(bench.rate.thins());
    bench.asks(RUN, &free, 4 * SECOND);
    assert!(bench.rate.thins(), "not yet");
    bench.asks(RUN, &free, 3 * SECOND);
    assert!(!bench.rate.thins());
}

#[test]
fn without_a_plan_nothing_is_asked_for() {
    let mut bench = Bench::plays(film(false));
    assert_eq!(bench.asks(9, &full(100_000), 2 * SECOND), None);
    assert_eq!((bench.rate.format(9), bench.rate.probe_target()), (None, 0));
}
