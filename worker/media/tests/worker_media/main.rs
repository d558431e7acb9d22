//! The media side with the real ffmpeg. One binary: each costs a link and its size.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

mod faults;
mod live;
mod playback;
mod supervision;
mod watch;
