//! The picture in the voice channel, as a status shows it.

use orb_proto::v1;
use serde::Serialize;
use utoipa::ToSchema;

/// The picture in the voice channel. Counters since the item began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(examples(json!({
    "picturesSent": 9_149, "picturesLate": 0, "latenessP99Ms": 2, "width": 1280, "height": 720, "kbitsPerSecond": 2_500,
    "rungChanges": 0, "lineKbitsPerSecond": 4_100, "lossPermille": 0, "keyFrameRequests": 1,
})))]
pub(crate) struct PictureHealth {
    /// Handed to the network.
    #[schema(minimum = 0)]
    pictures_sent: u64,
    /// Handed over later than their schedule allows.
    #[schema(minimum = 0)]
    pictures_late: u64,
    /// 99 of 100 were at most this late.
    #[schema(minimum = 0)]
    lateness_p99_ms: u32,
    /// Of what is sent now, in pixels.
    #[schema(minimum = 0)]
    width: u32,
    /// Of what is sent now, in pixels.
    #[schema(minimum = 0)]
    height: u32,
    /// Of what is sent now.
    #[schema(minimum = 0)]
    kbits_per_second: u32,
    /// Changes of size or rate because of the line.
    #[schema(minimum = 0)]
    rung_changes: u32,
    /// What the line takes, as estimated; null while not known.
    #[schema(required, minimum = 0)]
    line_kbits_per_second: Option<u32>,
    /// Packets lost before retransmission, of 1,000, over the last second.
    #[schema(minimum = 0, maximum = 1000)]
    loss_permille: u32,
    /// How often a receiver asked for a key frame.
    #[schema(minimum = 0)]
    key_frame_requests: u32,
}

impl From<v1::PictureHealth> for PictureHealth {
    fn from(picture: v1::PictureHealth) -> Self {
        let line = picture.line_kbits_per_second;
        Self {
            pictures_sent: picture.pictures_sent,
            pictures_late: picture.pictures_late,
            lateness_p99_ms: picture.lateness_p99_ms,
            width: picture.width,
            height: picture.height,
            kbits_per_second: picture.kbits_per_second,
            rung_changes: picture.rung_changes,
            line_kbits_per_second: (line != 0).then_some(line),
            loss_permille: picture.loss_permille,
            key_frame_requests: picture.key_frame_requests,
        }
    }
}
