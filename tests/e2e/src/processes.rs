//! What the system says about processes, of `/proc`.

use std::collections::BTreeMap;
use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};

/// A process as it is now.
#[derive(Clone, Debug)]
pub struct ProcessInfo {
    /// Its id.
    pub pid: u32,
    /// Its parent's.
    pub parent: u32,
    /// The program's name, at most 15 bytes.
    pub name: String,
    /// Its command line, arguments separated by blanks.
    pub command_line: String,
}

/// `ancestor`'s children, their children and so on.
pub fn descendants(ancestor: u32) -> Vec<ProcessInfo> {
    let all = everything();
    let descends = |process: &ProcessInfo| {
        let mut parent = process.parent;
        // A chain of parents ends at 1 or at a process that has just gone; pids do not go round.
        while parent != ancestor {
            match all.get(&parent) {
                Some(next) if next.parent != parent => parent = next.parent,
                _ => return false,
            }
        }
        true
    };
    all.values().filter(|one| descends(one)).cloned().collect()
}

/// The processes of ffmpeg that descend from `ancestor`.
pub fn ffmpegs(ancestor: u32) -> Vec<ProcessInfo> {
    let mut found = descendants(ancestor);
    found.retain(|one| one.name == "ffmpeg");
    found
}

/// The command lines of all processes of the machine.
pub fn command_lines() -> Vec<String> {
    everything()
        .into_values()
        .map(|process| process.command_line)
        .collect()
}

/// Whether there is such a process, and it is not merely waiting to be reaped.
pub fn is_running(pid: u32) -> bool {
    info(pid).is_some_and(|process| !process.command_line.is_empty())
}

/// SIGKILL.
pub fn kill(pid: u32) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    kill_process(pid.expect("a pid is above zero"), Signal::KILL).expect("the process is there");
}

fn everything() -> BTreeMap<u32, ProcessInfo> {
    std::fs::read_dir("/proc")
        .expect("this is Linux")
        .filter_map(|entry| {
            let pid = entry.ok()?.file_name().to_str()?.parse().ok()?;
            Some((pid, info(pid)?))
        })
        .collect()
}

/// A process; `None` when it is gone.
fn info(pid: u32) -> Option<ProcessInfo> {
    let folder = Path::new("/proc").join(pid.to_string());
    let stat = std::fs::read_to_string(folder.join("stat")).ok()?;
    // "pid (name) state parent …", and the name may hold anything.
    let (before, after) = stat.rsplit_once(')')?;
    let command_line = std::fs::read(folder.join("cmdline")).ok()?;
    Some(ProcessInfo {
        pid,
        parent: after.split_whitespace().nth(1)?.parse().ok()?,
        name: before.split_once('(')?.1.to_owned(),
        command_line: String::from_utf8_lossy(&command_line).replace('\0', " "),
    })
}
