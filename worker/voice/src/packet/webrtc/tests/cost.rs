//! What a stream costs: processor time, and memory while nobody answers.

use std::time::Duration;

use super::{
    film::Film,
    world::{World, ms},
};
use crate::packet::{MediaKind, PacketError};

/// Processor time of this thread.
fn used() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    let nanos = stat.split_ascii_whitespace().next().unwrap();
    Duration::from_nanos(nanos.parse().unwrap())
}

/// The layer's part alone: what the server and the line take is told off.
#[test]
#[ignore = "a measurement; says something where nothing else runs"]
fn a_minute_of_film() {
    let mut world = World::connected(ms(20));
    let from = world.now - world.start;
    let mut film = Film::new(2_500_000, from);
    film.play(&mut world, from + Duration::from_secs(5));
    let (before, sent) = (world.spent, world.sent);
    film.play(&mut world, from + Duration::from_secs(65));
    let spent = world.spent.saturating_sub(before);
    println!(
        "measured: a minute of 2.5 Mbit/s at 24 pictures a second: {spent:?} in the layer, {:.4} cores, {} packets",
        spent.as_secs_f64() / 60.0,
        world.sent - sent,
    );
    let (before, sent) = (world.spent, world.sent);
    world.run_for(Duration::from_mins(1));
    let spent = world.spent.saturating_sub(before);
    println!(
        "measured: a minute of pause: {spent:?} in the layer, {} packets",
        world.sent - sent
    );
}

/// Memory of the process, in bytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.unwrap().trim().trim_end_matches(" kB");
    kilobytes.parse::<u64>().unwrap() << 10
}

#[test]
fn a_silent_server_costs_no_memory() {
    let mut world = World::connected(ms(20));
    let from = world.now - world.start;
    Film::new(2_500_000, from).play(&mut world, from + Duration::from_secs(5));
    let before = resident();
    world.server.silent = true;
    let picture = vec![7; 40_000];
    let (mut sent, mut refused) = (0, 0);
    // 10 Mbit/s, more than the line is taken to carry, until the path is given up, and on.
    for _ in 0..600 {
        world.run_for(ms(33));
        match world.send(MediaKind::Video, world.now, &picture) {
            Ok(()) => sent += 1,
            Err(PacketError::Broken | PacketError::TooMuchWaiting { .. }) => refused += 1,
            Err(other) => panic!("{other}"),
        }
    }
    let grown = resident().saturating_sub(before);
    println!(
        "measured: silent server: {sent} pictures sent, {refused} refused, {grown} bytes more"
    );
    assert!(world.is_lost() && refused > 200);
    assert!(grown < 24 << 20, "{grown}");
}

pub(super) fn timed<T>(spent: &mut Duration, act: impl FnOnce() -> T) -> T {
    let before = used();
    let done = act();
    *spent += used().saturating_sub(before);
    done
}
