//! What a process costs, of `/proc`: CPU time and memory of itself, without its children.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// Ticks a second in which the kernel tells CPU times to programs: `USER_HZ`, 100 wherever Rust runs on Linux.
const TICKS_PER_SECOND: u32 = 100;

/// Memory counts as settled when it stayed within so many MB for [`SETTLED_FOR`].
const SETTLED_MB: f64 = 0.25;
const SETTLED_FOR: Duration = Duration::from_secs(2);

/// Memory that never settles is taken as it is then.
const SETTLES_WITHIN: Duration = Duration::from_secs(8);

/// Between two looks at the memory.
const LOOK: Duration = Duration::from_millis(250);

/// CPU time since `start`.
pub(crate) struct CpuMeter {
    pid: u32,
    start: (Instant, Duration),
}

impl CpuMeter {
    pub(crate) fn start(pid: u32) -> Result<Self> {
        Ok(Self {
            pid,
            start: (Instant::now(), cpu_time(pid)?),
        })
    }

    /// How many cores it kept busy since the start.
    pub(crate) fn cores(&self) -> Result<f64> {
        let (since, before) = self.start;
        let used = cpu_time(self.pid)?.saturating_sub(before);
        Ok(used.as_secs_f64() / since.elapsed().as_secs_f64())
    }
}

/// Memory of the process that is in RAM, in MB of a million bytes.
pub(crate) fn resident_mb(pid: u32) -> Result<f64> {
    let status = read(pid, "status")?;
    resident_kib(&status)
        .map(|kib| kib * 1024.0 / 1e6)
        .with_context(|| format!("process {pid} has no VmRSS"))
}

/// Resident memory once it grows no more.
pub(crate) async fn settled_mb(pid: u32) -> Result<f64> {
    let deadline = Instant::now() + SETTLES_WITHIN;
    let looks = SETTLED_FOR.div_duration_f64(LOOK) as usize;
    let mut seen = Vec::new();
    loop {
        seen.push(resident_mb(pid)?);
        let newest = &seen[seen.len().saturating_sub(looks)..];
        let largest = newest.iter().copied().fold(f64::MIN, f64::max);
        let smallest = newest.iter().copied().fold(f64::MAX, f64::min);
        let settled = newest.len() == looks && largest - smallest <= SETTLED_MB;
        if settled || Instant::now() > deadline {
            return Ok(newest.iter().sum::<f64>() / newest.len() as f64);
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn cpu_time(pid: u32) -> Result<Duration> {
    let stat = read(pid, "stat")?;
    let ticks = own_ticks(&stat).with_context(|| format!("stat of process {pid}: {stat}"))?;
    Ok(Duration::from_secs(ticks) / TICKS_PER_SECOND)
}

/// `utime` and `stime` (proc(5), fields 14 and 15); those of children stand in fields of their own.
fn own_ticks(stat: &str) -> Option<u64> {
    // The name in parentheses is field 2 and may hold anything.
    let (_, from_field_3) = stat.rsplit_once(") ")?;
    let mut fields = from_field_3.split_whitespace().skip(14 - 3);
    let mut next = || fields.next()?.parse::<u64>().ok();
    Some(next()? + next()?)
}

fn resident_kib(status: &str) -> Option<f64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

fn read(pid: u32, file: &str) -> Result<String> {
    fs::read_to_string(format!("/proc/{pid}/{file}"))
        .with_context(|| format!("process {pid} is gone"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn children_are_not_counted() {
        let stat = "42 (a) b) S 1 42 42 0 -1 4194304 100 200 0 0 70 30 900 800 20 0 5 0 1000";
        assert_eq!(own_ticks(stat), Some(100));
        assert_eq!(own_ticks("42 (a"), None);
    }

    #[test]
    fn own_memory_and_time_are_found() {
        let pid = std::process::id();
        assert!(resident_mb(pid).unwrap() > 1.0);
        let meter = CpuMeter::start(pid).unwrap();
        let deadline = Instant::now() + Duration::from_secs(30);
        // The kernel's ticks are 10 ms, which a busy machine gives nobody at once.
        while meter.cores().unwrap() <= 0.0 {
            assert!(Instant::now() < deadline, "a busy loop takes CPU time");
        }
    }
}
