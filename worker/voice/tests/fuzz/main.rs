//! The fuzz targets on spoiled seeds, for some seconds each. `make fuzz` gives them to a fuzzer, which looks for new
//! ways through the code; this finds what breaks on the old ones.
//!
//! `ORB_FUZZ_SECONDS` sets how long, `ORB_FUZZ_SEED` what is done to the seeds.
#![allow(clippy::unwrap_used)]

mod mutation;
mod record;
#[path = "../../fuzz/src/lib.rs"]
#[allow(unreachable_pub)]
mod targets;

use std::{
    panic::catch_unwind,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use rand::{SeedableRng, rngs::SmallRng};

/// A target: what it reads, and how much of it got through.
type Target = fn(&[u8]) -> usize;

/// Of each target, if `ORB_FUZZ_SECONDS` does not say.
const SECONDS: u64 = 5;

/// Most of it is the test itself. One message of a mebibyte, which is what a WebSocket takes, has its room in it.
const MOST_MEMORY: u64 = 256 << 20;

fn seeds_of(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/seeds")
        .join(target)
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |value| value.parse().unwrap())
}

fn fuzz(name: &str, target: Target) {
    let mut files: Vec<_> = std::fs::read_dir(seeds_of(name))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    // The order of a directory is the file system's.
    files.sort();
    let seeds: Vec<_> = files
        .iter()
        .map(|file| std::fs::read(file).unwrap())
        .collect();
    let through: usize = seeds.iter().map(|seed| target(seed)).sum();
    assert!(through > 0, "no seed of {name} gets through");

    let mut random = SmallRng::seed_from_u64(number("ORB_FUZZ_SEED", 1));
    let end = Instant::now() + Duration::from_secs(number("ORB_FUZZ_SECONDS", SECONDS));
    let (mut inputs, mut through) = (0, 0);
    while Instant::now() < end {
        let input = mutation::spoiled(&seeds, &mut random);
        let Ok(got) = catch_unwind(|| target(&input)) else {
            let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.input"));
            std::fs::write(&kept, &input).unwrap();
            panic!("input {inputs} of {name} broke it; see {}", kept.display());
        };
        inputs += 1;
        through += got;
    }
    println!("{name}: {inputs} inputs, {through} got through");
    assert!(
        inputs > 0 && most_memory() < MOST_MEMORY,
        "{inputs} inputs, {} bytes",
        most_memory()
    );
}

/// The most that this process ever had in memory, in bytes.
fn most_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.unwrap().trim().trim_end_matches(" kB");
    kilobytes.parse::<u64>().unwrap() << 10
}

#[test]
fn gateway_text() {
    fuzz("gateway_text", targets::gateway_text);
}

#[test]
fn gateway_binary() {
    fuzz("gateway_binary", targets::gateway_binary);
}

#[test]
fn dave() {
    fuzz("dave", targets::dave);
}

#[test]
fn udp() {
    fuzz("udp", targets::udp);
}

#[test]
fn sdp() {
    fuzz("sdp", targets::sdp);
}

#[test]
fn webrtc() {
    fuzz("webrtc", targets::webrtc);
}
