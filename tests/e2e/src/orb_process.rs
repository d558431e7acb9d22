//! A child process that runs `orb`.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::environment::Environment;
use crate::films::profile_folder;
use crate::waiting::until;

/// A debug build under load takes seconds to come up.
const LISTENS_WITHIN: Duration = Duration::from_secs(20);

/// How much of its log a process shows when its test fails.
const SHOWN_LINES: usize = 150;

/// A running `orb <role>`. Dropping it kills it with all its children.
pub struct OrbProcess {
    role: String,
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
    readers: Vec<JoinHandle<()>>,
}

impl OrbProcess {
    /// Starts `orb <role>`, which is found beside the test.
    pub fn start(role: &str, environment: &Environment) -> Self {
        let orb = profile_folder().join("orb");
        assert!(
            orb.exists(),
            "there is no {}: run `cargo build -p orb` first",
            orb.display()
        );
        // A test that is killed runs no destructors; its processes go with it all the same.
        let mut child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL"])
            .arg(orb)
            .arg(role)
            .env_clear()
            .envs(environment.iter())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .expect("setpriv, of util-linux, is installed");
        let log = Arc::default();
        let mut readers = Vec::new();
        if let Some(output) = child.stdout.take() {
            readers.push(keep(output, &log));
        }
        if let Some(output) = child.stderr.take() {
            readers.push(keep(output, &log));
        }
        Self {
            role: role.to_owned(),
            child,
            log,
            readers,
        }
    }

    /// Its process id, which is its process group's too.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// All that it has printed.
    pub fn log(&self) -> String {
        self.log
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .join("\n")
    }

    /// All that it has printed until its end.
    ///
    /// # Panics
    ///
    /// When it has not ended: it would have more to say.
    pub fn all_printed(&mut self) -> String {
        let ended = self.child.try_wait().expect("a child can be waited for");
        assert!(ended.is_some(), "orb {} still runs", self.role);
        for reader in self.readers.drain(..) {
            let _ = reader.join();
        }
        self.log()
    }

    /// Where its HTTP side listens, as it says.
    pub async fn http_addr(&mut self) -> SocketAddr {
        self.address("HTTP listens").await
    }

    /// Where its gRPC side listens, as it says.
    pub async fn grpc_addr(&mut self) -> SocketAddr {
        self.address("gRPC listens").await
    }

    /// Where its media port listens, as it says: a worker's.
    pub async fn media_addr(&mut self) -> SocketAddr {
        self.address("media listens").await
    }

    async fn address(&mut self, announcement: &str) -> SocketAddr {
        let what = format!("orb {} to print '{announcement}'", self.role);
        until(&what, LISTENS_WITHIN, async || {
            if let Ok(Some(status)) = self.child.try_wait() {
                panic!("orb {} ended with {status}", self.role);
            }
            let log = self.log();
            let line = log.lines().find(|line| line.contains(announcement))?;
            let (_, address) = line.split_once("addr=")?;
            address.split_whitespace().next()?.parse().ok()
        })
        .await
    }

    /// SIGTERM: asks it to stop.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// SIGSTOP: the process stands still, its sockets stay. Returns when it does.
    pub async fn freeze(&self) {
        self.signal(Signal::STOP);
        let stat = format!("/proc/{}/stat", self.pid());
        until(
            "the process to stand still",
            Duration::from_secs(5),
            async || {
                let stat = std::fs::read_to_string(&stat).ok()?;
                let (_, after_name) = stat.rsplit_once(')')?;
                after_name.trim_start().starts_with('T').then_some(())
            },
        )
        .await;
    }

    /// SIGCONT.
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        // It may be gone already, which is what most signals are for.
        let _ = kill_process(self.process(), signal);
    }

    /// Waits until it has ended.
    pub async fn ended(&mut self, within: Duration) -> ExitStatus {
        let what = format!("orb {} to end", self.role);
        until(&what, within, async || {
            self.child.try_wait().expect("a child can be waited for")
        })
        .await
    }

    /// SIGKILL, and waits until it is gone. What it printed stays.
    pub async fn kill(&mut self) {
        self.signal(Signal::KILL);
        self.ended(Duration::from_secs(5)).await;
    }

    fn process(&self) -> Pid {
        Pid::from_child(&self.child)
    }
}

impl Drop for OrbProcess {
    fn drop(&mut self) {
        // Its ffmpegs have groups of their own and die with it (PR_SET_PDEATHSIG).
        let _ = kill_process_group(self.process(), Signal::KILL);
        let _ = self.child.wait();
        for reader in self.readers.drain(..) {
            let _ = reader.join();
        }
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let from = lines.len().saturating_sub(SHOWN_LINES);
            eprintln!("--- the last lines of orb {} ---", self.role);
            eprintln!("{}", lines[from..].join("\n"));
        }
    }
}

/// Reads a pipe to its end, so that its writer never blocks.
fn keep(output: impl Read + Send + 'static, log: &Arc<Mutex<Vec<String>>>) -> JoinHandle<()> {
    let log = Arc::clone(log);
    std::thread::spawn(move || {
        for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line).into_owned();
            log.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(line);
        }
    })
}
