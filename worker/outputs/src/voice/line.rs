//! What a voice output needs of the code that speaks to Discord.

use std::sync::Arc;

use orb_voice::{Encryption, Gate};

use super::{VoiceCredentials, deck::Deck, orb::OrbLine, songbird::SongbirdLine};

/// Whose code speaks to Discord's voice servers. Cheap to clone.
#[derive(Clone)]
pub enum VoiceDriver {
    /// The project's own: asks the gate before every dial, RESUME and IDENTIFY, and lets no frame out in the clear once
    /// DAVE is negotiated.
    Orb(orb_voice::Driver),
    /// songbird: asks the gate once, before it connects; weaker, see `docs/adr/0005-own-voice-driver.md`.
    Songbird,
}

impl VoiceDriver {
    /// A line of this kind, without a connection, that sends what `deck` gives.
    pub(super) fn line(&self, deck: Arc<Deck>) -> Arc<dyn Line> {
        match self {
            Self::Orb(driver) => Arc::new(OrbLine::new(driver, deck)),
            Self::Songbird => Arc::new(SongbirdLine::new(deck)),
        }
    }
}

/// The way to the voice channel: at most one connection at a time. What happens on it goes into the deck's outbox.
///
/// All calls return at once, and dropping it ends the connection.
pub(super) trait Line: Send + Sync {
    /// Drops any connection there is and makes a new one when `gate` lets it; see [`Voice::connect`](super::Voice::connect)
    /// for what is kept.
    fn connect(&self, credentials: VoiceCredentials, gate: Arc<dyn Gate>);

    /// Drops the connection, or the attempt at one. Gives no event.
    fn disconnect(&self);

    /// There may be something to play where there was nothing. Called from any thread, but not under the clock's lock.
    fn wake(&self);

    fn status(&self) -> LineStatus;
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct LineStatus {
    /// The channel is joined, and no cut is being mended.
    pub(super) connected: bool,
    /// Frames that are there go out.
    pub(super) sends: bool,
    /// Known once connected, where the driver says it; of the connection that bears the sound.
    pub(super) encryption: Option<Encryption>,
    /// There is a stream, or there shall be.
    pub(super) stream: bool,
    /// Key frames that receivers of the stream asked for, on its present connection.
    pub(super) key_frame_requests: u64,
}
