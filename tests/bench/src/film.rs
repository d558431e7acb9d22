//! The films that are played, made once and kept in `target/bench/films`.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use jellyfin_sim::film::{FilmSpec, generate};
use tokio::process::Command;

use crate::report;

/// From one key frame to the next in the films that are seeked in: the longest that encoders choose by themselves.
pub(crate) const GOP_SECONDS: u32 = 10;

/// A film of the library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Film {
    /// 720p24 8-bit H.264 with AAC: its picture is copied.
    Copied,
    /// The same in 10 bits, which no browser plays: its picture is decoded and encoded again.
    Transcoded,
    /// Its sound alone, as Opus.
    Sound,
    /// 720p24 at 2.5 Mbit/s with a key frame each second, and eleven minutes long: copied.
    Steady,
}

impl Film {
    /// What every bench has in its library.
    pub(crate) const ALL: [Self; 3] = [Self::Copied, Self::Transcoded, Self::Sound];

    /// Item id in the library.
    pub(crate) fn id(self) -> &'static str {
        match self {
            Self::Copied => "be0c0000000000000000000000000001",
            Self::Transcoded => "be0c0000000000000000000000000002",
            Self::Sound => "be0c0000000000000000000000000003",
            Self::Steady => "be0c0000000000000000000000000004",
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Copied => "copy",
            Self::Transcoded => "transcode",
            Self::Sound => "sound",
            Self::Steady => "steady",
        }
    }

    /// The copied one outlasts the bench of eight sessions, the sound that of thirty-two.
    pub(crate) fn seconds(self) -> u32 {
        match self {
            Self::Copied => 240,
            Self::Transcoded => 120,
            Self::Sound => 900,
            Self::Steady => 660,
        }
    }

    /// What its file is called, which is made anew when that changes.
    fn file_name(self) -> String {
        let (name, seconds) = (self.name(), self.seconds());
        match self {
            Self::Copied | Self::Transcoded => {
                format!("{name}-720p24-gop{GOP_SECONDS}-{seconds}s.mkv")
            }
            Self::Steady => format!("{name}-720p24-gop1-{seconds}s.mkv"),
            Self::Sound => format!("{name}-{seconds}s.mkv"),
        }
    }

    /// Its file, made if need be.
    pub(crate) async fn file(self) -> Result<PathBuf> {
        let folder = report::folder()?.join("films");
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("cannot make {}", folder.display()))?;
        let path = folder.join(self.file_name());
        if path.exists() {
            return Ok(path);
        }
        eprintln!("making {}", path.display());
        match self {
            Self::Copied => {
                let spec = FilmSpec {
                    seconds: self.seconds(),
                    gop_seconds: GOP_SECONDS,
                    ..FilmSpec::default()
                };
                generate(&path, spec).await?;
            }
            Self::Transcoded => {
                let copied = Box::pin(Self::Copied.file()).await?;
                let options = "-c:v libx264 -preset ultrafast -crf 23 -pix_fmt yuv420p10le -c:a copy \
                               -force_key_frames source -g 100000 -sc_threshold 0";
                convert(&copied, options, self.seconds(), &path).await?;
            }
            Self::Steady => {
                let long = folder.join("long-720p24.mkv");
                let spec = FilmSpec {
                    seconds: self.seconds(),
                    ..FilmSpec::default()
                };
                generate(&long, spec).await?;
                // A test card needs little; noise makes it cost what a film does, and leaves the time readable.
                let options = "-vf noise=alls=24:allf=t,format=yuv420p -c:v libx264 -preset superfast -bf 0 -g 24 \
                               -sc_threshold 0 -x264-params slices=1:sliced-threads=0 -b:v 2500k -maxrate 2500k \
                               -bufsize 1250k -c:a copy";
                convert(&long, options, self.seconds(), &path).await?;
                std::fs::remove_file(&long).context("cannot remove the film's model")?;
            }
            Self::Sound => {
                let copied = Box::pin(Self::Copied.file()).await?;
                let options = "-vn -c:a libopus -b:a 128k";
                convert(&copied, options, self.seconds(), &path).await?;
            }
        }
        Ok(path)
    }
}

/// The times of the film's key frames, in seconds, as ffprobe finds them.
pub(crate) async fn key_frames(film: Film) -> Result<Vec<f64>> {
    let probe = "-v error -select_streams v:0 -show_entries packet=pts_time,flags -of csv=p=0";
    let output = Command::new("ffprobe")
        .args(probe.split(' '))
        .arg(film.file().await?)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .context("cannot start ffprobe; install the package ffmpeg")?;
    let packets = String::from_utf8_lossy(&output.stdout);
    let key_frames = packets.lines().filter_map(|line| {
        let (time, flags) = line.split_once(',')?;
        flags.contains('K').then(|| time.parse().ok())?
    });
    Ok(key_frames.collect())
}

/// A film for queues: short enough that many follow each other in a minute, with sound that tells its seconds.
pub(crate) async fn short(seconds: u32) -> Result<PathBuf> {
    let folder = report::folder()?.join("films");
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make {}", folder.display()))?;
    let path = folder.join(format!("short-360p24-{seconds}s.mkv"));
    if !path.exists() {
        let spec = FilmSpec {
            seconds,
            width: 640,
            height: 360,
            ..FilmSpec::default()
        };
        generate(&path, spec).await?;
    }
    Ok(path)
}

/// So many seconds of a film, again and again if it is shorter, made into another by options of ffmpeg's.
async fn convert(film: &Path, options: &str, seconds: u32, path: &Path) -> Result<()> {
    let unfinished = path.with_extension("unfinished.mkv");
    let status = Command::new("ffmpeg")
        .args("-v error -nostdin -y -stream_loop -1 -i".split(' '))
        .arg(film)
        .args(["-t", &seconds.to_string()])
        .args(options.split_whitespace())
        .arg(&unfinished)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .status()
        .await
        .context("cannot start ffmpeg; install the package ffmpeg")?;
    if !status.success() {
        bail!("ffmpeg cannot make {}: {status}", path.display());
    }
    std::fs::rename(&unfinished, path).context("cannot rename the film")
}
