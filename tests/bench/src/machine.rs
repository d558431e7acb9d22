//! What the numbers were measured on, and by what.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::{Pid, Resource, getrlimit, setpriority_process, setrlimit};
use serde::Serialize;

use crate::waiting::until;

/// The machine and the run; stands beside every number.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Machine {
    cpu: String,
    cores: usize,
    profile: &'static str,
    command: String,
    /// Load average of the last minute: what else the machine had to do.
    load: f64,
}

impl Machine {
    /// This one, now.
    pub(crate) fn here() -> Self {
        Self {
            cpu: cpu_model(&fs::read_to_string("/proc/cpuinfo").unwrap_or_default()),
            cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            profile: if cfg!(debug_assertions) {
                "dev"
            } else {
                "release"
            },
            command: std::env::args().collect::<Vec<_>>().join(" "),
            load: load(),
        }
    }

    /// One line for people.
    pub(crate) fn describe(&self) -> String {
        let Self {
            cpu,
            cores,
            profile,
            command,
            load,
        } = self;
        format!("{command} ({profile} build) on {cores} x {cpu}, load {load:.1}")
    }
}

/// Lets this process have as many sockets as it may have at all: each session needs two.
pub(crate) fn allow_many_sockets() -> Result<()> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).context("cannot raise the limit of open files")
}

/// Has the threads of this process with such a name run before others that want to; says whether that was allowed.
///
/// For instruments that take little time: what they find late shall not be late because of themselves.
pub(crate) async fn put_first(name: &str) -> Result<bool> {
    /// A thread takes its name itself, some time after it was started.
    const NAMED_WITHIN: Duration = Duration::from_secs(5);
    /// High, and below what the kernel's own threads have.
    const NICENESS: i32 = -15;
    let what = format!("a thread called {name}");
    let threads = until(&what, NAMED_WITHIN, async || {
        let threads = threads_called(name)?;
        Ok((!threads.is_empty()).then_some(threads))
    })
    .await?;
    let put = |thread| setpriority_process(Some(thread), NICENESS).is_ok();
    Ok(threads.into_iter().all(put))
}

fn threads_called(name: &str) -> Result<Vec<Pid>> {
    let mut found = Vec::new();
    for thread in fs::read_dir("/proc/self/task").context("no /proc")? {
        let thread = thread?;
        // It may end meanwhile, and then has no name.
        let called = fs::read_to_string(thread.path().join("comm")).unwrap_or_default();
        if called.trim_end() == name {
            let id = thread.file_name().to_str().and_then(|id| id.parse().ok());
            found.push(id.and_then(Pid::from_raw).context("a thread has an id")?);
        }
    }
    Ok(found)
}

/// The load average of the last minute.
fn load() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let first = text.split_whitespace().next();
    first.and_then(|one| one.parse().ok()).unwrap_or_default()
}

fn cpu_model(cpuinfo: &str) -> String {
    // On ARM there is no such line.
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"));
    let model = line.and_then(|line| line.split_once(':'));
    model.map_or_else(
        || std::env::consts::ARCH.to_owned(),
        |(_, model)| model.trim().to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_thread_is_found_that_names_itself_late() {
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let name = "bench-late-name";
        let thread = std::thread::Builder::new().name(name.to_owned());
        let thread = thread.spawn(move || ended.recv()).expect("a thread starts");
        put_first(name).await.expect("it is found");
        drop(end);
        assert!(thread.join().expect("it ends").is_err());
        assert!(threads_called("no such thread").expect("a list").is_empty());
    }

    #[test]
    fn finds_the_model() {
        let cpuinfo = "processor\t: 0\nmodel name\t: Some CPU @ 2.00GHz\nflags\t: fpu\n";
        assert_eq!(cpu_model(cpuinfo), "Some CPU @ 2.00GHz");
        assert_eq!(cpu_model("processor : 0"), std::env::consts::ARCH);
    }
}
