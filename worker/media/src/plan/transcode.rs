//! A picture encoded anew, and what that costs.

use super::against::Reason;
use super::{Abilities, COST_AUDIO, Colours, Decision, LiveEncode, VideoPlan};
use crate::probe::VideoStream;
use orb_video::ladder::Rung;

/// The size of a transcode: three fit on two cores, one of 1080p more or less.
const TRANSCODE: (u32, u32) = (1280, 720);
/// Pixels of 1080p and of 720p, the sizes that costs were measured at.
const FULL_HD: f64 = 1920.0 * 1080.0;
const HD: f64 = 1280.0 * 720.0;

/// At a rung of a voice channel's ladder, or else as large as serves viewers.
pub(super) fn transcode(
    v: &VideoStream,
    abilities: Abilities,
    rung: Option<&Rung>,
    reasons: &[Reason],
) -> Decision {
    let (width, height) = match rung {
        Some(rung) => (rung.width, rung.height),
        None => fit(v.width, v.height),
    };
    let colours = colours(v, abilities);
    let fps = v.frame_rate();
    let live = rung.map(|rung| encode_for(rung, fps));
    let why: Vec<String> = reasons.iter().map(ToString::to_string).collect();
    let note = match colours {
        Colours::Standard => "",
        Colours::ToneMapped => ", tone-mapped from HDR",
        Colours::Pale => ", HDR colours pale because this ffmpeg lacks zscale",
    };
    let rate = live.map_or(String::new(), |live| {
        format!(" at {} kbit/s", live.bits_per_second / 1000)
    });
    let explanation = format!(
        "picture transcoded to H.264 {width}x{height}{rate}{note}, because {}",
        why.join(" and ")
    );
    let video = VideoPlan::Transcode {
        stream: v.index,
        width,
        height,
        gop: ((fps * 2.0).round() as u32).clamp(10, 240),
        deinterlace: v.interlaced,
        colours,
        live,
    };
    Decision {
        video,
        cost_millicores: cost(v, fps, (width, height), colours, live),
        explanation,
    }
}

/// What the film costs at a rung of a voice channel's ladder, in thousandths of a core.
pub(super) fn cost_at(v: &VideoStream, abilities: Abilities, rung: &Rung) -> u32 {
    let fps = v.frame_rate();
    let live = Some(encode_for(rung, fps));
    let size = (rung.width, rung.height);
    cost(v, fps, size, colours(v, abilities), live)
}

fn colours(v: &VideoStream, abilities: Abilities) -> Colours {
    match (v.hdr, abilities.tone_map) {
        (false, _) => Colours::Standard,
        (true, true) => Colours::ToneMapped,
        (true, false) => Colours::Pale,
    }
}

fn encode_for(rung: &Rung, fps: f64) -> LiveEncode {
    LiveEncode {
        bits_per_second: rung.bits_per_second,
        frame_step: (fps / rung.frame_rate.max(1.0)).round().max(1.0) as u32,
    }
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
fn cost(
    v: &VideoStream,
    fps: f64,
    (width, height): (u32, u32),
    colours: Colours,
    live: Option<LiveEncode>,
) -> u32 {
    let decode = match v.codec.as_str() {
        "hevc" | "av1" | "vp9" => 500.0,
        _ => 320.0,
    } * f64::from(v.width)
        * f64::from(v.height)
        / FULL_HD;
    let kept = live.map_or(1.0, |live| 1.0 / f64::from(live.frame_step));
    let encode = 320.0 * f64::from(width) * f64::from(height) / HD * kept;
    // Tone mapping works in floats on every pixel of the small picture; INFERRED, not measured.
    let colour = if colours == Colours::ToneMapped {
        encode
    } else {
        0.0
    };
    ((decode + encode + colour) * (fps / 24.0).clamp(0.5, 5.0)).round() as u32 + COST_AUDIO
}
