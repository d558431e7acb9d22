//! All sessions of this worker, by id.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use orb_proto::v1;

use crate::actor::{SessionHandle, Shared};
use crate::convert;

/// The sessions that the scheduler has leased to this process.
pub(crate) struct Sessions {
    shared: Arc<Shared>,
    by_id: Mutex<BTreeMap<String, SessionHandle>>,
    total_millicores: u32,
}

impl Sessions {
    pub(crate) fn new(shared: Arc<Shared>, total_millicores: u32) -> Self {
        Self {
            shared,
            by_id: Mutex::default(),
            total_millicores,
        }
    }

    pub(crate) fn lease(&self, lease: v1::Lease) {
        let fence = convert::fence(lease.fence);
        let desired = convert::desired(lease.desired.unwrap_or_default());
        let mut sessions = self.lock();
        // Another token is another life of the session: nothing of the old one goes on, lest two
        // lives share a voice connection or a name in the watch output.
        if sessions
            .get(&lease.session_id)
            .is_some_and(|known| known.fence().token < fence.token)
        {
            sessions.remove(&lease.session_id);
        }
        sessions
            .entry(lease.session_id.clone())
            .or_insert_with(|| {
                SessionHandle::start(&lease.session_id, fence.token, Arc::clone(&self.shared))
            })
            .tell(fence, desired);
    }

    pub(crate) fn revoke(&self, revoke: &v1::Revoke) {
        let fence = convert::fence(revoke.fence);
        let mut sessions = self.lock();
        if sessions
            .get(&revoke.session_id)
            .is_some_and(|known| known.fence() < fence)
        {
            sessions.remove(&revoke.session_id);
        }
    }

    pub(crate) fn clear(&self) {
        self.lock().clear();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    pub(crate) fn any_playing(&self) -> bool {
        self.lock().values().any(SessionHandle::is_playing)
    }

    /// Reports of these sessions, or of all.
    pub(crate) fn reports(
        &self,
        only: Option<&std::collections::BTreeSet<String>>,
    ) -> Vec<v1::ObservedState> {
        self.lock()
            .iter()
            .filter(|(id, _)| only.is_none_or(|only| only.contains(*id)))
            .map(|(_, session)| session.report())
            .collect()
    }

    pub(crate) fn capacity(&self) -> v1::Capacity {
        let used: u32 = self
            .lock()
            .values()
            .map(SessionHandle::cost_millicores)
            .sum();
        v1::Capacity {
            total_millicores: self.total_millicores,
            free_millicores: self.total_millicores.saturating_sub(used),
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, SessionHandle>> {
        self.by_id.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
