//! What is done with a film: the cheapest thing that plays everywhere.

use std::fmt;

use crate::probe::{AudioStream, Probe, VideoStream};
use crate::{Failure, code};

/// Above this many lines a copy would ask too much of viewers' lines and decoders.
const MAX_COPY_HEIGHT: u32 = 1088;
const MAX_COPY_WIDTH: u32 = 1920;
/// A watch page behind a home uplink; also bounds the spool.
const MAX_COPY_RATE: u64 = 12_000_000;
/// The size of a transcode: three fit on two cores, one of 1080p more or less.
const TRANSCODE: (u32, u32) = (1280, 720);
/// Pixels of 1080p and of 720p, the sizes that costs were measured at.
const FULL_HD: f64 = 1920.0 * 1080.0;
const HD: f64 = 1280.0 * 720.0;

/// What this ffmpeg and this session offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Abilities {
    /// ffmpeg has `zscale` and `tonemap`.
    pub tone_map: bool,
    /// Somebody can see the picture.
    pub watched: bool,
}

/// What is done with the picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VideoPlan {
    /// No picture in the source, or no output that shows one.
    None,
    /// The H.264 packets as they are.
    Copy {
        /// Index in the container.
        stream: u32,
    },
    /// Decoded and encoded again as H.264.
    Transcode {
        /// Index in the container.
        stream: u32,
        /// Output width in pixels, even.
        width: u32,
        /// Output height in pixels, even, at most 720.
        height: u32,
        /// Frames from one key frame to the next: about 2 s.
        gop: u32,
        /// Make frames of fields.
        deinterlace: bool,
        /// What happens to the colours.
        colours: Colours,
    },
}

/// Colours of a transcode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colours {
    /// Already of standard range.
    Standard,
    /// HDR brought to standard range.
    ToneMapped,
    /// HDR shown as it is, pale, because this ffmpeg cannot do better.
    Pale,
}

/// What is done with the sound; the result is always Opus, 48 kHz, stereo, 20 ms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AudioPlan {
    /// No sound in the source: silence, so that the clock runs.
    Silence,
    /// Decoded and encoded again.
    Encode {
        /// Index in the container.
        stream: u32,
        /// More than two channels: mixed down with the dialogue kept clear.
        surround: bool,
    },
}

/// The decision for one source, made once from its probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The picture.
    pub video: VideoPlan,
    /// The sound.
    pub audio: AudioPlan,
    /// What it costs while it runs, in thousandths of a core.
    pub cost_millicores: u32,
    explanation: String,
}

impl Plan {
    /// Decides. Pure: the same probe and abilities give the same plan.
    pub fn new(probe: &Probe, abilities: Abilities) -> Self {
        let audio = match &probe.audio {
            None => AudioPlan::Silence,
            Some(a) => AudioPlan::Encode {
                stream: a.index,
                surround: a.channels > 2,
            },
        };
        let sound = explain_audio(probe.audio.as_ref());
        let (video, cost_millicores, picture) = match &probe.video {
            None => (
                VideoPlan::None,
                COST_AUDIO,
                "no picture in the source".into(),
            ),
            Some(_) if !abilities.watched => {
                (VideoPlan::None, COST_AUDIO, "picture not asked for".into())
            }
            Some(v) => {
                let reasons = reasons_against_copy(v, &probe.container);
                if reasons.is_empty() {
                    let picture = format!("picture copied (H.264 {}x{})", v.width, v.height);
                    (VideoPlan::Copy { stream: v.index }, COST_COPY, picture)
                } else {
                    transcode(v, abilities, &reasons)
                }
            }
        };
        Self {
            video,
            audio,
            cost_millicores,
            explanation: format!("{picture}; {sound}"),
        }
    }

    /// The same source with the picture transcoded, for when a copy turns out not to be possible
    /// by `cause`. None if the plan is no copy.
    pub(crate) fn without_copy(
        &self,
        probe: &Probe,
        abilities: Abilities,
        cause: &Failure,
    ) -> Option<Self> {
        let reason = match (&self.video, cause.code) {
            (VideoPlan::Copy { .. }, code::PICTURE_MISSING) => Reason::NoPicture,
            (VideoPlan::Copy { .. }, code::FFMPEG_OUTPUT_FAILED) => Reason::CopyFailed,
            _ => return None,
        };
        let v = probe.video.as_ref()?;
        let sound = explain_audio(probe.audio.as_ref());
        let (video, cost_millicores, picture) = transcode(v, abilities, &[reason]);
        Some(Self {
            video,
            cost_millicores,
            explanation: format!("{picture}; {sound}"),
            ..Self::new(probe, abilities)
        })
    }

    /// The same sound without a picture.
    pub(crate) fn sound_only(&self) -> Self {
        Self {
            video: VideoPlan::None,
            cost_millicores: COST_AUDIO,
            ..self.clone()
        }
    }

    /// One sentence for people.
    pub fn explain(&self) -> String {
        self.explanation.clone()
    }
}

// Measured on 2 vCPU with ffmpeg 5.1: 0.0185 and 0.0155 cores per second of film, rounded up.
const COST_COPY: u32 = 20;
const COST_AUDIO: u32 = 16;

/// Why a picture cannot be passed on as it is.
enum Reason {
    Codec(String),
    PixelFormat(String),
    Hdr,
    Size(u32, u32),
    Rate(u64),
    Interlaced,
    Reshaped,
    Container(String),
    CopyFailed,
    NoPicture,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Codec(codec) => write!(f, "{codec} is not H.264"),
            Self::PixelFormat(name) => write!(f, "{name} is not 8-bit 4:2:0"),
            Self::Hdr => f.write_str("it is HDR"),
            Self::Size(w, h) => write!(f, "{w}x{h} is more than 1080p"),
            Self::Rate(rate) => write!(f, "{} Mbit/s is too much", rate / 1_000_000),
            Self::Interlaced => f.write_str("it is interlaced"),
            Self::Reshaped => f.write_str("its pixels are not square or it is turned"),
            Self::Container(name) => write!(f, "{name} has no usable time stamps"),
            Self::CopyFailed => f.write_str("copying it failed"),
            Self::NoPicture => f.write_str("copying it gives viewers nothing"),
        }
    }
}

fn reasons_against_copy(v: &VideoStream, container: &str) -> Vec<Reason> {
    let mut reasons = Vec::new();
    if v.codec != "h264" {
        reasons.push(Reason::Codec(v.codec.clone()));
    }
    if v.hdr {
        reasons.push(Reason::Hdr);
    } else if !matches!(v.pix_fmt.as_str(), "yuv420p" | "yuvj420p") {
        reasons.push(Reason::PixelFormat(v.pix_fmt.clone()));
    }
    if v.width > MAX_COPY_WIDTH || v.height > MAX_COPY_HEIGHT {
        reasons.push(Reason::Size(v.width, v.height));
    }
    if let Some(rate) = v.bits_per_second.filter(|rate| *rate > MAX_COPY_RATE) {
        reasons.push(Reason::Rate(rate));
    }
    if v.interlaced {
        reasons.push(Reason::Interlaced);
    }
    if v.reshaped {
        reasons.push(Reason::Reshaped);
    }
    // AVI has no presentation times, and fMP4 cannot be written without.
    if container == "avi" {
        reasons.push(Reason::Container(container.to_owned()));
    }
    reasons
}

fn transcode(
    v: &VideoStream,
    abilities: Abilities,
    reasons: &[Reason],
) -> (VideoPlan, u32, String) {
    let (width, height) = fit(v.width, v.height);
    let colours = match (v.hdr, abilities.tone_map) {
        (false, _) => Colours::Standard,
        (true, true) => Colours::ToneMapped,
        (true, false) => Colours::Pale,
    };
    let fps = if v.fps > 0.0 { v.fps } else { 24.0 };
    let why: Vec<String> = reasons.iter().map(ToString::to_string).collect();
    let note = match colours {
        Colours::Standard => "",
        Colours::ToneMapped => ", tone-mapped from HDR",
        Colours::Pale => ", HDR colours pale because this ffmpeg lacks zscale",
    };
    let picture = format!(
        "picture transcoded to H.264 {width}x{height}{note}, because {}",
        why.join(" and ")
    );
    let plan = VideoPlan::Transcode {
        stream: v.index,
        width,
        height,
        gop: ((fps * 2.0).round() as u32).clamp(10, 240),
        deinterlace: v.interlaced,
        colours,
    };
    (
        plan,
        transcode_cost(v, fps, width, height, colours),
        picture,
    )
}

/// Scaled into 1280x720 with its shape kept, even numbers, never larger than it was.
fn fit(width: u32, height: u32) -> (u32, u32) {
    if width == 0 || height == 0 {
        return TRANSCODE;
    }
    let shrink = (f64::from(TRANSCODE.0) / f64::from(width))
        .min(f64::from(TRANSCODE.1) / f64::from(height))
        .min(1.0);
    let even = |pixels: u32| ((f64::from(pixels) * shrink / 2.0).round() as u32).max(1) * 2;
    (even(width), even(height))
}

/// Half is decoding, which goes with the source's pixels, half encoding, which goes with ours:
/// 320 for 1080p H.264, 500 for 10-bit HEVC, 320 for 720p superfast, all at 24 frames a second.
fn transcode_cost(v: &VideoStream, fps: f64, width: u32, height: u32, colours: Colours) -> u32 {
    let decode = match v.codec.as_str() {
        "hevc" | "av1" | "vp9" => 500.0,
        _ => 320.0,
    } * f64::from(v.width)
        * f64::from(v.height)
        / FULL_HD;
    let encode = 320.0 * f64::from(width) * f64::from(height) / HD;
    // Tone mapping works in floats on every pixel of the small picture; INFERRED, not measured.
    let colour = if colours == Colours::ToneMapped {
        encode
    } else {
        0.0
    };
    ((decode + encode + colour) * (fps / 24.0).clamp(0.5, 5.0)).round() as u32 + COST_AUDIO
}

fn explain_audio(audio: Option<&AudioStream>) -> String {
    match audio {
        None => "no sound in the source, silence sent".into(),
        Some(a) if a.channels > 2 => format!(
            "sound from {} with {} channels mixed down to Opus stereo, dialogue kept clear",
            a.codec, a.channels
        ),
        Some(a) => format!("sound from {} to Opus stereo", a.codec),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WATCHED: Abilities = Abilities {
        tone_map: true,
        watched: true,
    };

    fn video() -> VideoStream {
        VideoStream {
            index: 0,
            codec: "h264".into(),
            width: 1920,
            height: 1080,
            pix_fmt: "yuv420p".into(),
            fps: 23.976,
            bits_per_second: Some(7_000_000),
            hdr: false,
            interlaced: false,
            reshaped: false,
        }
    }

    fn film(video: Option<VideoStream>, channels: Option<u32>) -> Probe {
        Probe {
            container: "matroska,webm".into(),
            duration_ms: Some(60_000),
            video,
            audio: channels.map(|channels| AudioStream {
                index: 1,
                codec: "ac3".into(),
                channels,
                end_ms: None,
            }),
        }
    }

    fn planned(v: VideoStream) -> Plan {
        Plan::new(&film(Some(v), Some(2)), WATCHED)
    }

    #[test]
    fn plain_h264_is_copied() {
        let plan = planned(video());
        assert_eq!(plan.video, VideoPlan::Copy { stream: 0 });
        assert_eq!(plan.cost_millicores, 20);
        assert_eq!(
            plan.explain(),
            "picture copied (H.264 1920x1080); sound from ac3 to Opus stereo"
        );
    }

    #[test]
    fn everything_else_is_transcoded_and_says_why() {
        type Change = fn(&mut VideoStream);
        let table: [(Change, &str, (u32, u32)); 9] = [
            (
                |v| v.codec = "hevc".into(),
                "hevc is not H.264",
                (1280, 720),
            ),
            (|v| v.pix_fmt = "yuv420p10le".into(), "8-bit", (1280, 720)),
            (|v| v.pix_fmt = "yuv422p".into(), "4:2:0", (1280, 720)),
            (|v| v.hdr = true, "it is HDR", (1280, 720)),
            (|v| (v.width, v.height) = (3840, 1600), "1080p", (1280, 534)),
            (
                |v| v.bits_per_second = Some(25_000_000),
                "25 Mbit/s",
                (1280, 720),
            ),
            (|v| v.interlaced = true, "interlaced", (1280, 720)),
            (|v| v.reshaped = true, "square", (1280, 720)),
            (
                |v| (v.codec, v.width, v.height) = ("mpeg4".into(), 641, 361),
                "mpeg4",
                (642, 362),
            ),
        ];
        for (change, why, size) in table {
            let mut v = video();
            change(&mut v);
            let plan = planned(v);
            assert!(plan.explain().contains(why), "{why}: {}", plan.explain());
            let VideoPlan::Transcode {
                width, height, gop, ..
            } = plan.video
            else {
                panic!("{why}: {:?}", plan.video);
            };
            assert_eq!((width, height, gop), (size.0, size.1, 48), "{why}");
        }
    }

    #[test]
    fn avi_is_not_copied() {
        let mut probe = film(Some(video()), Some(2));
        probe.container = "avi".into();
        let plan = Plan::new(&probe, WATCHED);
        assert!(matches!(plan.video, VideoPlan::Transcode { .. }));
    }

    #[test]
    fn costs_are_near_the_measured_ones() {
        let mut h264 = video();
        h264.bits_per_second = Some(13_000_000);
        let mut hevc = video();
        (hevc.codec, hevc.pix_fmt) = ("hevc".into(), "yuv420p10le".into());
        for (v, measured) in [(h264, 639.0), (hevc, 944.0)] {
            let cost = f64::from(planned(v).cost_millicores);
            assert!(
                (cost / measured - 1.0).abs() < 0.15,
                "{cost} for {measured}"
            );
        }
    }

    #[test]
    fn hdr_is_tone_mapped_or_said_to_be_pale() {
        let mut v = video();
        (v.codec, v.hdr) = ("hevc".into(), true);
        for (tone_map, colours, word) in [
            (true, Colours::ToneMapped, "tone-mapped"),
            (false, Colours::Pale, "pale"),
        ] {
            let probe = film(Some(v.clone()), Some(2));
            let plan = Plan::new(
                &probe,
                Abilities {
                    tone_map,
                    watched: true,
                },
            );
            assert!(plan.explain().contains(word));
            assert!(matches!(plan.video, VideoPlan::Transcode { colours: c, .. } if c == colours));
        }
    }

    #[test]
    fn what_is_missing_is_left_out_or_replaced() {
        let unwatched = Abilities {
            tone_map: true,
            watched: false,
        };
        let plan = Plan::new(&film(Some(video()), Some(6)), unwatched);
        assert_eq!(plan.video, VideoPlan::None);
        assert_eq!(
            plan.audio,
            AudioPlan::Encode {
                stream: 1,
                surround: true
            }
        );
        let music = Plan::new(&film(None, Some(2)), WATCHED);
        assert_eq!((music.video, music.cost_millicores), (VideoPlan::None, 16));
        let silent = Plan::new(&film(Some(video()), None), WATCHED);
        assert_eq!(silent.audio, AudioPlan::Silence);
        assert!(silent.explain().contains("silence"));
    }
}
