//! `golive`: the film's picture beside its sound, in a Go Live stream.
//!
//! Mental model: the sound is the clock. Each of its frames that was sent says when the media time that it bears was
//! heard, and a picture of that time is due then.
//!
//! ```text
//!  sound sent: 40 ms of the film at 12:00:00.100 ─▶ Schedule ─▶ the picture of 53 ms is due at .113
//!  PictureQueue ─▶ due? ─▶ Sieve ─▶ the stream's call        (drains, waits for an IDR picture, thins out)
//!  line's reports ─▶ Rate ─▶ VoiceEvent::Rung ─▶ the owner changes the encoder ─▶ PictureQueue
//! ```
//!
//! So a pause, a cut, starvation and the end of what may be sent hold the picture without a word: no sound, no time. A
//! picture whose sound was not sent does not leave; one whose time has passed leaves at once.
//!
//! All of it is pure but for the queue that it reads. Time comes in.

mod rate;
mod schedule;
mod screen;
mod sieve;
mod source;

pub(super) use self::screen::Screen;
pub use self::screen::{PictureCounts, PictureSnapshot};
