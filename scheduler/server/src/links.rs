//! The streams of attached workers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use orb_proto::v1::AttachResponse;
use orb_scheduler_core::{Incarnation, WorkerId};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// One attached worker.
#[derive(Debug, Clone)]
pub(crate) struct Link {
    /// Tells two streams of one incarnation apart.
    pub(crate) connection: Uuid,
    pub(crate) incarnation: Incarnation,
    /// Bounded: a worker that does not read is cut off, and attaches again when it does.
    pub(crate) words: mpsc::Sender<Result<AttachResponse, tonic::Status>>,
    pub(crate) media_url: String,
    pub(crate) media_token: String,
    pub(crate) closed: CancellationToken,
}

/// All of them, by worker.
#[derive(Debug, Clone, Default)]
pub(crate) struct Links(Arc<Mutex<HashMap<WorkerId, Link>>>);

impl Links {
    pub(crate) fn insert(&self, worker: WorkerId, link: Link) {
        if let Some(old) = self.lock().insert(worker, link) {
            old.closed.cancel();
        }
    }

    pub(crate) fn get(&self, worker: &WorkerId) -> Option<Link> {
        self.lock().get(worker).cloned()
    }

    /// Sends a word, or closes a stream whose queue is full: the worker gets everything anew when it
    /// attaches again, so nothing is lost by it.
    pub(crate) fn send(&self, worker: &WorkerId, incarnation: &Incarnation, word: AttachResponse) {
        let Some(link) = self
            .get(worker)
            .filter(|link| &link.incarnation == incarnation)
        else {
            return;
        };
        if link.words.try_send(Ok(word)).is_err() {
            tracing::warn!(%worker, "worker does not read its stream; closing it");
            link.closed.cancel();
        }
    }

    /// Ends the stream of that life of the worker.
    pub(crate) fn close(&self, worker: &WorkerId, incarnation: &Incarnation) {
        if let Some(link) = self
            .get(worker)
            .filter(|link| &link.incarnation == incarnation)
        {
            link.closed.cancel();
        }
    }

    /// Forgets a stream that ended; false when a newer one of the same worker has taken its place.
    pub(crate) fn remove(&self, worker: &WorkerId, connection: Uuid) -> bool {
        let mut links = self.lock();
        let current = links
            .get(worker)
            .is_some_and(|link| link.connection == connection);
        if current {
            links.remove(worker);
        }
        current
    }

    pub(crate) fn close_all(&self) {
        for (_, link) in self.lock().drain() {
            link.closed.cancel();
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<WorkerId, Link>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
