//! A big picture is no burst, and sound does not wait for it.

use std::time::{Duration, Instant};

use rand::{SeedableRng, rngs::SmallRng};

use super::{
    film::{Film, key_frame},
    server::{AUDIO, SSRC_OF_PROBES, VIDEO},
    world::{World, ms},
};
use crate::packet::{MediaKind, PacketError};

/// Arrivals of one SSRC from a moment on.
fn arrivals(world: &World, ssrc: u32, from: Instant) -> Vec<Instant> {
    let packets = world.server.packets.iter();
    let of_it = packets.filter(|(at, of, _)| *of == ssrc && *at >= from);
    of_it.map(|(at, ..)| *at).collect()
}

#[test]
fn a_key_frame_is_spread_and_sound_goes_between() {
    let mut world = World::connected(Duration::ZERO);
    let from = world.now - world.start;
    Film::new(1_000_000, from).play(&mut world, from + ms(3_000));
    let begin = world.now;
    let mut random = SmallRng::seed_from_u64(5);
    world.picture(&key_frame(60 * 1_050, &mut random));
    let mut sounds = Vec::new();
    for _ in 0..25 {
        world.sound(&[9; 320]);
        sounds.push(world.now);
        world.run_for(ms(20));
    }
    let packets = arrivals(&world, VIDEO, begin);
    assert!((58..66).contains(&packets.len()), "{}", packets.len());
    let spread = *packets.last().unwrap() - begin;
    let most_at_once = packets
        .iter()
        .map(|at| {
            let near = packets
                .iter()
                .filter(|other| **other >= *at && **other - *at < ms(2));
            near.count()
        })
        .max()
        .unwrap();
    println!("measured: 60 packets leave in {spread:?}, at most {most_at_once} within 2 ms");
    assert!((ms(40)..ms(400)).contains(&spread), "{spread:?}");
    assert!(most_at_once <= 40, "{most_at_once}");
    let sound = arrivals(&world, AUDIO, begin);
    let late = sound.iter().zip(&sounds).map(|(at, sent)| *at - *sent);
    let worst = late.max().unwrap();
    println!("measured: sound among them is late by at most {worst:?}");
    assert_eq!(sound.len(), 25);
    assert!(worst <= ms(2), "{worst:?}");
}

/// On a line that has room, pictures leave when they are due, those behind a key frame, too.
#[test]
fn a_film_leaves_on_time() {
    let mut world = World::connected(ms(10));
    let from = world.now - world.start;
    let mut film = Film::new(2_500_000, from);
    film.play(&mut world, from + Duration::from_secs(20));
    world.run_for(ms(500));
    let mut late = Vec::new();
    for (sent, _) in &film.pictures {
        let sent = world.at(*sent);
        let first = arrivals(&world, VIDEO, sent + ms(10));
        late.push(*first.first().unwrap() - (sent + ms(10)));
    }
    // The estimate has to be found first.
    let mut settled = late.split_off(5 * 24);
    settled.sort_unstable();
    let p99 = settled[settled.len() * 99 / 100];
    println!("measured: 2.5 Mbit/s, the first packet of a picture is late by p99 {p99:?}");
    assert!(p99 <= ms(5), "{p99:?}");
}

#[test]
fn what_waits_is_bounded_and_said() {
    let mut world = World::connected(ms(10));
    let mut random = SmallRng::seed_from_u64(5);
    let picture = key_frame(1_000_000, &mut random);
    let mut accepted = 0;
    let refused = loop {
        match world.send(MediaKind::Video, world.now, &picture) {
            Ok(()) => accepted += 1,
            Err(error) => break error,
        }
        assert!(accepted < 10);
    };
    assert!(matches!(refused, PacketError::TooMuchWaiting { bytes } if bytes > 3 << 20));
    world.run_for(ms(400));
    assert!(world.last_report().queue_delay > ms(200));
    // Sound goes on.
    let before = world.now;
    world.sound(b"opus");
    world.run_for(ms(12));
    assert_eq!(arrivals(&world, AUDIO, before).len(), 1);
}

#[test]
fn nothing_is_padded_before_the_first_picture() {
    let mut world = World::connected(ms(10));
    for _ in 0..150 {
        world.sound(&[9; 320]);
        world.run_for(ms(20));
    }
    let ssrcs = world.server.packets.iter().map(|(_, ssrc, _)| *ssrc);
    assert!(ssrcs.into_iter().all(|ssrc| ssrc == AUDIO));
    let from = world.now - world.start;
    Film::new(2_000_000, from).play(&mut world, from + ms(5_000));
    assert!(arrivals(&world, SSRC_OF_PROBES, world.start).is_empty());
}
