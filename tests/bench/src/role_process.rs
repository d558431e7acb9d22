//! A role of Orb as a child process.

use std::collections::BTreeMap;
use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::moment::Moment;

use crate::waiting::until;

/// A machine under load takes seconds to start three processes.
const LISTENS_WITHIN: Duration = Duration::from_secs(20);

/// How much of its log a role shows when something went wrong.
const SHOWN_LINES: usize = 30;

/// Variables of a role, all it gets but `PATH`.
pub(crate) type Environment = BTreeMap<&'static str, String>;

/// A running `orb <role>`; dropping it kills it, and its ffmpegs die with it.
pub(crate) struct RoleProcess {
    name: String,
    child: Child,
    log: PathBuf,
}

impl RoleProcess {
    /// Starts the `orb` that was built with this program; its log goes to `folder`.
    pub(crate) fn start(role: &str, environment: &Environment, folder: &Path) -> Result<Self> {
        Self::start_as(role, role, environment, folder)
    }

    /// The same under a name of its own, where several have the same role.
    pub(crate) fn start_as(
        name: &str,
        role: &str,
        environment: &Environment,
        folder: &Path,
    ) -> Result<Self> {
        let orb = std::env::current_exe()?.with_file_name("orb");
        if !orb.exists() {
            bail!("there is no {}; build it with -p orb", orb.display());
        }
        let log = folder.join(format!("{name}.log"));
        let file = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        // Whoever interrupts this program runs none of its destructors; its processes go with it all the same.
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL"])
            .arg(orb)
            .arg(role)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .envs(environment)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(file)
            .spawn()
            .context("cannot start setpriv, of the package util-linux")?;
        Ok(Self {
            name: name.to_owned(),
            child,
            log,
        })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The address in the line of its log that has `announcement`.
    pub(crate) async fn address(&mut self, announcement: &str) -> Result<SocketAddr> {
        let what = format!("{} to say '{announcement}'", self.name);
        until(&what, LISTENS_WITHIN, async || {
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended with {status}:\n{}", self.name, self.tail());
            }
            Ok(address_in(&self.log(), announcement))
        })
        .await
    }

    /// The end of its log.
    fn tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n")
    }

    /// Prints the end of its log.
    pub(crate) fn show(&self) {
        eprintln!("--- {} ---\n{}", self.name, self.tail());
    }

    /// Waits until its log has a line with this.
    pub(crate) async fn says(&mut self, line: &str, within: Duration) -> Result<()> {
        let what = format!("{} to say '{line}'", self.name);
        until(&what, within, async || {
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended with {status}:\n{}", self.name, self.tail());
            }
            Ok(self.log().contains(line).then_some(()))
        })
        .await
    }

    /// Waits until it has ended by itself.
    pub(crate) async fn ends(&mut self, within: Duration) -> Result<ExitStatus> {
        let what = format!("{} to end", self.name);
        until(&what, within, async || Ok(self.child.try_wait()?)).await
    }

    /// Sends a signal; a moment from just before.
    pub(crate) fn signal(&self, signal: Signal) -> Result<Moment> {
        let pid = Pid::from_raw(self.child.id().cast_signed()).context("a process has an id")?;
        let moment = Moment::now();
        kill_process(pid, signal).with_context(|| format!("cannot signal {}", self.name))?;
        Ok(moment)
    }

    /// When it first said something with all of `words` in one line after a moment.
    pub(crate) fn said(&self, words: &[&str], after: Moment) -> Option<Instant> {
        let log = self.log();
        log.lines()
            .filter(|line| words.iter().all(|word| line.contains(word)))
            .filter_map(|line| after.of_log_line(line))
            .find(|at| *at >= after.at)
    }

    /// How many lines of its log have this.
    pub(crate) fn count(&self, words: &str) -> usize {
        self.log().matches(words).count()
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for RoleProcess {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn address_in(log: &str, announcement: &str) -> Option<SocketAddr> {
    let line = log.lines().find(|line| line.contains(announcement))?;
    let (_, address) = line.split_once("addr=")?;
    address.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_from_the_log() {
        let log = "INFO gRPC listens addr=127.0.0.1:5\nINFO HTTP listens addr=127.0.0.1:6 more\n";
        assert_eq!(
            address_in(log, "HTTP listens"),
            "127.0.0.1:6".parse().ok(),
            "{log}"
        );
        assert_eq!(address_in(log, "UDP listens"), None);
    }
}
