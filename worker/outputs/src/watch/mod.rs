//! `watch`: the same film as HLS, for browsers that play in step with the voice channel.
//!
//! Mental model: ffmpeg writes *runs*, a folder each with its own playlist (a new one after every seek and restart). A
//! session's [`WatchRuns`] joins them into one live playlist, in which every segment bears its media time as
//! `EXT-X-PROGRAM-DATE-TIME`: the film's start is 1970-01-01T00:00:00Z, so a player's date *is* the position that the
//! status shows. The router serves that playlist and the files; whoever reaches it is the gateway, with a bearer token.
//!
//! What this asks of ffmpeg: `-f hls -hls_segment_type fmp4`, files `index.m3u8`, `init.mp4`, `seg-<n>.m4s`, source
//! time stamps (`-copyts`), and `-hls_segment_options movflags=+frag_discont`. Without the last, every track begins at
//! zero and only an edit list says how far apart they are, which browsers ignore: after a seek that lands the picture
//! on an earlier key frame than the sound, they would play seconds apart.

mod media_time;
mod playlist;
mod runs;
mod serve;

pub use runs::WatchRuns;
pub use serve::{Registered, WatchRegistry, router};
