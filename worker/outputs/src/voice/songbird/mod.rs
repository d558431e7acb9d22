//! The line over songbird.
//!
//! songbird's mixer works one tick ahead of the network, so a pause, a resume or a seek is on the wire 20 to 40 ms after
//! the call. Between the deck and the mixer stands the [`tap`], which gives each of the mixer's ticks one Opus packet,
//! unread and unchanged. What songbird does below our checks is said in `link.rs`, what the own driver does better in
//! `docs/adr/0005-own-voice-driver.md`.

mod dial;
mod driver_events;
mod framing;
mod link;
mod pace;
mod reader;
mod tap;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use orb_voice::Gate;
use tokio::runtime::Handle;
use tokio_util::task::AbortOnDropHandle;

use self::{dial::Dial, link::Link, tap::Tap};
use super::{
    VoiceCredentials,
    deck::Deck,
    line::{Line, LineStatus},
};

/// How often a connection is checked for having gone silent. Half of what counts as a stall.
const STALL_CHECK: Duration = Duration::from_millis(125);

pub(super) struct SongbirdLine {
    tap: Arc<Tap>,
    /// Whoever opens one checks under this lock that it is still wanted.
    link: Arc<Mutex<Option<Link>>>,
    dial: Mutex<Option<AbortOnDropHandle<()>>>,
    runtime: Handle,
    _watch: AbortOnDropHandle<()>,
}

impl SongbirdLine {
    pub(super) fn new(deck: Arc<Deck>) -> Self {
        let tap = Tap::new(deck);
        let runtime = Handle::current();
        let watch = runtime.spawn(watch_for_stalls(Arc::clone(&tap)));
        Self {
            tap,
            link: Arc::default(),
            dial: Mutex::default(),
            runtime,
            _watch: AbortOnDropHandle::new(watch),
        }
    }

    /// The connection, or the attempt at one, is void; an attempt that goes on for a moment finds another number.
    fn begin(&self, revision: u64, dial: impl FnOnce(u64) -> Option<AbortOnDropHandle<()>>) {
        let mut link = lock(&self.link);
        *link = None;
        let id = self.tap.new_link(revision);
        *lock(&self.dial) = dial(id);
    }
}

impl Line for SongbirdLine {
    fn connect(&self, credentials: VoiceCredentials, gate: Arc<dyn Gate>) {
        let revision = credentials.revision;
        if credentials.stream.is_some() {
            tracing::warn!(
                revision,
                "songbird has no streams: the sound goes into the voice channel"
            );
        }
        self.begin(revision, |id| {
            let dial = Dial {
                gate,
                info: link::connection_info(credentials)
                    .inspect_err(|error| self.tap.on_lost(id, None, error.to_string()))
                    .ok()?,
                id,
                tap: Arc::clone(&self.tap),
                link: Arc::clone(&self.link),
            };
            Some(AbortOnDropHandle::new(self.runtime.spawn(dial.run())))
        });
    }

    fn disconnect(&self) {
        self.begin(0, |_| None);
    }

    fn wake(&self) {
        talk(&self.tap, lock(&self.link));
    }

    fn status(&self) -> LineStatus {
        self.tap.status()
    }
}

/// Starts a talk if there is a connection and something to say.
fn talk(tap: &Tap, mut link: MutexGuard<'_, Option<Link>>) {
    if let Some(link) = &mut *link
        && let Some(talk) = tap.begin_talk(Instant::now())
    {
        link.start(talk);
    }
}

async fn watch_for_stalls(tap: Arc<Tap>) {
    let mut check = tokio::time::interval(STALL_CHECK);
    check.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        check.tick().await;
        tap.watch_for_stall(Instant::now());
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
