//! What a worker's frames become.
//!
//! Mental model: one encode feeds two outputs, and one of them keeps the time.
//!
//! * [`voice`] hands Opus packets to a Discord voice channel, one each 20 ms. The packets that it really handed over
//!   *are* the media clock of the session: position is media time, never wall time.
//! * [`watch`] serves the HLS segments that ffmpeg wrote ahead of that clock, in a playlist of the project's own whose
//!   times are media times, so that a browser can play in step with the channel.
//!
//! Neither decides anything: when to join, to give up, to seek is the desired state's affair. Both report.

mod error;
pub mod voice;
pub mod watch;

pub use error::Error;
