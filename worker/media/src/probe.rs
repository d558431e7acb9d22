//! What is in a source: ffprobe's JSON, reduced to what a plan needs.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::{Failure, code};

/// The streams that would be played, and what is known of the whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Probe {
    /// ffmpeg's name of the container, such as `matroska,webm`.
    pub container: String,
    /// The length, if the container says it.
    pub duration_ms: Option<u64>,
    /// The first picture that moves (cover art is none).
    pub video: Option<VideoStream>,
    /// The default audio track, or else the first.
    pub audio: Option<AudioStream>,
}

/// A picture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VideoStream {
    /// Index in the container.
    pub index: u32,
    /// ffmpeg's name, such as `h264`.
    pub codec: String,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// ffmpeg's name, such as `yuv420p`.
    pub pix_fmt: String,
    /// Frames per second; 0 if unknown.
    pub fps: f64,
    /// Of this stream if known, else of the whole file.
    pub bits_per_second: Option<u64>,
    /// The transfer function is PQ or HLG.
    pub hdr: bool,
    /// Fields instead of frames.
    pub interlaced: bool,
    /// Pixels are not square, or the picture is to be turned.
    pub reshaped: bool,
    /// Pictures are not coded in the order in which they are shown.
    pub reorders: bool,
    /// Why its packets cannot go into a voice channel, if that was tried.
    pub copy_refused: Option<String>,
}

impl VideoStream {
    /// Frames per second, as films have them where it is unknown.
    pub(crate) fn frame_rate(&self) -> f64 {
        if self.fps > 0.0 { self.fps } else { 24.0 }
    }
}

/// A sound.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AudioStream {
    /// Index in the container.
    pub index: u32,
    /// ffmpeg's name, such as `aac`.
    pub codec: String,
    /// Channels.
    pub channels: u32,
    /// Where it ends, if the container says it: often before the picture does.
    pub end_ms: Option<u64>,
}

impl Probe {
    /// Reads `ffprobe -of json -show_format -show_streams`.
    pub(crate) fn parse(json: &[u8]) -> Result<Self, Failure> {
        let raw: Raw = serde_json::from_slice(json)
            .map_err(|_| undecodable("ffprobe gave no answer that can be read"))?;
        let Some(format) = raw.format else {
            return Err(undecodable("the source is not a media file"));
        };
        let file_rate = number(format.bit_rate.as_deref());
        let video = raw
            .streams
            .iter()
            .find(|s| s.is("video") && !s.disposition.has("attached_pic"))
            .map(|s| s.video(file_rate));
        let audio = raw
            .streams
            .iter()
            .filter(|s| s.is("audio") && s.codec_name.is_some() && s.channels > 0)
            .max_by_key(|s| (s.disposition.has("default"), std::cmp::Reverse(s.index)))
            .map(|s| AudioStream {
                index: s.index,
                codec: s.codec_name.clone().unwrap_or_default(),
                channels: s.channels,
                end_ms: s.end_ms(),
            });
        if video.is_none() && audio.is_none() {
            return Err(undecodable("the source has neither picture nor sound"));
        }
        let seconds = number::<f64>(format.duration.as_deref()).filter(|s| *s > 0.0);
        Ok(Self {
            container: format.format_name.unwrap_or_default(),
            duration_ms: seconds.map(ms),
            video,
            audio,
        })
    }
}

fn undecodable(message: &str) -> Failure {
    Failure::new(code::SOURCE_UNDECODABLE, message)
}

fn number<T: std::str::FromStr>(text: Option<&str>) -> Option<T> {
    text?.parse().ok()
}

#[derive(Deserialize)]
struct Raw {
    #[serde(default)]
    streams: Vec<RawStream>,
    format: Option<RawFormat>,
}

#[derive(Deserialize)]
struct RawFormat {
    format_name: Option<String>,
    duration: Option<String>,
    bit_rate: Option<String>,
}

#[derive(Deserialize)]
struct RawStream {
    index: u32,
    codec_type: Option<String>,
    codec_name: Option<String>,
    #[serde(default)]
    width: u32,
    #[serde(default)]
    height: u32,
    pix_fmt: Option<String>,
    avg_frame_rate: Option<String>,
    bit_rate: Option<String>,
    duration: Option<String>,
    color_transfer: Option<String>,
    field_order: Option<String>,
    sample_aspect_ratio: Option<String>,
    #[serde(default)]
    has_b_frames: u32,
    #[serde(default)]
    channels: u32,
    #[serde(default)]
    disposition: Disposition,
    #[serde(default)]
    tags: HashMap<String, String>,
    #[serde(default)]
    side_data_list: Vec<SideData>,
}

#[derive(Deserialize, Default)]
struct Disposition(HashMap<String, u8>);

impl Disposition {
    fn has(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|v| *v != 0)
    }
}

#[derive(Deserialize)]
struct SideData {
    rotation: Option<f64>,
}

impl RawStream {
    fn is(&self, kind: &str) -> bool {
        self.codec_type.as_deref() == Some(kind)
    }

    fn end_ms(&self) -> Option<u64> {
        let stated = number::<f64>(self.duration.as_deref()).map(ms);
        // Matroska has it in a tag, with a language at its end or without.
        let tag = || {
            self.tags
                .iter()
                .find(|(name, _)| name.starts_with("DURATION"))
        };
        stated.or_else(|| clock_time(tag()?.1))
    }

    fn video(&self, file_rate: Option<u64>) -> VideoStream {
        let rotated = self
            .side_data_list
            .iter()
            .any(|s| s.rotation.is_some_and(|r| r != 0.0));
        let square = matches!(
            self.sample_aspect_ratio.as_deref(),
            None | Some("1:1" | "0:1" | "N/A")
        );
        VideoStream {
            index: self.index,
            codec: self.codec_name.clone().unwrap_or_default(),
            width: self.width,
            height: self.height,
            pix_fmt: self.pix_fmt.clone().unwrap_or_default(),
            fps: self.avg_frame_rate.as_deref().map_or(0.0, ratio),
            // Matroska has the rate in a tag that mkvmerge writes.
            bits_per_second: number(self.bit_rate.as_deref())
                .or_else(|| number(self.tags.get("BPS").map(String::as_str)))
                .or(file_rate),
            hdr: matches!(
                self.color_transfer.as_deref(),
                Some("smpte2084" | "arib-std-b67")
            ),
            interlaced: matches!(self.field_order.as_deref(), Some("tt" | "bb" | "tb" | "bt")),
            reshaped: rotated || !square,
            reorders: self.has_b_frames > 0,
            copy_refused: None,
        }
    }
}

fn ms(seconds: f64) -> u64 {
    (seconds * 1000.0).round() as u64
}

/// `01:30:20.480000000` in ms.
fn clock_time(text: &str) -> Option<u64> {
    let mut parts = text.trim().splitn(3, ':');
    let (hours, minutes, seconds) = (parts.next()?, parts.next()?, parts.next()?);
    let whole = hours.parse::<u64>().ok()? * 3600 + minutes.parse::<u64>().ok()? * 60;
    Some(whole * 1000 + ms(seconds.parse().ok()?))
}

/// `24000/1001` as a number; 0 for `0/0`.
fn ratio(text: &str) -> f64 {
    let (n, d) = text.split_once('/').unwrap_or((text, "1"));
    match (n.parse::<f64>(), d.parse::<f64>()) {
        (Ok(n), Ok(d)) if d > 0.0 => n / d,
        _ => 0.0,
    }
}

/// Probes of the last minutes, so that a seek or a restart does not probe again. Keyed by the URL
/// with its secrets, which therefore never leaves this map.
#[derive(Default)]
pub(crate) struct ProbeCache(HashMap<String, (Instant, Probe)>);

impl ProbeCache {
    const CAPACITY: usize = 128;

    pub(crate) fn get(&self, url: &str, now: Instant, kept: Duration) -> Option<Probe> {
        let (at, probe) = self.0.get(url)?;
        (now.duration_since(*at) < kept).then(|| probe.clone())
    }

    pub(crate) fn insert(&mut self, url: String, now: Instant, probe: Probe, kept: Duration) {
        self.0.retain(|_, (at, _)| now.duration_since(*at) < kept);
        if self.0.len() >= Self::CAPACITY
            && let Some(oldest) = self.0.iter().min_by_key(|(_, (at, _))| *at)
        {
            let oldest = oldest.0.clone();
            self.0.remove(&oldest);
        }
        self.0.insert(url, (now, probe));
    }

    pub(crate) fn forget(&mut self, url: &str) {
        self.0.remove(url);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const FILM: &str = r#"{"streams":[
        {"index":0,"codec_type":"video","codec_name":"mjpeg","width":600,"height":900,
         "disposition":{"attached_pic":1,"default":0}},
        {"index":1,"codec_type":"video","codec_name":"h264","width":1920,"height":1080,
         "pix_fmt":"yuv420p","avg_frame_rate":"24000/1001","field_order":"progressive",
         "sample_aspect_ratio":"1:1","has_b_frames":2,"tags":{"BPS":"7060000"},"disposition":{"default":1}},
        {"index":2,"codec_type":"audio","codec_name":"ac3","channels":6,"disposition":{"default":0}},
        {"index":3,"codec_type":"audio","codec_name":"aac","channels":2,"disposition":{"default":1},
         "tags":{"DURATION-eng":"01:30:15.250000000"}},
        {"index":4,"codec_type":"subtitle","codec_name":"subrip"}],
        "format":{"format_name":"matroska,webm","duration":"5420.480000","bit_rate":"8000000"}}"#;

    #[test]
    fn takes_the_moving_picture_and_the_default_track() {
        let probe = Probe::parse(FILM.as_bytes()).unwrap();
        assert_eq!(probe.duration_ms, Some(5_420_480));
        let video = probe.video.unwrap();
        assert_eq!((video.index, video.codec.as_str()), (1, "h264"));
        assert_eq!(video.bits_per_second, Some(7_060_000));
        assert!((video.fps - 23.976).abs() < 0.001);
        assert!(!video.hdr && !video.interlaced && !video.reshaped && video.reorders);
        let audio = probe.audio.unwrap();
        assert_eq!((audio.index, audio.end_ms), (3, Some(5_415_250)));
    }

    #[test]
    fn without_a_default_the_first_track_counts() {
        let json = FILM.replace(
            r#""channels":2,"disposition":{"default":1}"#,
            r#""channels":2"#,
        );
        assert_eq!(
            Probe::parse(json.as_bytes()).unwrap().audio.unwrap().index,
            2
        );
    }

    #[test]
    fn what_is_no_film_is_undecodable() {
        for json in [
            "",
            "{}",
            r#"{"streams":[],"format":{"format_name":"tty"}}"#,
            r#"{"streams":[{"index":0,"codec_type":"subtitle"}],"format":{}}"#,
        ] {
            let failure = Probe::parse(json.as_bytes()).unwrap_err();
            assert_eq!(failure.code, "source_undecodable", "{json}");
        }
    }

    #[test]
    fn old_probes_are_not_used() {
        let probe = Probe::parse(FILM.as_bytes()).unwrap();
        let (now, kept) = (Instant::now(), Duration::from_secs(10));
        let mut cache = ProbeCache::default();
        cache.insert("u".into(), now, probe.clone(), kept);
        assert_eq!(
            cache.get("u", now + Duration::from_secs(9), kept),
            Some(probe)
        );
        assert_eq!(cache.get("u", now + Duration::from_secs(10), kept), None);
        assert_eq!(cache.get("v", now, kept), None);
    }
}
