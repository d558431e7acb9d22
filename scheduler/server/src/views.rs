//! What readers see: the sessions as they were last committed.

use std::collections::BTreeMap;
use std::sync::{Arc, RwLock};

use orb_scheduler_core::{SessionId, SessionView};
use tokio::sync::watch;

type Map = BTreeMap<SessionId, watch::Sender<SessionView>>;

/// Shared between the leader, which publishes, and all readers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Views(Arc<RwLock<Map>>);

impl Views {
    pub(crate) fn publish(&self, view: SessionView) {
        {
            let map = self.read();
            if let Some(sender) = map.get(&view.id) {
                sender.send_replace(view);
                return;
            }
        }
        let mut map = self
            .0
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        map.insert(view.id.clone(), watch::Sender::new(view));
    }

    pub(crate) fn get(&self, id: &SessionId) -> Option<SessionView> {
        self.read().get(id).map(|sender| sender.borrow().clone())
    }

    /// Whoever watches it hears that there is nothing more to come.
    pub(crate) fn remove(&self, id: &SessionId) {
        self.0
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .remove(id);
    }

    pub(crate) fn all(&self) -> Vec<SessionView> {
        self.read()
            .values()
            .map(|sender| sender.borrow().clone())
            .collect()
    }

    pub(crate) fn watch(&self, id: &SessionId) -> Option<watch::Receiver<SessionView>> {
        self.read().get(id).map(watch::Sender::subscribe)
    }

    /// A reader that panicked left the map whole: it only ever borrows.
    fn read(&self) -> std::sync::RwLockReadGuard<'_, Map> {
        self.0
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
