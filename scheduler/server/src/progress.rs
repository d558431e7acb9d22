//! Jellyfin is told what plays, so that its users can continue watching.
//!
//! ```text
//!  published views ─(a look each second)─▶ Watched: what is due ─▶ Reporter ─▶ Jellyfin
//! ```
//!
//! One task of a leader, beside its loop, which knows nothing of it. A look takes down how the sessions are, and the
//! next look waits until all that was due has been said: however slow Jellyfin is, nothing piles up, and what changed
//! twice meanwhile is said once. What could not be said is not said again: the next report says more.
//!
//! What plays already when a leader begins was begun under another, which has said so: the new one only goes on. A
//! leader that leads no more says nothing; what ended in its last second has ended unheard.

mod jellyfin;
mod watched;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{StreamExt, stream};
use orb_coordinator::Tenure;
use orb_scheduler_core::{EntryId, PlaybackState, SessionId, SessionView};
use tokio::time::{Instant, MissedTickBehavior};

pub use self::jellyfin::JellyfinReporter;
use self::watched::{Entry, Heard, Seen, Watched};
use crate::LeaderHandle;
use crate::metrics::Counters;

/// A pause or a seek shows in Jellyfin after so long at most, while Jellyfin answers.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Reports under way at once. Of one session there is only one.
const AT_ONCE: usize = 8;

/// A Jellyfin that is away fails every report; people read of it so often.
const COMPLAIN_EVERY: Duration = Duration::from_mins(1);

/// Where an item that plays in a party stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemProgress {
    /// The party.
    pub session: SessionId,
    /// Jellyfin's item id.
    pub item_id: String,
    /// Jellyfin's media source id; empty: not known.
    pub source_id: String,
    /// Media time.
    pub position_ms: u64,
    /// Where it is known.
    pub duration_ms: Option<u64>,
    /// Whether playback is held.
    pub paused: bool,
}

/// What happened to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProgressKind {
    /// It began.
    Started,
    /// It goes on, or was paused, resumed or moved in.
    GoesOn,
    /// It was played out, or somebody ended it.
    Stopped,
    /// It could not be played on.
    Failed,
}

/// Who is told.
pub trait ProgressReporter: std::fmt::Debug + Send + Sync + 'static {
    /// Says so, within a time that it bounds itself. An error is a sentence without a secret.
    fn report(
        &self,
        kind: ProgressKind,
        progress: ItemProgress,
    ) -> BoxFuture<'_, Result<(), String>>;
}

/// Follows the sessions of one leader.
pub(crate) struct Follower {
    leader: LeaderHandle,
    tenure: Tenure,
    reporter: Arc<dyn ProgressReporter>,
    counters: Counters,
    watched: Watched,
    complaints: Complaints,
}

impl Follower {
    /// `leader` has published what it loaded, and takes no calls yet.
    pub(crate) fn new(
        leader: LeaderHandle,
        tenure: Tenure,
        reporter: Arc<dyn ProgressReporter>,
        counters: Counters,
    ) -> Self {
        let mut begun = HashMap::new();
        leader.views.each(|view| {
            if let Some(entry) = current(view) {
                begun.insert(view.id.clone(), entry);
            }
        });
        Self {
            leader,
            tenure,
            reporter,
            counters,
            watched: Watched::new(begun),
            complaints: Complaints::default(),
        }
    }

    /// Until the leader leads no more.
    pub(crate) async fn run(mut self) {
        let gone = self.leader.gone.clone();
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let following = async {
            loop {
                look.tick().await;
                self.look().await;
            }
        };
        gone.run_until_cancelled(following).await;
    }

    async fn look(&mut self) {
        let seen = self.seen();
        let views = &self.leader.views;
        let entry = |session: &SessionId, id: EntryId| {
            let queue = views.queue(session)?;
            let found = queue.entries.iter().find(|entry| entry.id() == id);
            found.map(Entry::of)
        };
        let due = self.watched.look(seen, entry, Instant::now());
        let (tenure, reporter, counters) = (&self.tenure, &self.reporter, &self.counters);
        let told = stream::iter(due).map(|reports| async move {
            let mut failures = Vec::new();
            for (kind, progress) in reports {
                // Not a word once another may lead.
                if !tenure.holds() {
                    break;
                }
                let told = reporter.report(kind, progress).await;
                counters.reported(told.is_ok());
                failures.extend(told.err());
            }
            failures
        });
        let mut told = told.buffer_unordered(AT_ONCE);
        while let Some(failures) = told.next().await {
            for error in failures {
                self.complaints.note(&error);
            }
        }
    }

    /// All sessions in which something has been played.
    fn seen(&self) -> Vec<Seen> {
        let now = self.leader.clock.now().monotonic;
        let mut seen = Vec::new();
        self.leader.views.each(|view| {
            let Some(entry) = view.entry else {
                return;
            };
            let heard = match view.playback {
                PlaybackState::Playing => Heard::At {
                    position_ms: view.position.at(now),
                    paused: false,
                },
                PlaybackState::Paused => Heard::At {
                    position_ms: view.position.media_ms,
                    paused: true,
                },
                PlaybackState::Ended | PlaybackState::Stopped => Heard::Over {
                    position_ms: view.position.media_ms,
                },
                PlaybackState::Idle | PlaybackState::Loading => Heard::NotYet,
            };
            seen.push(Seen {
                session: view.id.clone(),
                entry,
                heard,
                duration_ms: view.duration_ms,
            });
        });
        seen
    }
}

/// The entry that shall play.
fn current(view: &SessionView) -> Option<EntryId> {
    let has_begun = matches!(
        view.playback,
        PlaybackState::Loading | PlaybackState::Playing | PlaybackState::Paused
    );
    view.entry.filter(|_| has_begun)
}

/// What failed, said once in a while.
#[derive(Debug, Default)]
struct Complaints {
    said: Option<Instant>,
    untold: u64,
}

impl Complaints {
    fn note(&mut self, error: &str) {
        self.untold += 1;
        if self
            .said
            .is_some_and(|said| said.elapsed() < COMPLAIN_EVERY)
        {
            return;
        }
        tracing::warn!(
            error,
            failed = self.untold,
            "Jellyfin was not told what plays; parties go on, but nobody can continue watching there"
        );
        self.said = Some(Instant::now());
        self.untold = 0;
    }
}
