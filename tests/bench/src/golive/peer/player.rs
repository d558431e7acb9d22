//! The peer's player: a node process that plays what it is told and tells when each picture went out.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::report;

const MANIFEST: &str = "package.json";
const LOCK: &str = "package-lock.json";
const PROGRAM: &str = "play.mjs";

/// What it is made of; `npm ci` adds the rest.
const FILES: [(&str, &str); 3] = [
    (MANIFEST, include_str!("../../../peer/package.json")),
    (LOCK, include_str!("../../../peer/package-lock.json")),
    (PROGRAM, include_str!("../../../peer/play.mjs")),
];

/// What npm leaves behind when it is done.
const INSTALLED: &str = "node_modules/.package-lock.json";

/// Its Opus encoder may have to be compiled; the registry may not answer at all.
const INSTALLED_WITHIN: Duration = Duration::from_mins(5);

/// Longer than any start, also on a machine that has other things to do.
const ANSWERS_WITHIN: Duration = Duration::from_secs(20);

/// Who decides when a picture is due: the package has both.
#[derive(Clone, Copy, Debug)]
pub(super) enum Pacing {
    /// `-re` (`readAtNativeFps`): each picture goes on as it comes. Its default.
    Ffmpeg,
    /// Its own timer for each picture, and ffmpeg as fast as the pipe takes it.
    Timer,
}

impl Pacing {
    fn order(self) -> &'static str {
        match self {
            Self::Ffmpeg => "ffmpeg",
            Self::Timer => "timer",
        }
    }

    pub(super) fn describe(self) -> &'static str {
        match self {
            Self::Ffmpeg => "ffmpeg's -re (readAtNativeFps, its default)",
            Self::Timer => "its own timer (readAtNativeFps off)",
        }
    }
}

/// What the player says.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Answer {
    Ready(About),
    /// In ms, since play was called.
    First(f64),
    Stopped(Played),
    /// It stopped by itself.
    Failed(String),
}

#[derive(Debug, Deserialize)]
struct About {
    version: String,
    license: String,
    node: String,
}

/// What was played from a `play` to its `stop`.
#[derive(Debug, Deserialize)]
pub(super) struct Played {
    /// When each picture was handed over, in ms since play was called.
    pub(super) pictures_ms: Vec<f64>,
    pub(super) picture_bytes: u64,
    pub(super) sound_frames: u64,
    /// Those of RTP and RTCP, of picture and sound.
    pub(super) packets: u64,
    /// The package that encoded the sound: compiled, or JavaScript.
    pub(super) opus: String,
    /// How it started ffmpeg.
    pub(super) command: String,
}

impl Played {
    /// When pictures were handed over, from then on.
    pub(super) fn times_from(&self, since: Duration) -> Vec<Duration> {
        let times = self.pictures_ms.iter().map(|ms| from_ms(*ms));
        times.filter(|at| *at >= since).collect()
    }

    /// From then to the last picture.
    pub(super) fn length_from(&self, since: Duration) -> Duration {
        let last = self.pictures_ms.last().copied().unwrap_or_default();
        from_ms(last).saturating_sub(since)
    }
}

/// The running process. It ends with its input, and its ffmpeg with it, so also when this program is killed.
pub(super) struct Player {
    child: Child,
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    about: About,
}

impl Player {
    /// Installs it if need be and starts it.
    pub(super) async fn start() -> Result<Self> {
        let folder = install().await?;
        let mut child = Command::new("node")
            .arg(PROGRAM)
            // Its sockets to ffmpeg are made where it runs.
            .current_dir(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("cannot start node; install the package nodejs")?;
        let orders = child.stdin.take().context("its input is piped")?;
        let output = child.stdout.take().context("its output is piped")?;
        let mut answers = BufReader::new(output).lines();
        let Answer::Ready(about) = next(&mut answers).await? else {
            bail!("{PROGRAM} did not say that it is ready");
        };
        Ok(Self {
            child,
            orders,
            answers,
            about,
        })
    }

    pub(super) fn pid(&self) -> Result<u32> {
        self.child.id().context("the peer's node process has ended")
    }

    /// Plays an address; comes back with how long its first picture took.
    pub(super) async fn play(&mut self, pacing: Pacing, url: &str) -> Result<Duration> {
        self.order(&format!("play {} {url}\n", pacing.order()))
            .await?;
        match next(&mut self.answers).await? {
            Answer::First(ms) => Ok(from_ms(ms)),
            other => bail!("the peer did not play: {other:?}"),
        }
    }

    pub(super) async fn stop(&mut self) -> Result<Played> {
        self.order("stop\n").await?;
        match next(&mut self.answers).await? {
            Answer::Stopped(played) => Ok(played),
            Answer::Failed(why) => bail!("the peer stopped by itself: {why}"),
            other => bail!("the peer did not stop: {other:?}"),
        }
    }

    pub(super) fn describe(&self) -> String {
        let About {
            version,
            license,
            node,
        } = &self.about;
        format!(
            "npm @dank074/discord-video-stream {version} ({license}) on node {node}, tests/bench/peer/play.mjs: its \
             packets are made and encrypted, its sendPacket (the socket) is stubbed"
        )
    }

    async fn order(&mut self, line: &str) -> Result<()> {
        let written = self.orders.write_all(line.as_bytes()).await;
        written.context("the peer's node process takes no orders")
    }
}

async fn next(answers: &mut Lines<BufReader<ChildStdout>>) -> Result<Answer> {
    loop {
        let line = tokio::time::timeout(ANSWERS_WITHIN, answers.next_line())
            .await
            .with_context(|| format!("{PROGRAM} said nothing for {ANSWERS_WITHIN:?}"))??
            .with_context(|| format!("{PROGRAM} has ended"))?;
        // The package has messages of its own, which are no JSON.
        match serde_json::from_str(&line) {
            Ok(answer) => return Ok(answer),
            Err(_) => eprintln!("the peer: {line}"),
        }
    }
}

/// Under `target`, and only when it is asked for: nothing else needs it.
async fn install() -> Result<PathBuf> {
    let folder = report::folder()?.join("peer");
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make {}", folder.display()))?;
    let same = |(name, text): &(&str, &str)| {
        std::fs::read_to_string(folder.join(name)).is_ok_and(|there| there == *text)
    };
    let done = folder.join(INSTALLED);
    let installed = done.exists() && FILES[..2].iter().all(same);
    for (name, text) in FILES {
        let path = folder.join(name);
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    if installed {
        return Ok(folder);
    }
    eprintln!("installing the peer in {}", folder.display());
    if done.exists() {
        // Of another version: npm may fail before it takes that away.
        std::fs::remove_file(&done).with_context(|| format!("cannot remove {}", done.display()))?;
    }
    // What it asks for beside itself is a client of Discord, which is not needed to play.
    let npm = Command::new("npm")
        .args("ci --legacy-peer-deps --no-audit --no-fund --loglevel=error".split(' '))
        .current_dir(&folder)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let npm = tokio::time::timeout(INSTALLED_WITHIN, npm)
        .await
        .with_context(|| format!("npm ci took longer than {INSTALLED_WITHIN:?}"))?
        .context("cannot start npm; install the package npm")?;
    if !npm.status.success() {
        let complaint = String::from_utf8_lossy(&npm.stderr);
        bail!("npm ci {}: {}", npm.status, complaint.trim_end());
    }
    Ok(folder)
}

fn from_ms(ms: f64) -> Duration {
    Duration::from_secs_f64(ms.max(0.0) / 1e3)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn answers_are_understood() {
        let ready = r#"{"ready":{"version":"3.2.0","license":"ISC","node":"v20.1.0"}}"#;
        let ready = serde_json::from_str(ready).unwrap();
        assert!(matches!(ready, Answer::Ready(about) if about.version == "3.2.0"));
        let first = serde_json::from_str(r#"{"first":512.25}"#).unwrap();
        assert!(matches!(first, Answer::First(ms) if from_ms(ms).as_micros() == 512_250));
        assert!(serde_json::from_str::<Answer>("cannot play video").is_err());
    }

    #[test]
    fn what_came_before_is_left_out() {
        let stopped = r#"{"stopped":{"pictures_ms":[500,541.5,600],"picture_bytes":9,"sound_frames":2,"packets":3,"opus":"","command":""}}"#;
        let Answer::Stopped(played) = serde_json::from_str(stopped).unwrap() else {
            panic!("{stopped}");
        };
        let since = Duration::from_millis(520);
        assert_eq!(played.times_from(since).len(), 2);
        assert_eq!(played.length_from(since), Duration::from_millis(80));
    }

    #[test]
    fn the_lock_is_of_the_version_that_is_asked_for() {
        let manifest: serde_json::Value = serde_json::from_str(FILES[0].1).unwrap();
        let lock: serde_json::Value = serde_json::from_str(FILES[1].1).unwrap();
        let name = "@dank074/discord-video-stream";
        let locked = &lock["packages"][format!("node_modules/{name}")]["version"];
        assert_eq!(&manifest["dependencies"][name], locked);
    }
}
