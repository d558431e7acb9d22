//! What readers see: the sessions as they were last committed.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, RwLock};

use orb_scheduler_core::{QueueView, SessionId, SessionView, Vitals};
use tokio::sync::watch;

/// By hash: every beat of every session finds its place in it.
type Map = HashMap<SessionId, Shown>;

/// What is seen of one session.
#[derive(Debug)]
struct Shown {
    view: watch::Sender<SessionView>,
    /// It changes seldom, and may be long.
    queue: RwLock<Arc<QueueView>>,
}

/// Shared between the leader, which publishes, and all readers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Views(Arc<RwLock<Map>>);

impl Views {
    pub(crate) fn publish(&self, view: SessionView) {
        {
            let map = self.read();
            if let Some(shown) = map.get(&view.id) {
                shown.view.send_replace(view);
                return;
            }
        }
        let mut map = self
            .0
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        // Nothing is published of a queue before its first change: until then it is empty, in the version that the
        // session itself tells.
        let queue = QueueView {
            version: view.queue_version,
            ..QueueView::default()
        };
        map.insert(
            view.id.clone(),
            Shown {
                view: watch::Sender::new(view),
                queue: RwLock::new(Arc::new(queue)),
            },
        );
    }

    /// The queue of a session whose view was published before.
    pub(crate) fn publish_queue(&self, id: &SessionId, queue: QueueView) {
        if let Some(shown) = self.read().get(id) {
            let mut known = shown
                .queue
                .write()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            *known = Arc::new(queue);
        }
    }

    pub(crate) fn queue(&self, id: &SessionId) -> Option<Arc<QueueView>> {
        self.read().get(id).map(|shown| {
            let known = shown
                .queue
                .read()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            Arc::clone(&known)
        })
    }

    /// The same session, a report later.
    pub(crate) fn advance(&self, id: &SessionId, vitals: Vitals) {
        if let Some(shown) = self.read().get(id) {
            shown.view.send_modify(|view| view.advance(vitals));
        }
    }

    pub(crate) fn get(&self, id: &SessionId) -> Option<SessionView> {
        let map = self.read();
        map.get(id).map(|shown| shown.view.borrow().clone())
    }

    /// Whoever watches it hears that there is nothing more to come.
    pub(crate) fn remove(&self, id: &SessionId) {
        self.0
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .remove(id);
    }

    /// By id.
    pub(crate) fn all(&self) -> Vec<SessionView> {
        let map = self.read();
        let views = map.values().map(|shown| shown.view.borrow().clone());
        let mut all: Vec<_> = views.collect();
        drop(map);
        all.sort_unstable_by(|one, other| one.id.cmp(&other.id));
        all
    }

    /// Looks at each, in no order.
    pub(crate) fn each(&self, mut look: impl FnMut(&SessionView)) {
        for shown in self.read().values() {
            look(&shown.view.borrow());
        }
    }

    /// How many there are of each kind.
    pub(crate) fn count_by<K: Eq + Hash>(
        &self,
        kind: impl Fn(&SessionView) -> K,
    ) -> HashMap<K, usize> {
        let mut counts = HashMap::new();
        for shown in self.read().values() {
            *counts.entry(kind(&shown.view.borrow())).or_default() += 1;
        }
        counts
    }

    pub(crate) fn watch(&self, id: &SessionId) -> Option<watch::Receiver<SessionView>> {
        self.read().get(id).map(|shown| shown.view.subscribe())
    }

    /// A reader that panicked left the map whole: it only ever borrows.
    fn read(&self) -> std::sync::RwLockReadGuard<'_, Map> {
        self.0
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
