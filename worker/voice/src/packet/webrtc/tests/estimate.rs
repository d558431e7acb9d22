//! What the line is taken to carry.

use std::time::Duration;

use super::{
    film::Film,
    world::{World, config, ms},
};

const MBIT: u64 = 1_000_000;

#[test]
fn the_estimate_follows_the_line_down_and_up_again() {
    let mut world = World::connected(ms(30));
    world.up.bits_per_second = Some(6 * MBIT);
    world.probe_target = 4 * MBIT;
    let from = world.now - world.start;
    let mut film = Film::new(3 * MBIT, from);
    film.play(&mut world, from + Duration::from_secs(15));
    let before = world.last_report().estimate.unwrap();
    println!("measured: 6 Mbit/s line, 3 Mbit/s film: estimate {before}");
    assert!((3 * MBIT..7 * MBIT).contains(&before), "{before}");

    // Down. The film's owner follows the estimate, as the ladder does.
    world.up.bits_per_second = Some(6 * MBIT / 4);
    let dropped = from + Duration::from_secs(15);
    world.reports.clear();
    let mut followed = None;
    for step in 1..=100 {
        film.play(&mut world, dropped + ms(100) * step);
        let report = world.last_report();
        if followed.is_none() && report.estimate.unwrap() < 1_600_000 {
            followed = Some(ms(100) * step);
            film.bits_per_second = MBIT;
        }
    }
    let followed = followed.expect("an estimate that goes down");
    println!("measured: down to a fourth: the estimate is there after {followed:?}");
    assert!(followed <= Duration::from_secs(2), "{followed:?}");
    let low = world.last_report();
    println!("measured: 10 s after the drop: {low:?}");
    assert!(low.estimate.unwrap() < 3 * MBIT / 2);
    assert!(low.queue_delay < ms(150), "{low:?}");

    // And up.
    world.up.bits_per_second = Some(6 * MBIT);
    let back = dropped + Duration::from_secs(10);
    let mut recovered = None;
    for step in 1..=300 {
        film.play(&mut world, back + ms(100) * step);
        let estimate = world.last_report().estimate.unwrap();
        if step % 5 == 0 { println!("{step} est {estimate} film {} {:?}", film.bits_per_second, world.last_report()); }
        // The ladder climbs rung by rung.
        film.bits_per_second = film.bits_per_second.max(estimate * 7 / 10).min(3 * MBIT);
        if recovered.is_none() && estimate * 10 > before * 8 {
            recovered = Some(ms(100) * step);
        }
    }
    let recovered = recovered.expect("an estimate that comes back");
    println!("measured: back to 80 % of the estimate of before after {recovered:?}");
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
    println!("measured: a line of half of what is sent: 150 ms of queue are reported after {seen:?}");
    assert!(seen <= ms(1_000), "{seen:?}");
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
    assert!((1_800_000..=1_900_000).contains(&estimate), "sound is taken off: {estimate}");
    assert_eq!(report.queue_delay, Duration::ZERO);
    assert!(report.rtt.is_some());
}
