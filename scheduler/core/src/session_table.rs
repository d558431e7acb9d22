//! The sessions of a leader.
//!
//! Every beat of every session looks it up, so that is by hash: with ten thousand sessions a search by id would compare
//! ids that begin alike, a dozen times, each in another corner of memory. Walks go by id: the same history gives the same
//! order, and a walk can be left and taken up again. A session is kilobytes and stays where it is: a table that grew would
//! move all of them.

use std::collections::{BTreeSet, HashMap};
use std::ops::Bound;

use crate::{Session, SessionId};

#[derive(Debug, Default)]
pub(crate) struct SessionTable {
    by_id: HashMap<SessionId, Box<Session>>,
    ids: BTreeSet<SessionId>,
}

impl SessionTable {
    pub(crate) fn get(&self, id: &SessionId) -> Option<&Session> {
        self.by_id.get(id).map(Box::as_ref)
    }

    pub(crate) fn get_mut(&mut self, id: &SessionId) -> Option<&mut Session> {
        self.by_id.get_mut(id).map(Box::as_mut)
    }

    pub(crate) fn contains_key(&self, id: &SessionId) -> bool {
        self.by_id.contains_key(id)
    }

    pub(crate) fn insert(&mut self, id: SessionId, session: Session) {
        self.ids.insert(id.clone());
        self.by_id.insert(id, Box::new(session));
    }

    pub(crate) fn remove(&mut self, id: &SessionId) -> Option<Session> {
        self.ids.remove(id);
        self.by_id.remove(id).map(|session| *session)
    }

    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// In their order.
    pub(crate) fn keys(&self) -> impl DoubleEndedIterator<Item = &SessionId> {
        self.ids.iter()
    }

    /// The ids after this one, in their order; none: all of them.
    pub(crate) fn keys_after(&self, id: Option<SessionId>) -> impl Iterator<Item = &SessionId> {
        let from = id.map_or(Bound::Unbounded, Bound::Excluded);
        self.ids.range((from, Bound::Unbounded))
    }
}
