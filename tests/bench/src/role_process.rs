//! A role of Orb as a child process.

use std::collections::BTreeMap;
use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::waiting::until;

/// A machine under load takes seconds to start three processes.
const LISTENS_WITHIN: Duration = Duration::from_secs(20);

/// How much of its log a role shows when something went wrong.
const SHOWN_LINES: usize = 30;

/// Variables of a role, all it gets but `PATH`.
pub(crate) type Environment = BTreeMap<&'static str, String>;

/// A running `orb <role>`; dropping it kills it, and its ffmpegs die with it.
pub(crate) struct RoleProcess {
    role: &'static str,
    child: Child,
    log: PathBuf,
}

impl RoleProcess {
    /// Starts the `orb` that was built with this program; its log goes to `folder`.
    pub(crate) fn start(
        role: &'static str,
        environment: &Environment,
        folder: &Path,
    ) -> Result<Self> {
        let orb = std::env::current_exe()?.with_file_name("orb");
        if !orb.exists() {
            bail!("there is no {}; build it with -p orb", orb.display());
        }
        let log = folder.join(format!("{role}.log"));
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
        Ok(Self { role, child, log })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The address in the line of its log that has `announcement`.
    pub(crate) async fn address(&mut self, announcement: &str) -> Result<SocketAddr> {
        let what = format!("orb {} to say '{announcement}'", self.role);
        until(&what, LISTENS_WITHIN, async || {
            if let Some(status) = self.child.try_wait()? {
                bail!("orb {} ended with {status}:\n{}", self.role, self.tail());
            }
            Ok(address_in(&self.log(), announcement))
        })
        .await
    }

    /// The end of its log.
    pub(crate) fn tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n")
    }

    pub(crate) fn role(&self) -> &'static str {
        self.role
    }

    fn log(&self) -> String {
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
