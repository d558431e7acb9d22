//! The party of one guild: somebody hosts it, and somebody meddles.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use tokio::sync::RwLock;
use tokio_util::sync::CancellationToken;

use super::caller::Caller;
use super::wish::{Ending, Wish};

/// Between two wishes of a host.
const HOST_PAUSE_MS: std::ops::Range<u64> = 400..3_000;

/// The same where people mostly watch: so long that a take-over in between shows what it did to the position.
const CALM_PAUSE_MS: std::ops::Range<u64> = 5_000..15_000;

/// Between two wishes of somebody who meddles.
const MEDDLER_PAUSE_MS: std::ops::Range<u64> = 2_000..7_000;

/// How long a hosted party is paused.
const PAUSED_MS: std::ops::Range<u64> = 200..1_500;

/// Seeks go below it, so that no run plays to the film's end.
const SEEK_BELOW_S: u64 = 240;

/// One guild's party, and those before it.
#[derive(Clone)]
pub struct Party {
    /// Where.
    pub guild: u64,
    caller: Caller,
    present: Arc<Mutex<Present>>,
    /// Held by calls of a meddler, and alone by a host who ends one party for another: a play that came after the stop
    /// would let the old party join again, and two would be heard.
    changing: Arc<RwLock<()>>,
}

#[derive(Default)]
struct Present {
    /// Which session of the guild, from 1; 0 is none yet.
    number: u32,
    /// Calls of this guild so far: each gets a key, an entry and a position of its own.
    calls: u64,
}

impl Party {
    pub(super) fn new(caller: Caller, guild: u64) -> Self {
        Self {
            guild,
            caller,
            present: Arc::default(),
            changing: Arc::default(),
        }
    }

    /// The session that the guild has now.
    pub fn session(&self) -> String {
        self.name(self.lock().number)
    }

    /// Makes a session and plays, and then does whatever a host does, until cancelled.
    pub(super) async fn host(self, mut rng: ChaCha8Rng, calm: bool, cancel: CancellationToken) {
        self.another(&mut rng).await;
        let pauses = if calm { CALM_PAUSE_MS } else { HOST_PAUSE_MS };
        while pause(&mut rng, pauses.clone(), &cancel).await {
            match rng.random_range(0..100) {
                0..40 => self.seek(&mut rng).await,
                40..62 => {
                    self.wish(&mut rng, Wish::Pause).await;
                    // The party goes on even when the run ends meanwhile.
                    let paused = rng.random_range(PAUSED_MS);
                    tokio::time::sleep(Duration::from_millis(paused)).await;
                    self.wish(&mut rng, Wish::Resume).await;
                }
                62..80 => self.play(&mut rng).await,
                80..88 => {
                    self.wish(&mut rng, Wish::Skip).await;
                    self.play(&mut rng).await;
                }
                88..94 => {
                    self.wish(&mut rng, Wish::Stop).await;
                    self.play(&mut rng).await;
                }
                _ => {
                    let _alone = self.changing.write().await;
                    self.wish(&mut rng, Wish::Stop).await;
                    self.another(&mut rng).await;
                }
            }
        }
    }

    /// Somebody else with a remote control, at the same time.
    pub(super) async fn meddle(self, mut rng: ChaCha8Rng, cancel: CancellationToken) {
        while pause(&mut rng, MEDDLER_PAUSE_MS, &cancel).await {
            let _same = self.changing.read().await;
            match rng.random_range(0..4) {
                0 => self.wish(&mut rng, Wish::Resume).await,
                1 => self.play(&mut rng).await,
                _ => self.seek(&mut rng).await,
            }
        }
    }

    async fn another(&self, rng: &mut ChaCha8Rng) {
        self.lock().number += 1;
        self.wish(rng, Wish::Create { guild: self.guild }).await;
        self.play(rng).await;
    }

    async fn play(&self, rng: &mut ChaCha8Rng) {
        let entry = self.next() as i64;
        self.wish(rng, Wish::Play { entry }).await;
    }

    async fn seek(&self, rng: &mut ChaCha8Rng) {
        let second = rng.random_range(0..SEEK_BELOW_S);
        let position_ms = second * 1000 + self.next() % 1000;
        self.wish(rng, Wish::Seek { position_ms }).await;
    }

    async fn wish(&self, rng: &mut ChaCha8Rng, wish: Wish) {
        let session = self.session();
        let key = format!("{}-{}", self.guild, self.next());
        let ending = self.caller.call(rng, &session, key, wish).await;
        debug_assert_ne!(ending, Ending::Outstanding);
    }

    fn next(&self) -> u64 {
        let mut present = self.lock();
        present.calls += 1;
        present.calls
    }

    fn name(&self, number: u32) -> String {
        format!("{}00{number}", self.guild)
    }

    fn lock(&self) -> MutexGuard<'_, Present> {
        self.present.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// False when it is over.
async fn pause(rng: &mut ChaCha8Rng, ms: std::ops::Range<u64>, cancel: &CancellationToken) -> bool {
    let pause = Duration::from_millis(rng.random_range(ms));
    let over = cancel.cancelled();
    tokio::time::timeout(pause, over).await.is_err()
}
