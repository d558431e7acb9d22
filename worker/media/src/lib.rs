//! From Jellyfin URLs to timed Opus frames and HLS files on disk.
//!
//! ```text
//!  source ──▶ loopback proxy ──▶ ffmpeg (child) ──pipe──▶ demux thread ──▶ FrameQueue ──▶ mixer
//!             key, retries,         │      copy or transcode,               run-ahead,
//!             resume, redirects     │      one encode for both              never a repeat
//!                                   └─▶ HLS files in the spool ──▶ watch page
//! ```
//!
//! A [`Media`] is one a worker: it owns the proxy, the spawn thread and the spool. A [`Pipeline`]
//! is one film from one position: [`Media::open`] starts it, dropping it ends everything of it. A
//! seek is a new pipeline; the probe of the same source is remembered, so it does not probe again.
//!
//! Time is media time in ms from the start of the film, everywhere. ffmpeg carries it through
//! (`-copyts`), so a position is read off a frame and never derived from a clock.
//!
//! The queue's bound is the only pacing: the mixer pops every 20 ms, a full queue blocks the demux
//! thread, the full pipe blocks ffmpeg, and ffmpeg stops reading from the proxy. A pause is simply
//! not popping.
//!
//! With [`OpenSpec::picture`] the pipe bears the picture as well, ready for a voice channel, in a [`PictureQueue`] beside
//! the sound's. The sound is the clock: pictures wait for it, never the other way round. Another bit rate is a second
//! ffmpeg beside the first ([`Pipeline::change_rung`]), which takes over at a key frame.
//!
//! The supervisor keeps a film playing: it restarts ffmpeg at the last frame, goes to the second
//! source, and gives each end a typed reason ([`Failure`]). The run-ahead hides what that takes.

mod child;
mod command;
mod demux;
mod error;
mod extradata;
mod failure;
mod frames;
mod known;
mod lanes;
mod media;
mod packing;
mod pictures;
mod pipeline;
mod plan;
mod pre_exec;
mod probe;
mod proxy;
mod restarts;
mod run;
mod spool;
mod stderr;
mod steering;
mod supervisor;
mod timing;

pub use command::{INIT_SEGMENT, PLAYLIST};
pub use error::Error;
pub use failure::{Failure, code};
pub use frames::{Closed, FRAME_MS, FrameQueue, OpusFrame, Pop};
pub use media::{Media, MediaConfig};
pub use pictures::{PeekPicture, PictureQueue, QueuedPicture};
pub use pipeline::{OpenSpec, PictureSpec, Pipeline, PipelineEvent, Sources, WatchSpool};
pub use plan::{Abilities, AudioPlan, Colours, LiveEncode, PicturePlan, Plan, VideoPlan};
pub use probe::{AudioStream, Probe, VideoStream};
pub use timing::RUN_AHEAD;
