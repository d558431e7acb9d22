//! What the line is taken to carry.

use std::time::Duration;

use orb_video::ladder::{Controller, Ladder, Report};

use super::{
    film::Film,
    world::{World, config, ms},
};
use crate::packet::LineReport;

const MBIT: u64 = 1_000_000;

/// A film whose bit rate is what the ladder says, as the driver's owner does it.
struct Adaptive {
    film: Film,
    controller: Controller,
}

impl Adaptive {
    fn new(from: Duration) -> Self {
        let ladder = Ladder::for_film(1280, 720, 24.0, 4 * MBIT);
        let controller = Controller::new(ladder, 4 * MBIT, from);
        let mut adaptive = Self {
            film: Film::new(0, from),
            controller,
        };
        adaptive.film.bits_per_second = adaptive.rate();
        adaptive
    }

    fn rate(&self) -> u64 {
        self.controller.ladder().rungs()[self.controller.rung()].bits_per_second
    }

    /// Plays for a tenth of a second, and follows the line.
    fn tenth(&mut self, world: &mut World) -> LineReport {
        let now = world.now - world.start;
        self.film.play(world, now + ms(100));
        let report = world.last_report();
        let switch = self.controller.report(&Report {
            now,
            estimate: report.estimate,
            sent: report.sent,
            loss: report.loss,
            queue_delay: report.queue_delay,
            wants: report.wants,
        });
        if let Some(switch) = switch {
            self.film.bits_per_second = self.rate();
            self.film.hold_back_until(now + switch.drain);
        }
        world.probe_target = self.controller.probe_target();
        report
    }
}

#[test]
fn the_estimate_follows_the_line_down_and_up_again() {
    let mut world = World::connected(ms(30));
    world.up.bits_per_second = Some(6 * MBIT);
    let mut film = Adaptive::new(world.now - world.start);
    for _ in 0..150 {
        film.tenth(&mut world);
    }
    let before = world.last_report();
    println!("measured: 6 Mbit/s line: {before:?}");
    assert!(before.estimate.unwrap() >= 4 * MBIT && film.rate() == 4 * MBIT);

    world.up.bits_per_second = Some(6 * MBIT / 4);
    let mut followed = None;
    for tenth in 1..=300 {
        let estimate = film.tenth(&mut world).estimate.unwrap();
        if followed.is_none() && estimate < 6 * MBIT / 4 {
            followed = Some(ms(100) * tenth);
        }
        if tenth == 20 {
            let wait = world.up.take_longest_wait();
            println!("measured: until 2 s after the drop a packet waited up to {wait:?}");
        }
        if tenth == 25 {
            let wait = world.up.take_longest_wait();
            println!("measured: then up to {wait:?}, {:?}", world.last_report());
            assert!(wait <= ms(300), "{wait:?}");
        }
    }
    let followed = followed.expect("an estimate that goes down");
    println!("measured: down to a fourth: the estimate is there after {followed:?}");
    assert!(followed <= Duration::from_secs(2), "{followed:?}");
    let low = world.last_report();
    println!(
        "measured: 30 s after the drop: {low:?}, rung {}",
        film.rate()
    );
    assert!((500_000..6 * MBIT / 4).contains(&film.rate()));
    let wait = world.up.take_longest_wait();
    println!("measured: meanwhile a packet waited up to {wait:?}");

    world.up.bits_per_second = Some(6 * MBIT);
    let mut recovered = None;
    for tenth in 1..=400 {
        film.tenth(&mut world);
        if recovered.is_none() && film.rate() * 10 >= 4 * MBIT * 8 {
            recovered = Some(ms(100) * tenth);
        }
    }
    let recovered = recovered.expect("a rate that comes back");
    println!("measured: back to 80 % of the old rate after {recovered:?}");
    assert!(recovered <= Duration::from_secs(20), "{recovered:?}");
}

#[test]
fn a_queue_in_the_line_is_seen() {
    let mut world = World::connected(ms(30));
    let from = world.now - world.start;
    let mut film = Film::new(2 * MBIT, from);
    film.play(&mut world, from + Duration::from_secs(5));
    assert!(world.last_report().queue_delay < ms(20));
    world.up.bits_per_second = Some(MBIT);
    let mut seen = None;
    for step in 1..=20 {
        film.play(&mut world, from + Duration::from_secs(5) + ms(100) * step);
        if seen.is_none() && world.last_report().queue_delay > ms(150) {
            seen = Some(ms(100) * step);
        }
    }
    let seen = seen.expect("a queue");
    println!(
        "measured: a line of half of what is sent: 150 ms of queue are reported after {seen:?}"
    );
    assert!(seen <= ms(1_000), "{seen:?}");
}

#[test]
fn a_line_that_jitters_is_not_taken_for_a_full_one() {
    let mut world = World::connected(ms(30));
    world.up.jitter = ms(30);
    world.down.jitter = ms(30);
    let mut film = Adaptive::new(world.now - world.start);
    let (mut least, mut longest) = (u64::MAX, Duration::ZERO);
    for tenth in 0..600 {
        let report = film.tenth(&mut world);
        if tenth >= 50 {
            least = least.min(report.estimate.unwrap());
            longest = longest.max(report.queue_delay);
        }
        assert_eq!(film.rate(), 4 * MBIT, "{tenth}: {report:?}");
    }
    println!("measured: 30 ms of jitter: estimate at least {least}, queue at most {longest:?}");
    // Below what the ladder or the layer take for a queue.
    assert!(
        least >= 4 * MBIT && longest < ms(100),
        "{least} {longest:?}"
    );
}

/// Some servers report no arrivals, but say what they would take.
#[test]
fn the_receivers_word_is_taken_where_there_are_no_arrivals() {
    let mut world = World::with(config(), false, ms(30));
    world.introduce();
    world.connect();
    let from = world.now - world.start;
    let mut film = Film::new(MBIT, from);
    film.play(&mut world, from + Duration::from_secs(2));
    assert_eq!(world.last_report().estimate, None);
    world.server.say_estimate(2 * MBIT);
    film.play(&mut world, from + Duration::from_secs(4));
    let report = world.last_report();
    let estimate = report.estimate.unwrap();
    assert!(
        (1_800_000..=1_900_000).contains(&estimate),
        "sound is taken off: {estimate}"
    );
    assert_eq!(report.queue_delay, Duration::ZERO);
    assert!(report.rtt.is_some());
}
