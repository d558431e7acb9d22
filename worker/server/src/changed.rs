//! Which sessions have something to tell.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

/// A set, so that a session that changes often costs one report.
#[derive(Debug, Default)]
pub(crate) struct Changed {
    sessions: Mutex<BTreeSet<String>>,
    added: Notify,
}

impl Changed {
    pub(crate) fn add(&self, session: &str) {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.insert(session.to_owned());
        drop(sessions);
        self.added.notify_one();
    }

    /// Waits until there is something, and takes all of it.
    pub(crate) async fn take(&self) -> BTreeSet<String> {
        loop {
            let taken =
                std::mem::take(&mut *self.sessions.lock().unwrap_or_else(PoisonError::into_inner));
            if !taken.is_empty() {
                return taken;
            }
            self.added.notified().await;
        }
    }
}
