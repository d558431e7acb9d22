//! Makes a film that measures itself: its time can be read from any frame and heard in any second.
//!
//! ffmpeg does the work as a child process. The picture is a slow gradient with a test card, the time as
//! text for people, and the squares of the `time_code` module for machines; the sound is the
//! `click_track` module's, written to ffmpeg's standard input a second at a time. The first frame and
//! the first sample have time stamp 0, and two runs with one ffmpeg give the same bytes.

use std::io;
use std::path::Path;
use std::process::Stdio;

use tokio::io::AsyncWriteExt;
use tokio::process::ChildStdin;

use crate::Error;
use crate::click_track::second_samples;
use crate::film_command::film_command;
use crate::time_code::{MAX_MS, squares};

/// Monospaced, so that the digits stand still. Where Debian, Fedora, Arch and Alpine put it.
const FONTS: [&str; 4] = [
    "/usr/share/fonts/truetype/dejavu/DejaVuSansMono-Bold.ttf",
    "/usr/share/fonts/dejavu-sans-mono-fonts/DejaVuSansMono-Bold.ttf",
    "/usr/share/fonts/TTF/DejaVuSansMono-Bold.ttf",
    "/usr/share/fonts/dejavu/DejaVuSansMono-Bold.ttf",
];

/// How much of ffmpeg's complaint goes into an error.
const STDERR_TAIL: usize = 2_000;

/// What film to make. The default is a demo film: two minutes, 720p24, a key frame every two seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilmSpec {
    /// Length; the picture and the sound are exactly this long.
    pub seconds: u32,
    /// Picture width, even, at least 320.
    pub width: u32,
    /// Picture height, even, at least 180.
    pub height: u32,
    /// Frames a second, 1 to 120.
    pub fps: u32,
    /// A key frame at every multiple of this and nowhere else; at least 1.
    pub gop_seconds: u32,
    /// B-frames between two others, 0 to 3.
    pub bframes: u8,
    /// The sound, `None` for a silent film without an audio stream.
    pub audio: Option<Audio>,
    /// The file format.
    pub container: Container,
}

impl Default for FilmSpec {
    fn default() -> Self {
        Self {
            seconds: 120,
            width: 1280,
            height: 720,
            fps: 24,
            gop_seconds: 2,
            bframes: 0,
            audio: Some(Audio::AacStereo),
            container: Container::Mkv,
        }
    }
}

/// Codec and channels of the sound. In 5.1 the clicks are in front left, right and centre, equally
/// loud; the other channels are silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audio {
    /// AAC-LC, 2.0.
    AacStereo,
    /// AAC-LC, 5.1.
    AacSurround,
    /// AC-3, 5.1.
    Ac3Surround,
    /// Opus, 2.0.
    OpusStereo,
    /// FLAC, 2.0: sample for sample what the specification says.
    FlacStereo,
}

impl Audio {
    pub(crate) fn encoder(self) -> &'static str {
        match self {
            Self::AacStereo => "-c:a aac -b:a 160k",
            Self::AacSurround => "-c:a aac -b:a 384k",
            Self::Ac3Surround => "-c:a ac3 -b:a 448k",
            Self::OpusStereo => "-c:a libopus -b:a 128k",
            Self::FlacStereo => "-c:a flac",
        }
    }

    pub(crate) fn channels(self) -> &'static str {
        match self {
            Self::AacStereo | Self::OpusStereo | Self::FlacStereo => "pan=stereo|FL=c0|FR=c0",
            Self::AacSurround | Self::Ac3Surround => "pan=5.1|FL=c0|FR=c0|FC=c0",
        }
    }

    /// Samples that the encoder puts before the first one. In Matroska their packet would have a negative
    /// time stamp, for which ffmpeg shifts the whole film (by 21 ms for AAC); so there the sound begins
    /// that much later. MP4 has edit lists for it.
    pub(crate) fn priming(self, container: Container) -> usize {
        match (self, container) {
            (_, Container::Mp4) | (Self::FlacStereo, _) => 0,
            (Self::AacStereo | Self::AacSurround, Container::Mkv) => 1024,
            (Self::Ac3Surround, Container::Mkv) => 256,
            (Self::OpusStereo, Container::Mkv) => 312,
        }
    }

    /// Samples of the sound to leave out, so that the rest is in its place again. A reader knows Opus's
    /// priming (`CodecDelay`) and takes it off by itself.
    fn skip(self, container: Container) -> usize {
        match self {
            Self::OpusStereo => 0,
            _ => self.priming(container),
        }
    }
}

/// The file format of a film.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Container {
    /// Matroska.
    Mkv,
    /// MP4 with its index at the front.
    Mp4,
}

/// Makes the film at `path`, which is replaced at the end and only if all went well. Takes about an
/// eighth of the film's length for 720p24 on two cores. Dropping the future kills ffmpeg.
pub async fn generate(path: &Path, spec: FilmSpec) -> Result<(), Error> {
    check(&spec)?;
    let font = FONTS
        .into_iter()
        .find(|font| Path::new(font).exists())
        .ok_or(Error::FontMissing)?;
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    // Beside the film: a rename must not cross file systems.
    let work = tempfile::Builder::new()
        .prefix(".film-")
        .tempdir_in(folder)
        .map_err(Error::file(folder))?;
    let codes = work.path().join("codes");
    let output = work.path().join("film");
    tokio::fs::write(&codes, time_code_frames(&spec))
        .await
        .map_err(Error::file(&codes))?;

    let mut child = film_command(&spec, font, &codes, &output)
        .stdin(if spec.audio.is_some() {
            Stdio::piped()
        } else {
            Stdio::null()
        })
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|source| Error::ProgramMissing {
            program: "ffmpeg",
            source,
        })?;
    let (fed, ended) = tokio::join!(
        feed_sound(child.stdin.take(), &spec),
        child.wait_with_output()
    );
    let ended = ended.map_err(Error::file(path))?;
    if !ended.status.success() {
        let stderr = String::from_utf8_lossy(&ended.stderr);
        let tail = stderr
            .char_indices()
            .rev()
            .nth(STDERR_TAIL)
            .map_or(0, |(at, _)| at);
        return Err(Error::Ffmpeg {
            stderr: stderr[tail..].trim().to_owned(),
        });
    }
    fed.map_err(Error::file(path))?;
    tokio::fs::rename(&output, path)
        .await
        .map_err(Error::file(path))
}

fn check(spec: &FilmSpec) -> Result<(), Error> {
    let problem = if spec.seconds == 0 || u64::from(spec.seconds) * 1000 > MAX_MS {
        "seconds must be 1 to 16777"
    } else if spec.width < 320 || spec.height < 180 || !(spec.width | spec.height).is_multiple_of(2)
    {
        "width and height must be even, at least 320x180"
    } else if spec.width > 7680 || spec.height > 4320 {
        "width and height must be at most 7680x4320"
    } else if !(1..=120).contains(&spec.fps) {
        "fps must be 1 to 120"
    } else if spec.gop_seconds == 0 || spec.gop_seconds > 3600 {
        "gop_seconds must be 1 to 3600"
    } else if spec.bframes > 3 {
        "bframes must be 0 to 3"
    } else {
        return Ok(());
    };
    Err(Error::Spec { problem })
}

/// A picture of one byte a square for each frame; ffmpeg makes it big.
fn time_code_frames(spec: &FilmSpec) -> Vec<u8> {
    let fps = u64::from(spec.fps);
    (0..u64::from(spec.seconds) * fps)
        .map(|frame| (frame * 2000 + fps) / (2 * fps)) // rounded, as the containers do
        .flat_map(|ms| squares(ms).map(|white| if white { 255 } else { 0 }))
        .collect()
}

async fn feed_sound(stdin: Option<ChildStdin>, spec: &FilmSpec) -> io::Result<()> {
    let (Some(mut stdin), Some(audio)) = (stdin, spec.audio) else {
        return Ok(());
    };
    let mut skip = audio.skip(spec.container);
    for second in 0..u64::from(spec.seconds) {
        let bytes: Vec<u8> = second_samples(second)
            .into_iter()
            .skip(skip)
            .flat_map(i16::to_le_bytes)
            .collect();
        stdin.write_all(&bytes).await?;
        skip = 0;
    }
    stdin.shutdown().await
}
