//! Real streams of ffmpeg's encoder through [`orb_video::h264::Stream`]; ffmpeg and ffprobe judge what comes out.
#![allow(clippy::unwrap_used)]

mod copied;
mod ffmpeg;
mod refused;
mod without_vui;
