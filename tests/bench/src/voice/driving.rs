//! The other end of [`drive`](super::drive): the child process as its parent sees it.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result};
use discord_sim::VoiceCredentials;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::drive::{Account, Order};

/// A process that plays; it ends when this is dropped.
pub(super) struct Driving {
    child: Child,
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Driving {
    /// Starts it, without sessions. `ca`: whom it trusts.
    pub(super) async fn start(ca: &Path) -> Result<Self> {
        // As with the roles: whoever interrupts this program runs none of its destructors.
        let mut child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL"])
            .arg(std::env::current_exe()?)
            .arg("drive")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("cannot start setpriv, of the package util-linux")?;
        let orders = child.stdin.take().context("its input is piped")?;
        let answers = child.stdout.take().context("its output is piped")?;
        let mut driving = Self {
            child,
            orders,
            answers: BufReader::new(answers).lines(),
        };
        driving.order(&Order::Trust(ca.to_owned())).await?;
        Ok(driving)
    }

    pub(super) fn pid(&self) -> Result<u32> {
        self.child.id().context("the playing process has ended")
    }

    /// One more session; comes back before it is connected.
    pub(super) async fn join(&mut self, credentials: VoiceCredentials) -> Result<()> {
        self.order(&Order::Join(credentials.into())).await
    }

    /// How it stands; its lateness is since the last report.
    pub(super) async fn report(&mut self) -> Result<Account> {
        self.order(&Order::Report).await?;
        let answer = self.answers.next_line().await?;
        let answer = answer.context("the playing process has ended")?;
        serde_json::from_str(&answer).context("not a report")
    }

    async fn order(&mut self, order: &Order) -> Result<()> {
        let mut line = serde_json::to_string(order)?;
        line.push('\n');
        let written = self.orders.write_all(line.as_bytes()).await;
        written.context("the playing process takes no orders")
    }
}
