//! From a container's H.264 packets to access units that may go on the wire.
//!
//! # What goes out
//!
//! Each [`Picture`] is one access unit in Annex B form with four-byte start codes: DAVE's codec-aware encryption writes
//! the long form whatever it gets, because receivers rebuild it so, and authenticates the result. In it are
//!
//! * for an IDR picture: the sequence parameter set, the picture parameter set, the slice;
//! * for any other picture: the slice alone.
//!
//! | NAL unit | what happens | why |
//! | --- | --- | --- |
//! | slice (1), IDR slice (5) | kept, exactly one a packet | several break DAVE: [`Refusal::SeveralSlices`](crate::Refusal::SeveralSlices) |
//! | SPS (7), PPS (8) | remembered, sent ahead of each IDR picture once | containers keep them apart; members join at any time |
//! | SEI (6) | dropped | DAVE sends it **in the clear**: closed captions and encoder settings would leave unencrypted. What decoders need of it is none: [recovery points](Entry::Recovery) are told to the caller |
//! | AUD (9), filler (12) | dropped | packetizers drop them after DAVE has authenticated them: 60 of 60 frames lost |
//! | end of sequence (10), of stream (11) | dropped | an IDR picture says the same |
//! | partitions (2–4) | refused | Extended profile, no receiver decodes it |
//! | SPS extension, auxiliary and layered pictures (13–15, 19–21) | dropped | the base picture decodes without |
//!
//! # Why the SPS is rewritten
//!
//! Without a `bitstream_restriction` in the SPS's VUI a decoder must assume that pictures may be reordered as far as
//! its level allows, and holds up to 16 of them back before it shows the first. A stream that passed here has none
//! reordered, so the SPS is made to say so: `max_num_reorder_frames` = 0 and `max_dec_frame_buffering` =
//! `max_num_ref_frames`, the least that the standard allows (H.264 E.2.1). libwebrtc does the same to what it sends
//! (`common_video/h264/sps_vui_rewriter`). Profile, level, size, colours and timing stay. HRD parameters and
//! `pic_struct_present_flag` go, as they announce SEI that is dropped. See [`SpsFix`].
//!
//! Numbers in brackets after a name are sections of ITU-T H.264 (08/2021).

mod avcc;
mod bits;
mod emulation;
mod nal;
mod order;
mod parameter_sets;
mod pps;
mod sei;
mod slice;
mod sps;
mod stream;
mod vui;

pub use avcc::{AvcConfig, Framing};
pub use nal::{NalType, NalUnits};
pub use sps::{Profile, Sps};
pub use stream::{Entry, Picture, Stream};
pub use vui::{SpsFix, restrict_reordering};
