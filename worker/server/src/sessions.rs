//! All sessions of this worker, by id.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use orb_proto::v1;

use crate::actor::{SessionHandle, Shared, Word};
use crate::convert;
use crate::metrics::Reading;

/// The sessions that the scheduler has leased to this process.
pub(crate) struct Sessions {
    shared: Arc<Shared>,
    by_id: Mutex<BTreeMap<String, SessionHandle>>,
}

impl Sessions {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            by_id: Mutex::default(),
        }
    }

    pub(crate) fn lease(&self, lease: v1::Lease) {
        let fence = convert::fence(lease.fence);
        let desired = Box::new(convert::desired(
            lease.desired.unwrap_or_default(),
            lease.plan,
        ));
        let role = convert::role(lease.role);
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
            .tell(Word {
                fence,
                desired,
                role,
                traceparent: lease.traceparent,
            });
    }

    /// Forgets a session that was given back under that token; it is gone already.
    pub(crate) fn forget(&self, session: &str, token: u64) {
        let mut sessions = self.lock();
        let is_it = |known: &SessionHandle| known.fence().token == token;
        if sessions.get(session).is_some_and(is_it) {
            sessions.remove(session);
        }
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

    /// Gives back, of what nobody has heard here yet, as much as the probes found too dear. The last one is kept: alone
    /// it has all there is. What is only opened ahead displaces nobody.
    pub(crate) fn give_back_what_does_not_fit(&self) {
        let sessions = self.lock();
        let held = || sessions.values().filter(|session| !session.is_given_back());
        let total = self.shared.room.total_millicores();
        let mut used: u32 = held().map(SessionHandle::cost_millicores).sum();
        for session in held() {
            let cost = session.cost_millicores();
            if used > total && cost < used && session.is_unheard() {
                session.give_back();
                used -= cost;
            }
        }
    }

    /// What is to be counted of each.
    pub(crate) fn readings(&self) -> Vec<Reading> {
        self.lock().values().map(SessionHandle::read).collect()
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
        v1::Capacity {
            total_millicores: self.shared.room.total_millicores(),
            free_millicores: self.shared.room.free_millicores(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, SessionHandle>> {
        self.by_id.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
