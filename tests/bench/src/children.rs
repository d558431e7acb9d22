//! The ffmpegs of a worker, of `/proc`.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};

/// The processes named `ffmpeg` that `parent` has started and that run.
///
/// Reads the lists of children alone, which takes a fraction of a millisecond: callers wait for a process to appear.
pub(crate) fn ffmpegs(parent: u32) -> Result<BTreeSet<u32>> {
    let threads = fs::read_dir(format!("/proc/{parent}/task"))
        .with_context(|| format!("process {parent} is gone"))?;
    let mut found = BTreeSet::new();
    for thread in threads {
        // A thread may end while this looks.
        let Ok(children) = fs::read_to_string(thread?.path().join("children")) else {
            continue;
        };
        let children = children
            .split_whitespace()
            .filter_map(|pid| pid.parse().ok());
        found.extend(children.filter(|pid| runs_ffmpeg(*pid)));
    }
    Ok(found)
}

/// Its name is the parent's until it has become the program; a zombie runs nothing.
fn runs_ffmpeg(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.split_once("(ffmpeg) ")
        .is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

/// SIGKILL.
pub(crate) fn kill(pid: u32) -> Result<()> {
    let process = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let process = process.context("a process id is above zero")?;
    kill_process(process, Signal::KILL).with_context(|| format!("cannot kill ffmpeg {pid}"))
}
