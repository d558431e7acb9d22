//! What a Go Live stream adds: pictures, and the `webrtc` protocol.

use std::{collections::BTreeMap, fmt};

use orb_video::ladder::Wants;
use serde::{Deserialize, Deserializer, de};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{PictureFormat, packet::VideoSsrcs};

/// Payload types, of the client's choice; the ones that Discord's clients use.
const OPUS: u8 = 120;
const H264: u8 = 101;
const H264_RTX: u8 = 102;

/// Of the one size that pictures are sent in. A client of Discord's may send several at once.
const RID: &str = "100";
const QUALITY: u8 = 100;

/// SSRCs of which what is wanted is kept; the rest of a longer list is not about this client.
const MOST_WANTED: usize = 64;

/// What an IDENTIFY says beyond that of a voice channel.
pub(super) fn identify(data: &mut Value) {
    data["video"] = json!(true);
    data["streams"] = json!([{"type": "screen", "rid": RID, "quality": QUALITY}]);
}

/// A sender wants all that there is, of anybody.
pub(super) fn wants_all() -> Value {
    json!({"any": QUALITY})
}

/// This client's half of what makes the media path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Lines of an SDP that the server reads.
    pub sdp: String,
    /// Names the media path.
    pub connection: Uuid,
}

impl Offer {
    pub(super) fn data(&self) -> Value {
        json!({
            "protocol": "webrtc",
            "data": self.sdp,
            "sdp": self.sdp,
            "rtc_connection_id": self.connection.to_string(),
            "codecs": [
                {"name": "opus", "type": "audio", "priority": 1000, "payload_type": OPUS},
                {
                    "name": "H264", "type": "video", "priority": 1000, "payload_type": H264,
                    "rtx_payload_type": H264_RTX, "encode": true, "decode": false,
                },
            ],
        })
    }
}

/// What is sent of pictures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Video {
    /// Of the sound.
    pub audio_ssrc: u32,
    /// Of the pictures.
    pub pictures: VideoSsrcs,
    /// None: there are no pictures any more.
    pub format: Option<PictureFormat>,
}

impl Video {
    pub(super) fn data(&self) -> Value {
        let VideoSsrcs { ssrc, rtx } = self.pictures;
        let Some(format) = self.format else {
            return json!({
                "audio_ssrc": self.audio_ssrc, "video_ssrc": 0, "rtx_ssrc": 0, "streams": [],
            });
        };
        json!({
            "audio_ssrc": self.audio_ssrc,
            "video_ssrc": ssrc,
            "rtx_ssrc": rtx,
            "streams": [{
                "type": "screen",
                "rid": RID,
                "quality": QUALITY,
                "ssrc": ssrc,
                "rtx_ssrc": rtx,
                "active": true,
                "max_bitrate": format.bits_per_second,
                // Whole ones, as clients say.
                "max_framerate": format.frame_rate.round() as u32,
                "max_resolution": {
                    "type": "fixed", "width": format.width, "height": format.height,
                },
            }],
        })
    }
}

/// Op 15 of a server: for each SSRC, or for any, the quality that is wanted, 0 to 100; and how many pixels.
///
/// A quality chooses among several sizes that are sent at once. Here is one, so that only pixels say something.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SinkWants {
    pixels: BTreeMap<u32, u32>,
}

impl SinkWants {
    /// What is wanted of the pictures with this SSRC.
    pub fn of(&self, ssrc: u32) -> Wants {
        Wants {
            pixels: self.pixels.get(&ssrc).copied(),
            ..Wants::default()
        }
    }
}

impl<'de> Deserialize<'de> for SinkWants {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Fields {
            #[serde(default, rename = "pixelCounts")]
            pixels: PixelCounts,
        }
        let Fields { pixels } = Fields::deserialize(deserializer)?;
        Ok(Self { pixels: pixels.0 })
    }
}

/// Keys are SSRCs, as text. Built entry by entry, so that a long list takes no memory.
#[derive(Default)]
struct PixelCounts(BTreeMap<u32, u32>);

impl<'de> Deserialize<'de> for PixelCounts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> de::Visitor<'de> for Visitor {
            type Value = PixelCounts;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("pixels by ssrc")
            }

            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<PixelCounts, A::Error> {
                let mut pixels = BTreeMap::new();
                while let Some((ssrc, count)) = map.next_entry::<String, f64>()? {
                    if let Ok(ssrc) = ssrc.parse()
                        && pixels.len() < MOST_WANTED
                    {
                        // Saturates.
                        pixels.insert(ssrc, count as u32);
                    }
                }
                Ok(PixelCounts(pixels))
            }
        }

        deserializer.deserialize_map(Visitor)
    }
}
