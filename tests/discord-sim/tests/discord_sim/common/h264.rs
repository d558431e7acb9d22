//! Pictures that are H.264 as far as packing, DAVE and counting look at them. No decoder would like them.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// A baseline SPS with four bits of `frame_num`, and a PPS.
const PARAMETER_SETS: [u8; 15] = [
    0,
    0,
    0,
    1,
    0x67,
    66,
    0xc0,
    31,
    0b1100_0000,
    0,
    0,
    0,
    1,
    0x68,
    0xce,
];

/// Makes one picture after the other.
pub struct Pictures {
    rng: StdRng,
    frame_num: u8,
}

impl Pictures {
    pub fn new() -> Self {
        Self {
            rng: StdRng::seed_from_u64(1),
            frame_num: 0,
        }
    }

    /// An IDR with its parameter sets.
    pub fn idr(&mut self, bytes: usize) -> Vec<u8> {
        self.frame_num = 0;
        let mut picture = PARAMETER_SETS.to_vec();
        self.slice(&mut picture, 0x65, bytes);
        picture
    }

    /// A picture that leans on the one before.
    pub fn next(&mut self, bytes: usize) -> Vec<u8> {
        self.frame_num = (self.frame_num + 1) % 16;
        let mut picture = Vec::new();
        self.slice(&mut picture, 0x41, bytes);
        picture
    }

    fn slice(&mut self, picture: &mut Vec<u8>, header: u8, bytes: usize) {
        // first_mb 0, slice_type 0, pps 0, frame_num.
        let counted = 0b1110_0000 | self.frame_num << 1;
        picture.extend([0, 0, 0, 1, header, counted]);
        picture.extend((0..bytes).map(|_| self.rng.random_range(1..=255_u8)));
    }
}
