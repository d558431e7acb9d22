//! Pictures and sound as a film has them.

use std::time::Duration;

use rand::{Rng, SeedableRng, rngs::SmallRng};

use super::world::World;
use crate::packet::MediaKind;

/// A key frame: parameter sets, and a slice of `len` bytes.
pub(super) fn key_frame(len: usize, random: &mut SmallRng) -> Vec<u8> {
    let sps = [
        0x67, 0x42, 0xc0, 0x1f, 0xd9, 0x01, 0x40, 0x16, 0xec, 0x04, 0x40,
    ];
    let pps = [0x68, 0xcb, 0x83, 0xcb, 0x20];
    let mut picture = Vec::with_capacity(len + 40);
    append(&mut picture, &sps);
    append(&mut picture, &pps);
    append(&mut picture, &slice(0x65, len, random));
    picture
}

/// Any other picture.
pub(super) fn delta_frame(len: usize, random: &mut SmallRng) -> Vec<u8> {
    let mut picture = Vec::with_capacity(len + 4);
    append(&mut picture, &slice(0x41, len, random));
    picture
}

pub(super) fn append(picture: &mut Vec<u8>, nal: &[u8]) {
    picture.extend([0, 0, 0, 1]);
    picture.extend(nal);
}

/// A slice whose header can be read (`first_mb_in_slice`, `slice_type`, `pic_parameter_set_id` of 0) and whose rest is
/// noise without zeroes.
pub(super) fn slice(nal_type: u8, len: usize, random: &mut SmallRng) -> Vec<u8> {
    let header = if nal_type == 0x65 {
        [nal_type, 0x88, 0x84]
    } else {
        [nal_type, 0x9a, 0x24]
    };
    let rest = (header.len()..len).map(|_| random.random_range(1..=255));
    header.into_iter().chain(rest).collect()
}

/// 24 pictures a second, each second from a key frame that is `key` times as large as the others; sound each 20 ms.
pub(super) struct Film {
    pub(super) bits_per_second: u64,
    pub(super) key: u64,
    from: Duration,
    next_picture: Duration,
    next_sound: Duration,
    number: u64,
    random: SmallRng,
    silent_until: Duration,
    begin_anew: bool,
    /// As they were sent.
    pub(super) pictures: Vec<(Duration, Vec<u8>)>,
    pub(super) sounds: Vec<(Duration, Vec<u8>)>,
    /// Pictures that the layer refused.
    pub(super) refused: usize,
}

const RATE: u64 = 24;
const SOUND: usize = 320;

impl Film {
    pub(super) fn new(bits_per_second: u64, from: Duration) -> Self {
        Self {
            bits_per_second,
            key: 5,
            from,
            next_picture: from,
            next_sound: from,
            number: 0,
            random: SmallRng::seed_from_u64(11),
            silent_until: Duration::ZERO,
            begin_anew: false,
            pictures: Vec::new(),
            sounds: Vec::new(),
            refused: 0,
        }
    }

    pub(super) fn play(&mut self, world: &mut World, until: Duration) {
        loop {
            let next = self.next_picture.min(self.next_sound);
            if next >= until {
                break;
            }
            world.run_until(world.at(next));
            if self.next_sound == next {
                let sound: Vec<u8> = (0..SOUND).map(|_| self.random.random()).collect();
                world.sound(&sound);
                self.sounds.push((next, sound));
                self.next_sound += Duration::from_millis(20);
            }
            if self.next_picture == next {
                self.picture(world, next);
            }
        }
        world.run_until(world.at(until));
    }

    /// Sends no picture before that time; the first one after it is a key frame.
    pub(super) fn hold_back_until(&mut self, at: Duration) {
        self.silent_until = at;
        self.begin_anew = true;
    }

    fn picture(&mut self, world: &mut World, at: Duration) {
        let share = self.bits_per_second / 8 / (RATE - 1 + self.key);
        let held_back = at < self.silent_until;
        let is_key = self.number.is_multiple_of(RATE) || (self.begin_anew && !held_back);
        if held_back {
            return self.advance();
        }
        self.begin_anew = false;
        let picture = if is_key {
            key_frame((share * self.key) as usize, &mut self.random)
        } else {
            delta_frame(share as usize, &mut self.random)
        };
        let now = world.now;
        if world.send(MediaKind::Video, now, &picture).is_ok() {
            self.pictures.push((at, picture));
        } else {
            self.refused += 1;
        }
        self.advance();
    }

    fn advance(&mut self) {
        self.number += 1;
        self.next_picture = self.from + Duration::from_nanos(self.number * 1_000_000_000 / RATE);
    }
}
