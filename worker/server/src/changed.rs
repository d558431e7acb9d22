//! Which sessions have something to tell, and which were given back.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use orb_worker_core::KnownPlan;
use tokio::sync::Notify;

/// A lease that is given back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Declined {
    pub(crate) session: String,
    pub(crate) token: u64,
    pub(crate) plan: Option<KnownPlan>,
}

/// What there is to tell.
#[derive(Debug, Default)]
pub(crate) struct News {
    pub(crate) changed: BTreeSet<String>,
    /// At most one a session.
    pub(crate) declined: Vec<Declined>,
}

/// A set, so that a session that changes often costs one report.
#[derive(Debug, Default)]
pub(crate) struct Changed {
    news: Mutex<News>,
    added: Notify,
}

impl Changed {
    pub(crate) fn add(&self, session: &str) {
        self.lock().changed.insert(session.to_owned());
        self.added.notify_one();
    }

    pub(crate) fn decline(&self, declined: Declined) {
        let mut news = self.lock();
        news.declined
            .retain(|known| known.session != declined.session);
        news.declined.push(declined);
        drop(news);
        self.added.notify_one();
    }

    /// Waits until there is something, and takes all of it.
    pub(crate) async fn take(&self) -> News {
        loop {
            let news = std::mem::take(&mut *self.lock());
            if !news.changed.is_empty() || !news.declined.is_empty() {
                return news;
            }
            self.added.notified().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, News> {
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
