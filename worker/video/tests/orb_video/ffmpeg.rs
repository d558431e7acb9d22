//! Streams, and what ffmpeg sees in them.

use std::path::{Path, PathBuf};
use std::process::Command;

use bytes::Bytes;
use orb_video::Error;
use orb_video::h264::{Picture, Stream};
use serde_json::Value;

/// A folder for one test's files, gone with it.
pub(crate) struct Films(tempfile::TempDir);

impl Films {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Three seconds of a moving picture, encoded by libx264 with these arguments; the name's end is the container.
    pub(crate) fn encode(&self, name: &str, arguments: &str) -> PathBuf {
        self.encode_from("testsrc2=size=240x180:rate=24:duration=3", name, arguments)
    }

    pub(crate) fn encode_from(&self, source: &str, name: &str, arguments: &str) -> PathBuf {
        let path = self.path(name);
        let encoder = ["-c:v", "libx264", "-preset", "superfast", "-g", "24"];
        run(Command::new("ffmpeg")
            .args([
                "-hide_banner",
                "-loglevel",
                "error",
                "-y",
                "-f",
                "lavfi",
                "-i",
                source,
            ])
            .args(encoder)
            .args(arguments.split_whitespace())
            .arg(&path));
        path
    }

    /// Writes pictures as a file of raw H.264.
    pub(crate) fn write<'a>(
        &self,
        name: &str,
        pictures: impl IntoIterator<Item = &'a Picture>,
    ) -> PathBuf {
        let data: Vec<u8> = pictures
            .into_iter()
            .flat_map(|picture| picture.data.to_vec())
            .collect();
        let path = self.path(name);
        std::fs::write(&path, data).unwrap();
        path
    }
}

fn run(command: &mut Command) -> (String, String) {
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{command:?}: {errors}");
    (String::from_utf8_lossy(&output.stdout).into_owned(), errors)
}

/// A film as its demuxer gives it.
pub(crate) struct Demuxed {
    pub(crate) extradata: Bytes,
    pub(crate) packets: Vec<Bytes>,
}

pub(crate) fn demux(film: &Path) -> Demuxed {
    let arguments = [
        "-v",
        "error",
        "-select_streams",
        "v",
        "-show_packets",
        "-show_streams",
        "-show_data",
        "-of",
        "json",
    ];
    let (json, _) = run(Command::new("ffprobe").args(arguments).arg(film));
    let json: Value = serde_json::from_str(&json).unwrap();
    let packets = json["packets"].as_array().unwrap();
    Demuxed {
        extradata: bytes_of_dump(&json["streams"][0]["extradata"]),
        packets: packets
            .iter()
            .map(|packet| bytes_of_dump(&packet["data"]))
            .collect(),
    }
}

/// ffprobe's hex dump: an offset, eight groups of two bytes, the same as text.
fn bytes_of_dump(dump: &Value) -> Bytes {
    let lines = dump.as_str().unwrap_or_default().lines();
    let digits: String = lines
        .filter_map(|line| line.split_once(": "))
        .flat_map(|(_, rest)| {
            rest.chars()
                .take(40)
                .filter(|c| !c.is_whitespace())
                .collect::<Vec<_>>()
        })
        .collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.as_bytes().chunks(2).map(byte).collect()
}

/// All pictures of a film, or why it is refused.
pub(crate) fn prepare(film: &Demuxed) -> Result<Vec<Picture>, Error> {
    let mut stream = Stream::new(&film.extradata)?;
    let mut pictures = Vec::new();
    for packet in &film.packets {
        pictures.extend(stream.access_unit(packet)?);
    }
    Ok(pictures)
}

/// A hash of each decoded frame.
pub(crate) fn frame_hashes(film: &Path) -> Vec<String> {
    let (hashes, errors) = run(Command::new("ffmpeg")
        .args(["-hide_banner", "-loglevel", "error", "-i"])
        .arg(film)
        .args([
            "-map",
            "0:v",
            "-fps_mode",
            "passthrough",
            "-f",
            "framemd5",
            "-",
        ]));
    assert_eq!(errors, "", "{}", film.display());
    let hashes = hashes.lines().filter(|line| !line.starts_with('#'));
    hashes
        .map(|line| line.rsplit(", ").next().unwrap().to_owned())
        .collect()
}

/// What ffprobe says of the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Probed {
    pub(crate) profile: String,
    pub(crate) level: i64,
    pub(crate) width: i64,
    pub(crate) height: i64,
    pub(crate) has_b_frames: i64,
    pub(crate) colour_space: String,
    pub(crate) frames: String,
}

pub(crate) fn probe(film: &Path) -> Probed {
    let arguments = [
        "-v",
        "error",
        "-select_streams",
        "v",
        "-count_frames",
        "-show_streams",
        "-of",
        "json",
    ];
    let (json, _) = run(Command::new("ffprobe").args(arguments).arg(film));
    let json: Value = serde_json::from_str(&json).unwrap();
    let stream = &json["streams"][0];
    let text = |key: &str| stream[key].as_str().unwrap_or_default().to_owned();
    let number = |key: &str| stream[key].as_i64().unwrap_or(-1);
    Probed {
        profile: text("profile"),
        level: number("level"),
        width: number("width"),
        height: number("height"),
        has_b_frames: number("has_b_frames"),
        colour_space: text("color_space"),
        frames: text("nb_read_frames"),
    }
}

/// The SPSs as ffmpeg's own parser reads them, line by line: `bit position  name  bits = value`.
pub(crate) fn trace(film: &Path) -> Trace {
    let (_, trace) = run(Command::new("ffmpeg")
        .args(["-hide_banner", "-i"])
        .arg(film)
        .args([
            "-c",
            "copy",
            "-bsf:v",
            "filter_units=pass_types=7,trace_headers",
            "-f",
            "null",
            "-",
        ]));
    let field = |line: &str| {
        let (_, line) = line.split_once("] ")?;
        let (left, value) = line.rsplit_once(" = ")?;
        let mut words = left.split_whitespace();
        let at = words.next()?.parse().ok()?;
        Some((at, words.next()?.to_owned(), value.trim().parse().ok()?))
    };
    Trace(trace.lines().filter_map(field).collect())
}

/// Position in bits from the NAL unit's start, name, value.
pub(crate) struct Trace(Vec<(usize, String, i64)>);

impl Trace {
    /// All values of a field. ffmpeg reads the first SPS twice: when it opens the file, and in its place.
    pub(crate) fn values(&self, name: &str) -> Vec<i64> {
        let named = self.0.iter().filter(|(_, field, _)| field == name);
        named.map(|(_, _, value)| *value).collect()
    }

    /// Where a field is.
    pub(crate) fn position(&self, name: &str) -> usize {
        self.0.iter().find(|(_, field, _)| field == name).unwrap().0
    }
}
