//! What a start is compared with: ffprobe, then ffmpeg up to its first byte, one after the other.
//!
//! This is the least that anybody needs who looks at a film before playing it: no proxy, no scheduler, no pacing, no
//! network to a member. The options are those that the worker needs for the same output (sound as Opus in frames of
//! 20 ms, a Matroska cluster for each packet), without its limits and its second output.

use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::io::AsyncReadExt;
use tokio::process::Command;

use crate::film::Film;

const COPY: &str = "-c:v copy";
const TRANSCODE: &str = "-vf scale=1280:720,setsar=1,format=yuv420p -c:v libx264 -preset superfast \
                         -profile:v high -bf 0 -sc_threshold 0 -g 48 -b:v 2500k -maxrate 2500k -bufsize 2500k";
const SOUND: &str = "-c:a libopus -b:a 128k -ac 2 -ar 48000 -frame_duration 20";
const OUTPUT: &str =
    "-sn -dn -f matroska -cluster_time_limit 1 -flush_packets 1 -avoid_negative_ts disabled pipe:1";

/// How long both took.
pub(crate) async fn probe_and_first_byte(film: Film, url: &str) -> Result<Duration> {
    let start = Instant::now();
    probe(url).await?;
    first_byte(film, url).await?;
    Ok(start.elapsed())
}

async fn probe(url: &str) -> Result<()> {
    let probed = Command::new("ffprobe")
        .args("-v error -of json -show_format -show_streams -i".split(' '))
        .arg(url)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .context("cannot start ffprobe; install the package ffmpeg")?;
    if !probed.status.success() || probed.stdout.is_empty() {
        let complaint = String::from_utf8_lossy(&probed.stderr);
        bail!("ffprobe {}: {complaint}", probed.status);
    }
    Ok(())
}

async fn first_byte(film: Film, url: &str) -> Result<()> {
    let picture = match film {
        Film::Copied | Film::Steady => COPY,
        Film::Sound => "-vn",
        Film::Transcoded => TRANSCODE,
    };
    let mut ffmpeg = Command::new("ffmpeg")
        .args("-nostdin -v error -i".split(' '))
        .arg(url)
        .args("-map 0:v:0 -map 0:a:0".split(' '))
        .args(picture.split_whitespace())
        .args(SOUND.split(' '))
        .args(OUTPUT.split(' '))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("cannot start ffmpeg; install the package ffmpeg")?;
    let mut output = ffmpeg.stdout.take().context("its output is piped")?;
    output
        .read_u8()
        .await
        .context("ffmpeg ended without a byte")?;
    // Beyond the measured time, but what comes next must not share the machine with it.
    ffmpeg.kill().await.context("cannot end ffmpeg")
}
