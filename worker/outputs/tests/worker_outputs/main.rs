//! Both outputs against what they meet: a simulated Discord, and the real ffmpeg's files. One binary: each costs a link
//! and its size.
#![allow(clippy::unwrap_used, missing_docs)]

mod golive;
mod voice;
mod watch;
