//! What ffprobe says of a file, in Jellyfin's words.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::Error;
use crate::titles::Chapter;

/// Jellyfin counts time in units of 100 ns.
const TICKS_PER_SECOND: f64 = 1e7;

/// The parts of a media source that come from the file; empty for a file that is no media.
#[derive(Debug, Default)]
pub(crate) struct Probe {
    pub(crate) run_time_ticks: Option<u64>,
    pub(crate) bit_rate: Option<u64>,
    /// Jellyfin's `MediaStreams`.
    pub(crate) streams: Vec<Value>,
    pub(crate) chapters: Vec<Chapter>,
}

#[derive(Deserialize)]
struct Output {
    #[serde(default)]
    streams: Vec<Stream>,
    #[serde(default)]
    chapters: Vec<Mark>,
    #[serde(default)]
    format: Format,
}

#[derive(Deserialize)]
struct Mark {
    /// Seconds.
    start_time: Option<String>,
    #[serde(default)]
    tags: Tags,
}

#[derive(Deserialize, Default)]
struct Format {
    duration: Option<String>,
    bit_rate: Option<String>,
}

#[derive(Deserialize)]
struct Stream {
    index: u32,
    codec_type: Option<String>,
    codec_name: Option<String>,
    profile: Option<String>,
    level: Option<i32>,
    width: Option<u32>,
    height: Option<u32>,
    refs: Option<u32>,
    pix_fmt: Option<String>,
    bits_per_raw_sample: Option<String>,
    display_aspect_ratio: Option<String>,
    avg_frame_rate: Option<String>,
    r_frame_rate: Option<String>,
    time_base: Option<String>,
    bit_rate: Option<String>,
    channels: Option<u32>,
    channel_layout: Option<String>,
    sample_rate: Option<String>,
    #[serde(default)]
    disposition: Disposition,
    #[serde(default)]
    tags: Tags,
}

#[derive(Deserialize, Default)]
struct Disposition {
    #[serde(default)]
    default: u8,
    #[serde(default)]
    forced: u8,
}

#[derive(Deserialize, Default)]
struct Tags {
    language: Option<String>,
    title: Option<String>,
}

/// Runs ffprobe. A file that it cannot read is an empty [`Probe`], as it is for Jellyfin: such a film can be
/// listed and asked for, and does not play.
pub(crate) async fn probe(path: &Path) -> Result<Probe, Error> {
    let output = Command::new("ffprobe")
        .args([
            "-v",
            "error",
            "-of",
            "json",
            "-show_format",
            "-show_streams",
            "-show_chapters",
            "-i",
        ])
        .arg(path)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|source| Error::ProgramMissing {
            program: "ffprobe",
            source,
        })?;
    let parsed: Option<Output> = serde_json::from_slice(&output.stdout).ok();
    let Some(Output {
        streams,
        chapters,
        format,
    }) = parsed.filter(|_| output.status.success())
    else {
        tracing::warn!(path = %path.display(), "ffprobe cannot read the film");
        return Ok(Probe::default());
    };
    let seconds = format.duration.and_then(|d| d.parse::<f64>().ok());
    Ok(Probe {
        run_time_ticks: seconds.map(|s| (s * TICKS_PER_SECOND).round() as u64),
        bit_rate: format.bit_rate.and_then(|b| b.parse().ok()),
        streams: streams.iter().filter_map(media_stream).collect(),
        chapters: (1..).zip(chapters).filter_map(chapter).collect(),
    })
}

/// A chapter without a name is called by its number.
fn chapter((number, mark): (usize, Mark)) -> Option<Chapter> {
    let seconds = mark.start_time?.parse().ok()?;
    let start = Duration::try_from_secs_f64(seconds).ok()?;
    let name = mark
        .tags
        .title
        .unwrap_or_else(|| format!("Chapter {number}"));
    Some(Chapter { start, name })
}

fn media_stream(stream: &Stream) -> Option<Value> {
    let kind = match stream.codec_type.as_deref()? {
        "video" => "Video",
        "audio" => "Audio",
        "subtitle" => "Subtitle",
        _ => return None,
    };
    let number = |text: &Option<String>| text.as_deref().and_then(|t| t.parse::<u64>().ok());
    let mut out = json!({
        "Type": kind,
        "Index": stream.index,
        "Codec": stream.codec_name,
        "Language": stream.tags.language,
        "Title": stream.tags.title,
        "TimeBase": stream.time_base,
        "Profile": stream.profile,
        "BitRate": number(&stream.bit_rate),
        "IsDefault": stream.disposition.default == 1,
        "IsForced": stream.disposition.forced == 1,
        "IsExternal": false,
        "IsInterlaced": false,
        "IsHearingImpaired": false,
        "IsTextSubtitleStream": kind == "Subtitle" && is_text(stream.codec_name.as_deref()),
        "SupportsExternalStream": kind == "Subtitle",
    });
    let more = match kind {
        "Video" => json!({
            "Width": stream.width,
            "Height": stream.height,
            "RefFrames": stream.refs,
            "Level": stream.level,
            "PixelFormat": stream.pix_fmt,
            "BitDepth": number(&stream.bits_per_raw_sample).unwrap_or(8),
            "AspectRatio": stream.display_aspect_ratio,
            "AverageFrameRate": stream.avg_frame_rate.as_deref().and_then(frame_rate),
            "RealFrameRate": stream.r_frame_rate.as_deref().and_then(frame_rate),
            "VideoRange": "SDR",
            "VideoRangeType": "SDR",
        }),
        "Audio" => json!({
            "Channels": stream.channels,
            "ChannelLayout": stream.channel_layout,
            "SampleRate": number(&stream.sample_rate),
        }),
        _ => json!({}),
    };
    if let (Value::Object(out), Value::Object(more)) = (&mut out, more) {
        out.extend(more);
        out.retain(|_, value| !value.is_null()); // the server leaves out what it does not know
    }
    Some(out)
}

fn is_text(codec: Option<&str>) -> bool {
    matches!(
        codec,
        Some("subrip" | "ass" | "ssa" | "webvtt" | "mov_text" | "text")
    )
}

/// `24000/1001` → 23.976…
fn frame_rate(text: &str) -> Option<f64> {
    let (num, den) = text.split_once('/')?;
    let rate = num.parse::<f64>().ok()? / den.parse::<f64>().ok()?;
    rate.is_finite().then_some(rate)
}
