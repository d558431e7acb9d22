//! The picture in a voice channel.

use orb_proto::v1;
use orb_scheduler_core::PictureHealth;

/// As a worker reports it.
pub(crate) fn observed(picture: v1::PictureHealth) -> PictureHealth {
    PictureHealth {
        pictures_sent: picture.pictures_sent,
        pictures_late: picture.pictures_late,
        lateness_p99_ms: picture.lateness_p99_ms,
        width: picture.width,
        height: picture.height,
        kbits_per_second: picture.kbits_per_second,
        rung_changes: picture.rung_changes,
        line_kbits_per_second: picture.line_kbits_per_second,
        loss_permille: picture.loss_permille,
        key_frame_requests: picture.key_frame_requests,
    }
}

/// For callers.
pub(crate) fn message(picture: PictureHealth) -> v1::PictureHealth {
    v1::PictureHealth {
        pictures_sent: picture.pictures_sent,
        pictures_late: picture.pictures_late,
        lateness_p99_ms: picture.lateness_p99_ms,
        width: picture.width,
        height: picture.height,
        kbits_per_second: picture.kbits_per_second,
        rung_changes: picture.rung_changes,
        line_kbits_per_second: picture.line_kbits_per_second,
        loss_permille: picture.loss_permille,
        key_frame_requests: picture.key_frame_requests,
    }
}

/// None: as the installation has it.
pub(crate) fn go_live(asked: v1::GoLive) -> Option<bool> {
    match asked {
        v1::GoLive::Unspecified => None,
        v1::GoLive::Off => Some(false),
        v1::GoLive::On => Some(true),
    }
}
