//! What is done with a film: the cheapest thing that plays everywhere.

mod against;
mod live;
mod transcode;

use orb_video::ladder::Rung;

use crate::probe::{AudioStream, Probe, VideoStream};
use crate::{Failure, PictureSpec, code};

use against::{Reason, reasons_against_copy, reasons_against_sending};
pub use live::PicturePlan;
use transcode::{cost_at, transcode};

/// What this ffmpeg and this session offer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Abilities {
    /// ffmpeg has `zscale` and `tonemap`.
    pub tone_map: bool,
    /// Somebody can see the picture on a page.
    pub watched: bool,
    /// The picture goes into a voice channel.
    pub live: Option<PictureSpec>,
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
        /// For a voice channel; viewers of a page see the same.
        live: Option<LiveEncode>,
    },
}

/// How a picture is encoded for a voice channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LiveEncode {
    /// Of the picture, in a second.
    pub bits_per_second: u64,
    /// Every so many pictures one is kept.
    pub frame_step: u32,
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
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The picture.
    pub video: VideoPlan,
    /// The sound.
    pub audio: AudioPlan,
    /// What the voice channel's picture may be; none where there is none.
    pub picture: Option<PicturePlan>,
    /// What it costs while it runs, in thousandths of a core. For the moment in which one encoding takes over from
    /// another both run: that is not counted, as it is over within a second or two and admission leaves room for it.
    pub cost_millicores: u32,
    explanation: String,
}

/// What is done with the picture.
struct Decision {
    video: VideoPlan,
    cost_millicores: u32,
    explanation: String,
}

impl Plan {
    /// Decides. Pure: the same probe and abilities give the same plan.
    pub fn new(probe: &Probe, abilities: Abilities) -> Self {
        Self::decide(probe, abilities, None)
    }

    fn decide(probe: &Probe, abilities: Abilities, against_copy: Option<Reason>) -> Self {
        let audio = match &probe.audio {
            None => AudioPlan::Silence,
            Some(a) => AudioPlan::Encode {
                stream: a.index,
                surround: a.channels > 2,
            },
        };
        let is_seen = abilities.watched || abilities.live.is_some();
        let mut picture = None;
        let decision = match &probe.video {
            None => sound_alone("no picture in the source"),
            Some(_) if !is_seen => sound_alone("picture not asked for"),
            Some(v) => {
                let mut reasons = reasons_against_copy(v, &probe.container);
                reasons.extend(against_copy);
                if let Some(spec) = abilities.live {
                    reasons.extend(reasons_against_sending(v, spec.most_bits_per_second));
                    let cost = |rung: &Rung| cost_at(v, abilities, rung);
                    let plan = PicturePlan::new(v, spec, reasons.is_empty(), cost);
                    let live = picture.insert(plan);
                    if live.copies && live.rung.is_some() {
                        reasons.push(Reason::Asked);
                    }
                }
                let rung = picture.as_ref().and_then(|live| live.rung.as_ref());
                if reasons.is_empty() {
                    copy(v)
                } else {
                    transcode(v, abilities, rung, &reasons)
                }
            }
        };
        let sound = explain_audio(probe.audio.as_ref());
        Self {
            video: decision.video,
            audio,
            picture,
            cost_millicores: decision.cost_millicores,
            explanation: format!("{}; {sound}", decision.explanation),
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
        probe.video.as_ref()?;
        Some(Self::decide(probe, abilities, Some(reason)))
    }

    /// The same sound without a picture.
    pub(crate) fn sound_only(&self) -> Self {
        Self {
            video: VideoPlan::None,
            picture: None,
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

fn sound_alone(why: &str) -> Decision {
    Decision {
        video: VideoPlan::None,
        cost_millicores: COST_AUDIO,
        explanation: why.into(),
    }
}

fn copy(v: &VideoStream) -> Decision {
    Decision {
        video: VideoPlan::Copy { stream: v.index },
        cost_millicores: COST_COPY,
        explanation: format!("picture copied (H.264 {}x{})", v.width, v.height),
    }
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
mod tests;
