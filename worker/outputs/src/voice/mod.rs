//! `voice`: a film's sound in a Discord voice channel, by a bot account.
//!
//! Mental model: one [`Voice`] a session. It has at most one connection (replaced whole by [`Voice::connect`]) and at
//! most one source of frames (replaced by [`Voice::play`]), and neither knows of the other's changes: a seek keeps the
//! connection, a reconnect keeps the place in the film.
//!
//! ```text
//!  play, pause ─▶ Deck ─────────── next, sent ───────────▶ Line ─▶ Discord
//!  snapshot ◀──   clock (pure)  ◀── one frame each 20 ms    over orb-voice (orb.rs)
//!  events ◀────   outbox        ◀── connected, lost …       or songbird (songbird/)
//! ```
//!
//! The frames that really went out *are* the clock. While there is no connection, or no key, nobody takes frames, so the
//! clock stands, and goes on where it stood.
//!
//! With a stream among its credentials it has a second connection, and sound and picture go over that one: [`golive`].

mod clock;
mod credentials;
mod deck;
mod events;
mod golive;
mod lateness;
mod line;
mod opus;
mod orb;
mod songbird;

use std::{sync::Arc, time::Instant};

use orb_video::ladder::Rung;
use orb_voice::{Encryption, Gate};
use orb_worker_media::{FrameQueue, PicturePlan, PictureQueue};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

pub use self::{
    credentials::{StreamCredentials, VoiceCredentials},
    events::VoiceEvent,
    golive::{PictureCounts, PictureSnapshot},
    line::VoiceDriver,
};
use self::{deck::Deck, line::Line};

/// The voice output of one session.
///
/// All calls return at once. Dropping it takes the bot off the wire.
pub struct Voice {
    deck: Arc<Deck>,
    line: Arc<dyn Line>,
    _courier: AbortOnDropHandle<()>,
}

/// Where sound comes from: one pipeline of one item.
#[derive(Clone, Debug)]
pub struct Track {
    /// The sound.
    pub frames: Arc<FrameQueue>,
    /// The picture, where it was opened with one. It is shown over a connection to a Go Live stream alone.
    pub pictures: Option<Arc<PictureQueue>>,
    /// The item; counters begin anew with another one.
    pub entry: u64,
    /// The pipeline; tells two of one item apart.
    pub run: u64,
}

/// The only track of its owner.
impl From<Arc<FrameQueue>> for Track {
    fn from(frames: Arc<FrameQueue>) -> Self {
        Self {
            frames,
            pictures: None,
            entry: 0,
            run: 0,
        }
    }
}

/// Frames by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Frames of films sent (silence is none).
    pub sent: u64,
    /// Ticks in which a frame was due and none went out.
    pub nulled: u64,
    /// Frames sent more than 20 ms after their time.
    pub late: u64,
}

impl Counts {
    fn since(self, before: Self) -> Self {
        Self {
            sent: self.sent - before.sent,
            nulled: self.nulled - before.nulled,
            late: self.late - before.late,
        }
    }
}

/// The clock and the health of a voice output.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// Of the track that this is about.
    pub run: u64,
    /// Media time at the end of the last frame that was sent, in ms; `None` until the source's first frame was.
    pub position_ms: Option<u64>,
    /// When that frame was sent.
    pub sent_at: Option<Instant>,
    /// Media time at which the track before this one ended, if this one followed it by itself.
    pub followed_ms: Option<u64>,
    /// Since [`Voice::new`].
    pub total: Counts,
    /// Of the present entry.
    pub entry: Counts,
    /// Half of the entry's frames were at most this late, in ms.
    pub lateness_p50_ms: u32,
    /// 99 of 100 of them were at most this late, in ms; 100 stands for that and more.
    pub lateness_p99_ms: u32,
    /// The channel is joined and packets flow, or would.
    pub connected: bool,
    /// Frames flow: connected, encrypted where that was asked for, not paused, not starved, not at the end.
    pub playing: bool,
    /// Known once connected; never over songbird, which does not say.
    pub encryption: Option<Encryption>,
    /// Pictures since [`Voice::new`].
    pub pictures: PictureCounts,
    /// How the picture does; none while none goes into the channel.
    pub picture: Option<PictureSnapshot>,
}

impl Voice {
    /// A voice output without connection or source. Must be called on a tokio runtime.
    ///
    /// An `events` channel that is full or closed delays or ends the reports, never the sound.
    pub fn new(driver: &VoiceDriver, events: mpsc::Sender<VoiceEvent>) -> Self {
        let deck = Arc::<Deck>::default();
        let courier = tokio::spawn(deliver(Arc::clone(&deck), events));
        Self {
            line: driver.line(Arc::clone(&deck)),
            deck,
            _courier: AbortOnDropHandle::new(courier),
        }
    }

    /// Drops any connection there is and opens a new one, when `gate` lets it. With a stream, before or now, a connection
    /// whose part of the credentials is what it was is kept.
    ///
    /// Ends in [`VoiceEvent::Connected`] or [`VoiceEvent::Lost`], at the latest after 14 s, besides what the gate waits.
    pub fn connect(&self, credentials: VoiceCredentials, gate: Arc<dyn Gate>) {
        self.line.connect(credentials, gate);
    }

    /// Drops the connection, or the attempt at one, at once. Gives no event.
    pub fn disconnect(&self) {
        self.line.disconnect();
    }

    /// Plays a track instead of what was there: a start, a seek, the next item.
    ///
    /// Call it before the old queue is closed, or that is taken for the old item's end. Frames of the old source that
    /// were not sent are forgotten.
    pub fn play(&self, track: impl Into<Track>, paused: bool) {
        let track = track.into();
        let (source, pictures) = (Arc::clone(&track.frames), track.pictures.clone());
        self.deck.clock().play(track, paused);
        // Until the film begins nobody asks for frames; then its first one is not to wait.
        source.wake_when_ready(self.wake());
        if let Some(pictures) = pictures {
            pictures.wake_when_ready(self.wake());
        }
    }

    fn wake(&self) -> impl FnOnce() + Send + 'static {
        let line = Arc::downgrade(&self.line);
        move || {
            if let Some(line) = line.upgrade() {
                line.wake();
            }
        }
    }

    /// Goes over to a track by itself when what plays was played to its end: its first frame, which has to be there by
    /// now, goes out in the tick after the last one of the other. Says [`VoiceEvent::Joined`] then, and not
    /// [`VoiceEvent::Drained`].
    pub fn follow_with(&self, next: Track) {
        self.deck.clock().follow_with(next);
    }

    /// Takes [`Voice::follow_with`] back. What it had come to already is in the snapshot.
    pub fn forget_next(&self) {
        self.deck.clock().forget_next();
    }

    /// Holds the film; the connection stays.
    pub fn pause(&self) {
        self.deck.clock().pause();
    }

    /// Goes on at the frame after the last one sent.
    pub fn resume(&self) {
        self.deck.clock().resume();
        self.line.wake();
    }

    /// Forgets the source; the connection stays.
    pub fn stop(&self) {
        self.deck.clock().stop();
    }

    /// What the pictures of a track are, and what they could be; told before its first one is shown, or later. None: its
    /// film has no picture, so that Discord is told that there is none any more.
    pub fn picture_planned(&self, run: u64, plan: Option<PicturePlan>) {
        self.deck.screen().planned(run, plan);
        self.line.wake();
    }

    /// The encoding of a track is another one from about now on.
    pub fn rung_changed(&self, run: u64, rung: Option<Rung>) {
        self.deck.screen().rung_changed(run, rung);
        // The server is told.
        self.line.wake();
    }

    /// The encoding that was asked for cannot be had: what was sent before is.
    pub fn rung_failed(&self, run: u64) {
        self.deck.screen().rung_failed(run, Instant::now());
    }

    /// There is no room for the encoding that was asked for: what was sent before is, and where that is more than the line
    /// bears, its key frames alone, until there is room or the line bears more. It is asked for again.
    pub fn rung_refused(&self, run: u64) {
        self.deck.screen().rung_refused(run, Instant::now());
    }

    /// What the line bears of the film that is played as `run`, if that is known and not the film's own packets: another
    /// track of it had better begin with it.
    pub fn picture_rung(&self, run: u64) -> Option<Rung> {
        self.deck.screen().rung(run)
    }

    /// The clock and the counters, now.
    pub fn snapshot(&self) -> Snapshot {
        let line = self.line.status();
        let (clock, pictures, picture) = {
            let clock = self.deck.clock();
            let mut screen = self.deck.screen();
            screen.key_frames_asked(line.key_frame_requests);
            let film = clock.film().filter(|_| line.stream);
            let picture = film.and_then(|film| screen.read(&film));
            (clock.read(), screen.total(), picture)
        };
        Snapshot {
            run: clock.run,
            position_ms: clock.position.map(|position| position.media_ms),
            sent_at: clock.position.map(|position| position.sent_at),
            followed_ms: clock.followed_ms,
            total: clock.total,
            entry: clock.entry,
            lateness_p50_ms: clock.lateness_p50_ms,
            lateness_p99_ms: clock.lateness_p99_ms,
            connected: line.connected,
            playing: line.sends && clock.flows,
            encryption: line.encryption,
            pictures,
            picture,
        }
    }
}

async fn deliver(deck: Arc<Deck>, events: mpsc::Sender<VoiceEvent>) {
    loop {
        while let Some(event) = deck.outbox.take() {
            if events.send(event).await.is_err() {
                return;
            }
        }
        deck.outbox.pushed().await;
    }
}
