//! What happens in sessions, for those who follow: read from the store once a commit, for all who follow a session.
//!
//! ```text
//!  commit ─▶ wake(session) ─▶ whoever asks first reads on from the newest known ─▶ recent ─▶ all others
//!                             whoever is behind `recent` reads pages of its own until it is not
//! ```
//!
//! The ids of events rise in the order of the commits ([`StoredEvent::id`](orb_scheduler_store::StoredEvent)), and a
//! reader always asks for what comes after the last it was given: so there is no hole and no repeat, whichever leader
//! it asks, and however slowly it reads. A wake-up only says that there may be more.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use orb_proto::v1;
use orb_scheduler_core::SessionId;
use prost::Message;
use tokio::sync::watch;
use tonic::Status;

use crate::convert::queue;
use crate::rows::Rows;

/// Events of one answer, at most.
const PAGE: u32 = 100;

/// Bytes of one answer, at most, unless a single event has more: a client takes messages of 4 MiB.
const PAGE_BYTES: usize = 1 << 20;

/// Events that are kept at hand of a session that somebody follows.
const RECENT: usize = 256;

/// Their bytes.
const RECENT_BYTES: usize = 1 << 20;

/// All sessions that somebody follows.
#[derive(Debug, Clone)]
pub(crate) struct Feeds(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    rows: Rows,
    feeds: Mutex<HashMap<SessionId, Weak<Feed>>>,
}

impl Feeds {
    pub(crate) fn of(rows: Rows) -> Self {
        Self(Arc::new(Inner {
            rows,
            feeds: Mutex::default(),
        }))
    }

    /// The feed of a session: one, however many follow it, until the last of them lets go.
    pub(crate) fn follow(&self, session: &SessionId) -> Arc<Feed> {
        let mut feeds = self.0.lock();
        if let Some(feed) = feeds.get(session).and_then(Weak::upgrade) {
            return feed;
        }
        let feed = Arc::new(Feed {
            session: session.clone(),
            feeds: Arc::downgrade(&self.0),
            rows: self.0.rows.clone(),
            commits: watch::Sender::default(),
            recent: tokio::sync::Mutex::default(),
        });
        feeds.insert(session.clone(), Arc::downgrade(&feed));
        feed
    }

    /// Something of the session was committed.
    pub(crate) fn wake(&self, session: &SessionId) {
        // The lock is not held when a feed may be dropped.
        let feed = self.0.lock().get(session).and_then(Weak::upgrade);
        if let Some(feed) = feed {
            feed.wake();
        }
    }

    /// What was committed is not known.
    pub(crate) fn wake_all(&self) {
        let feeds: Vec<_> = self.0.lock().values().filter_map(Weak::upgrade).collect();
        for feed in feeds {
            feed.wake();
        }
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, Weak<Feed>>> {
        self.feeds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What happens in one session.
#[derive(Debug)]
pub(crate) struct Feed {
    session: SessionId,
    feeds: Weak<Inner>,
    rows: Rows,
    /// How many commits had something of this session.
    commits: watch::Sender<u64>,
    recent: tokio::sync::Mutex<Recent>,
}

/// The newest events: all that happened after `after`, as of `read`.
#[derive(Debug, Default)]
struct Recent {
    /// How many commits had been made when it was read; none: it was not read yet.
    read: Option<u64>,
    after: i64,
    events: VecDeque<v1::Event>,
    bytes: usize,
}

impl Feed {
    /// Changes when there may be more. Mark it seen before asking, so that what comes meanwhile is noticed.
    pub(crate) fn wakes(&self) -> watch::Receiver<u64> {
        self.commits.subscribe()
    }

    /// The id of what happened last.
    pub(crate) async fn newest(&self) -> Result<i64, Status> {
        let mut recent = self.recent.lock().await;
        self.read_on(&mut recent).await?;
        Ok(recent.newest())
    }

    /// What happened after that event, a page of it at most.
    pub(crate) async fn after(&self, after: i64) -> Result<Vec<v1::Event>, Status> {
        let mut recent = self.recent.lock().await;
        self.read_on(&mut recent).await?;
        if after >= recent.after {
            let newer = recent.events.iter().filter(|event| event.id > after);
            return Ok(page(newer.take(PAGE as usize).cloned()));
        }
        drop(recent);
        let rows = self.rows.events(&self.session, after, PAGE).await?;
        Ok(page(rows.into_iter().map(queue::event)))
    }

    fn wake(&self) {
        self.commits.send_modify(|commits| *commits += 1);
    }

    /// Whoever comes first after a commit reads; the others wait for it, and find it read.
    async fn read_on(&self, recent: &mut Recent) -> Result<(), Status> {
        // Taken before the read: what is committed during it may or may not be in it.
        let commits = *self.commits.borrow();
        if recent.read == Some(commits) {
            return Ok(());
        }
        if recent.read.is_none() {
            recent.after = self.rows.newest_event(&self.session).await?;
        } else {
            loop {
                let rows = self.rows.events(&self.session, recent.newest(), PAGE);
                let rows = rows.await?;
                let is_last = rows.len() < PAGE as usize;
                for row in rows {
                    recent.push(queue::event(row));
                }
                if is_last {
                    break;
                }
            }
        }
        recent.read = Some(commits);
        Ok(())
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        let Some(inner) = self.feeds.upgrade() else {
            return;
        };
        let mut feeds = inner.lock();
        // Somebody may have begun to follow the session anew since the last one let go.
        let is_gone = |feed: &Weak<Feed>| feed.strong_count() == 0;
        if feeds.get(&self.session).is_some_and(is_gone) {
            feeds.remove(&self.session);
        }
    }
}

impl Recent {
    fn newest(&self) -> i64 {
        self.events.back().map_or(self.after, |event| event.id)
    }

    fn push(&mut self, event: v1::Event) {
        self.bytes += event.encoded_len();
        self.events.push_back(event);
        while self.events.len() > RECENT || self.bytes > RECENT_BYTES {
            let Some(oldest) = self.events.pop_front() else {
                return;
            };
            self.bytes -= oldest.encoded_len();
            self.after = oldest.id;
        }
    }
}

/// As many as the bytes of one answer allow: at least one, if there is one.
pub(crate) fn page(events: impl Iterator<Item = v1::Event>) -> Vec<v1::Event> {
    let mut bytes = 0;
    let fits = |event: &v1::Event| {
        let is_first = bytes == 0;
        bytes += event.encoded_len();
        is_first || bytes <= PAGE_BYTES
    };
    events.take_while(fits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(id: i64, bytes: usize) -> v1::Event {
        v1::Event {
            id,
            payload_json: "x".repeat(bytes),
            ..v1::Event::default()
        }
    }

    #[test]
    fn what_is_kept_is_bounded_and_says_from_where_on_it_is_whole() {
        let mut recent = Recent::default();
        for id in 1..=1_000 {
            recent.push(event(id, 10));
        }
        assert_eq!(recent.events.len(), RECENT);
        assert_eq!((recent.after, recent.newest()), (744, 1_000));
        recent.push(event(1_001, RECENT_BYTES));
        assert!(recent.events.is_empty(), "one is too large");
        assert_eq!(
            (recent.after, recent.newest(), recent.bytes),
            (1_001, 1_001, 0)
        );
    }

    #[test]
    fn a_page_is_bounded_and_never_empty_for_nothing() {
        let pages = |sizes: &[usize]| {
            let sizes = sizes.iter().enumerate();
            page(sizes.map(|(id, bytes)| event(id as i64 + 1, *bytes))).len()
        };
        assert_eq!(pages(&[]), 0);
        assert_eq!(pages(&[2 * PAGE_BYTES, 1]), 1);
        assert_eq!(pages(&[PAGE_BYTES / 2, PAGE_BYTES / 3, PAGE_BYTES / 3]), 2);
        assert_eq!(pages(&[1; 150]), 150);
    }
}
