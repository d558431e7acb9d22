//! Seeds with other bytes, pieces and lines.

use rand::{Rng, rngs::SmallRng};

/// Numbers at which something may turn over.
const EDGES: [u8; 8] = [0, 1, 0x3f, 0x40, 0x7f, 0x80, 0xbf, 0xff];

/// Longer inputs say nothing that shorter ones do not.
const LONGEST: usize = 1 << 16;

/// One of the seeds, or the begin of one and the end of another, spoiled in some places.
pub(crate) fn spoiled(seeds: &[Vec<u8>], random: &mut SmallRng) -> Vec<u8> {
    let one = |random: &mut SmallRng| &seeds[random.random_range(0..seeds.len())];
    let mut input = one(random).clone();
    if random.random_ratio(1, 4) {
        let other = one(random);
        input.truncate(random.random_range(0..=input.len()));
        input.extend(&other[random.random_range(0..=other.len())..]);
    }
    for _ in 0..random.random_range(1..=8) {
        spoil(&mut input, random);
    }
    input.truncate(LONGEST);
    input
}

fn spoil(input: &mut Vec<u8>, random: &mut SmallRng) {
    let (from, to) = if random.random_ratio(1, 3) {
        line(input, random)
    } else {
        let from = random.random_range(0..=input.len());
        (from, (from + random.random_range(0..=16)).min(input.len()))
    };
    let at = random.random_range(0..=input.len());
    match random.random_range(0..6) {
        0 => drop(input.drain(from..to)),
        1 => {
            let piece = input[from..to].to_vec();
            input.splice(at..at, piece);
        }
        2 => {
            let piece: Vec<u8> = input.drain(from..to).collect();
            let at = at.min(input.len());
            input.splice(at..at, piece);
        }
        3 => input.insert(at, random.random()),
        kind => {
            if let Some(byte) = input.get_mut(at) {
                *byte = match kind {
                    4 => *byte ^ (1 << random.random_range(0..8)),
                    _ => EDGES[random.random_range(0..EDGES.len())],
                };
            }
        }
    }
}

/// Begin and end of a line, with what ends it.
fn line(input: &[u8], random: &mut SmallRng) -> (usize, usize) {
    let at = random.random_range(0..=input.len());
    let is_end = |byte: &u8| *byte == b'\n';
    let from = input[..at]
        .iter()
        .rposition(is_end)
        .map_or(0, |end| end + 1);
    let to = input[at..].iter().position(is_end);
    (from, to.map_or(input.len(), |end| at + end + 1))
}
