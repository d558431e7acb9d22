//! A child process that runs `orb`, with its log in a file.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::environment::Environment;
use crate::network::Network;
use crate::place::Life;

/// Between two looks at a child.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// From SIGKILL to the end of a process: the kernel's doing.
const DIES_WITHIN: Duration = Duration::from_secs(10);

/// A running `orb <role>`. Dropping it kills it with all its children.
pub struct Process {
    /// Which.
    pub life: Life,
    /// What it prints.
    pub log: PathBuf,
    child: Child,
    network: Arc<Network>,
}

impl Process {
    /// Starts it; its log stands in `folder`, under its name.
    pub fn start(
        orb: &Path,
        life: Life,
        environment: &Environment,
        folder: &Path,
        network: &Arc<Network>,
    ) -> Result<Self> {
        let log = folder.join(format!("{life}.log"));
        let output = File::create(&log).context("making a log")?;
        let errors = output.try_clone().context("sharing a log")?;
        // A run that is killed runs no destructors; its processes go with it all the same.
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL"])
            .arg(orb)
            .arg(life.place.kind.role())
            .env_clear()
            .envs(environment.iter())
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .process_group(0)
            .spawn()
            .context("starting orb with setpriv, of util-linux")?;
        network.owners.began(child.id(), life);
        Ok(Self {
            life,
            log,
            child,
            network: Arc::clone(network),
        })
    }

    /// A signal to it alone. It may be gone, which is what most signals are for.
    pub fn signal(&self, signal: Signal) {
        let _ = kill_process(Pid::from_child(&self.child), signal);
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Waits for its end.
    pub async fn wait(&mut self, within: Duration) -> Result<ExitStatus> {
        let deadline = Instant::now() + within;
        loop {
            if let Some(status) = self.ended() {
                return Ok(status);
            }
            if Instant::now() > deadline {
                bail!("{} has not ended within {within:?}", self.life);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// SIGKILL, and waits until it is gone.
    pub async fn kill(&mut self) -> Result<()> {
        self.signal(Signal::KILL);
        self.wait(DIES_WITHIN).await.map(drop)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Its ffmpegs have groups of their own and die with it (PR_SET_PDEATHSIG).
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        let _ = self.child.wait();
        self.network.owners.ended(self.child.id());
    }
}
