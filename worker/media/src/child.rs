//! ffmpeg and ffprobe as child processes that cannot outlive us.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;

use rustix::process::{Pid, Resource, Rlimit, Signal};
use tokio::process::{Child, ChildStderr, Command};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::pre_exec::die_with_parent;
use crate::{Error, timing};

/// What a child may use.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// 0 leaves it as it is.
    pub(crate) niceness: i32,
    pub(crate) memory_bytes: u64,
}

/// What to start.
pub(crate) struct Spawn {
    pub(crate) program: PathBuf,
    pub(crate) args: Vec<OsString>,
    pub(crate) dir: Option<PathBuf>,
    pub(crate) limits: Limits,
}

/// Starts children from one thread of its own. `PR_SET_PDEATHSIG` fires when the spawning thread
/// ends, so neither a runtime's worker thread nor a blocking one (they end when idle) will do.
/// When the last clone is dropped the thread ends, and what it started dies with it.
#[derive(Clone)]
pub(crate) struct Spawner(mpsc::SyncSender<Request>);

type Request = (Spawn, oneshot::Sender<io::Result<Process>>);

impl Spawner {
    pub(crate) fn start() -> Result<Self, Error> {
        let (sender, requests) = mpsc::sync_channel::<Request>(64);
        let runtime = Handle::current();
        thread::Builder::new()
            .name("orb-spawn".into())
            .spawn(move || {
                // tokio reaps children of the runtime that is entered when they are spawned.
                let _entered = runtime.enter();
                for (spawn, reply) in requests {
                    // Nobody waits any more: the process is dropped here, and so killed.
                    let _ = reply.send(Process::spawn(&spawn));
                }
            })
            .map_err(Error::Thread)?;
        Ok(Self(sender))
    }

    pub(crate) async fn spawn(&self, spawn: Spawn) -> io::Result<Process> {
        let (reply, process) = oneshot::channel();
        // The queue is longer than starts can pile up in (a start takes a millisecond); a full one
        // is an overload that the caller treats as a failed start.
        self.0
            .try_send((spawn, reply))
            .map_err(|_| io::Error::other("too many starts at once"))?;
        process
            .await
            .map_err(|_| io::Error::other("the spawn thread is gone"))?
    }
}

/// A running child in a process group of its own. Dropping it kills the group; tokio reaps it.
pub(crate) struct Process {
    child: Child,
    group: Option<Pid>,
}

impl Process {
    fn spawn(spawn: &Spawn) -> io::Result<Self> {
        let mut command = Command::new(&spawn.program);
        command
            .args(&spawn.args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            // Nothing of our environment (tokens, proxies) is ffmpeg's business.
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            // Each thread would reserve 64 MB of address space, which is limited below.
            .env("MALLOC_ARENA_MAX", "4");
        if let Some(dir) = &spawn.dir {
            command.current_dir(dir);
        }
        die_with_parent(&mut command);
        let child = command.spawn()?;
        let pid = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        let process = Self { child, group: pid };
        process.limit(spawn.limits);
        Ok(process)
    }

    /// A refused limit (a sandbox, a lower hard limit) is no reason not to play.
    fn limit(&self, limits: Limits) {
        let memory = Rlimit {
            current: Some(limits.memory_bytes),
            maximum: Some(limits.memory_bytes),
        };
        if let Err(error) = rustix::process::prlimit(self.group, Resource::As, memory) {
            tracing::debug!(%error, "memory limit refused");
        }
        if limits.niceness != 0
            && let Err(error) = rustix::process::setpriority_process(self.group, limits.niceness)
        {
            tracing::debug!(%error, "niceness refused");
        }
    }

    /// The read end of its output, blocking, and of this size as far as the system allows it.
    pub(crate) fn take_stdout(&mut self, bytes: usize) -> io::Result<OwnedFd> {
        let stdout = self.child.stdout.take();
        let fd = stdout
            .ok_or_else(|| io::Error::other("stdout was taken before"))?
            .into_owned_fd()?;
        if let Err(error) = rustix::pipe::fcntl_setpipe_size(&fd, bytes) {
            tracing::debug!(%error, "pipe size refused");
        }
        Ok(fd)
    }

    pub(crate) fn take_stderr(&mut self) -> Option<ChildStderr> {
        self.child.stderr.take()
    }

    /// Waits for its end, and kills it when it takes longer than [`timing::EXIT`].
    pub(crate) async fn finish(&mut self) -> Option<ExitStatus> {
        match timeout(timing::EXIT, self.child.wait()).await {
            Ok(status) => status.ok(),
            Err(_) => self.kill().await,
        }
    }

    /// Kills the whole group and waits until it is reaped.
    pub(crate) async fn kill(&mut self) -> Option<ExitStatus> {
        self.signal_group();
        self.child.wait().await.ok()
    }

    fn signal_group(&mut self) {
        // `id` is none once the child is reaped: its number may be somebody else's by then.
        if let (Some(_), Some(group)) = (self.child.id(), self.group) {
            // It may be dead already.
            let _ = rustix::process::kill_process_group(group, Signal::KILL);
        }
    }

    /// Runs it to its end and gives what it wrote to stdout and how it ended. Dropping the future
    /// kills it.
    pub(crate) async fn output(
        mut self,
        session: String,
    ) -> io::Result<(Vec<u8>, crate::stderr::Tail, Option<ExitStatus>)> {
        use tokio::io::AsyncReadExt;
        /// A probe of a film with many streams is some 100 KB.
        const MAX_OUTPUT: u64 = 8 << 20;
        let stdout = self.child.stdout.take();
        let stderr = self.child.stderr.take();
        let mut text = Vec::new();
        let read_stdout = async {
            match stdout {
                Some(out) => out
                    .take(MAX_OUTPUT)
                    .read_to_end(&mut text)
                    .await
                    .map(|_| ()),
                None => Ok(()),
            }
        };
        let read_stderr = async {
            match stderr {
                Some(err) => crate::stderr::Tail::read(err, session).await,
                None => crate::stderr::Tail::default(),
            }
        };
        let (read, tail) = tokio::join!(read_stdout, read_stderr);
        read?;
        let status = self.finish().await;
        Ok((text, tail, status))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal_group();
    }
}

/// Finds a tool by its configured path, or else in `PATH`.
pub(crate) fn find_tool(configured: Option<&Path>, tool: &'static str) -> Result<PathBuf, Error> {
    let missing = Error::ToolMissing { tool };
    if let Some(path) = configured {
        return if path.is_file() {
            Ok(path.to_owned())
        } else {
            Err(missing)
        };
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|dir| dir.join(tool))
        .find(|candidate| candidate.is_file())
        .ok_or(missing)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::{Duration, Instant};

    use super::*;

    fn sleep(seconds: &str) -> Spawn {
        Spawn {
            program: "/bin/sleep".into(),
            args: vec![seconds.into()],
            dir: None,
            limits: Limits {
                niceness: 5,
                memory_bytes: 1 << 30,
            },
        }
    }

    fn alive(pid: u32) -> bool {
        // A zombie is not alive, but it is not reaped either: both must be over.
        Path::new(&format!("/proc/{pid}")).exists()
    }

    async fn wait_gone(pid: u32) {
        let deadline = Instant::now() + Duration::from_secs(5);
        while alive(pid) {
            assert!(Instant::now() < deadline, "{pid} is still there");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    #[tokio::test]
    async fn a_dropped_child_is_killed_and_reaped() {
        let spawner = Spawner::start().unwrap();
        let process = spawner.spawn(sleep("60")).await.unwrap();
        let pid = process.child.id().unwrap();
        assert!(alive(pid));
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let fields: Vec<_> = stat
            .rsplit(')')
            .next()
            .unwrap()
            .split_whitespace()
            .collect();
        assert_eq!(fields[2], pid.to_string(), "its own process group");
        assert_eq!(fields[16], "5", "niceness");
        let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
        let memory = limits.lines().find(|l| l.starts_with("Max address space"));
        assert!(memory.unwrap().contains("1073741824"));
        let environment = std::fs::read_to_string(format!("/proc/{pid}/environ")).unwrap();
        assert!(!environment.contains("CARGO"), "{environment}");
        drop(process);
        wait_gone(pid).await;
    }

    #[tokio::test]
    async fn children_die_with_the_spawn_thread() {
        let spawner = Spawner::start().unwrap();
        let process = spawner.spawn(sleep("60")).await.unwrap();
        let pid = process.child.id().unwrap();
        drop(spawner);
        let mut process = process;
        let status = timeout(Duration::from_secs(5), process.child.wait()).await;
        let status = status.unwrap().unwrap();
        assert!(!status.success(), "{pid}: {status:?}");
    }

    #[tokio::test]
    async fn a_missing_tool_is_named() {
        let error = find_tool(Some(Path::new("/nowhere/ffmpeg")), "ffmpeg").unwrap_err();
        assert_eq!(error.code(), "ffmpeg_missing");
        assert!(error.to_string().contains("apt-get install ffmpeg"));
    }
}
