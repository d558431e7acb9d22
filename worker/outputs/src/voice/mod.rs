//! `voice`: a film's sound in a Discord voice channel, by a bot account.
//!
//! Mental model: one [`Voice`] a session. It has at most one connection (songbird's `Driver`, replaced whole by
//! [`Voice::connect`]) and at most one source of frames (replaced by [`Voice::play`]), and neither knows of the other's
//! changes: a seek keeps the connection, a reconnect keeps the place in the film. Between them stands the tap, which
//! gives each tick of songbird's mixer one Opus packet, unread and unchanged, and keeps the time.
//!
//! While there is no connection nobody takes frames, so the media clock stands, and goes on where it stood.
//!
//! Latency: songbird builds a packet one tick before it sends it, so a pause, a resume or a seek is on the wire 20 to
//! 40 ms after the call. What songbird does below our checks is said in `link.rs`, what an own driver shall do better
//! in `docs/adr/0001-songbird-first.md`.

mod credentials;
mod driver_events;
mod events;
mod framing;
mod link;
mod pace;
mod reader;
mod tap;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use orb_worker_media::FrameQueue;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

pub use self::{credentials::VoiceCredentials, events::VoiceEvent};
use self::{link::Link, tap::Tap};

/// How often a connection is checked for having gone silent. Half of what counts as a stall.
const STALL_CHECK: Duration = Duration::from_millis(125);

/// The voice output of one session.
///
/// All calls return at once. Dropping it takes the bot off the wire.
pub struct Voice {
    tap: Arc<Tap>,
    link: Mutex<Option<Link>>,
    _courier: AbortOnDropHandle<()>,
}

/// The clock and the health of a voice output; counters are since [`Voice::new`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Media time at the end of the last frame that was sent, in ms; `None` until the source's first frame was.
    pub position_ms: Option<u64>,
    /// When that frame was sent.
    pub sent_at: Option<Instant>,
    /// Frames of films sent (silence is none).
    pub frames_sent: u64,
    /// Ticks that found no frame although one was due.
    pub frames_nulled: u64,
    /// Frames sent more than 20 ms after their time.
    pub frames_late: u64,
    /// Half of the frames were at most this late, in ms.
    pub lateness_p50_ms: u32,
    /// 99 of 100 frames were at most this late, in ms; 100 stands for that and more.
    pub lateness_p99_ms: u32,
    /// The channel is joined and packets flow, or would.
    pub connected: bool,
    /// Frames flow: connected, not paused, not starved, not at the end.
    pub playing: bool,
}

impl Voice {
    /// A voice output without connection or source. Must be called on a tokio runtime.
    ///
    /// An `events` channel that is full or closed delays or ends the reports, never the sound.
    pub fn new(events: mpsc::Sender<VoiceEvent>) -> Self {
        let tap = Tap::new();
        let courier = tokio::spawn(deliver(Arc::clone(&tap), events));
        Self {
            tap,
            link: Mutex::default(),
            _courier: AbortOnDropHandle::new(courier),
        }
    }

    /// Drops any connection there is and opens a new one.
    ///
    /// Ends in [`VoiceEvent::Connected`] or [`VoiceEvent::Lost`], at the latest after about 9 s.
    pub fn connect(&mut self, credentials: VoiceCredentials) {
        let mut link = self.link();
        // The old one first: not for an instant may two of them speak with the same account.
        *link = None;
        let revision = credentials.revision;
        let opened = credentials
            .into_connection_info()
            .and_then(|info| Link::open(info, revision, Arc::clone(&self.tap)));
        match opened {
            Ok(opened) => *link = Some(opened),
            Err(error) => {
                let id = self.tap.new_link(revision);
                self.tap.on_lost(id, None, error.to_string());
            }
        }
        self.talk(link);
    }

    /// Drops the connection, with whatever songbird is doing, at once. Gives no event.
    pub fn disconnect(&mut self) {
        *self.link() = None;
        self.tap.new_link(0);
    }

    /// Plays from `frames` instead of what was there: a start, a seek, the next item.
    ///
    /// Call it before the old queue is closed, or that is taken for the old item's end. Frames of the old source that
    /// were not sent are forgotten.
    pub fn play(&self, frames: Arc<FrameQueue>, paused: bool) {
        self.tap.play(frames, paused);
        self.talk(self.link());
    }

    /// Holds the film; the connection stays.
    pub fn pause(&self) {
        self.tap.pause();
    }

    /// Goes on at the frame after the last one sent.
    pub fn resume(&self) {
        self.tap.resume();
        self.talk(self.link());
    }

    /// Forgets the source; the connection stays.
    pub fn stop(&self) {
        self.tap.stop();
    }

    /// The clock and the counters, now.
    pub fn snapshot(&self) -> Snapshot {
        self.tap.snapshot()
    }

    /// Starts a talk if there is a connection and something to say.
    fn talk(&self, mut link: MutexGuard<'_, Option<Link>>) {
        if let Some(link) = &mut *link
            && let Some(talk) = self.tap.begin_talk(Instant::now())
        {
            link.start(talk);
        }
    }

    fn link(&self) -> MutexGuard<'_, Option<Link>> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn deliver(tap: Arc<Tap>, events: mpsc::Sender<VoiceEvent>) {
    let mut check = tokio::time::interval(STALL_CHECK);
    check.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        while let Some(event) = tap.outbox.take() {
            if events.send(event).await.is_err() {
                return;
            }
        }
        tokio::select! {
            () = tap.outbox.pushed() => {}
            _ = check.tick() => tap.watch_for_stall(Instant::now()),
        }
    }
}
