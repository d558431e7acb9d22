//! What readers take from the store: sessions that are over and have left the leader's memory, and what happened.

use std::sync::Arc;

use futures::future::BoxFuture;
use orb_scheduler_core::{SessionId, SessionView, StoredSession};
use orb_scheduler_store::{Error, Store, StoredEvent};
use tonic::Status;

use crate::refusals;

/// Reads rows, whatever the store.
#[derive(Clone)]
pub(crate) struct Rows(Arc<dyn Read>);

/// [`Store`] hands out futures, so it cannot be a trait object.
trait Read: Send + Sync {
    fn session(&self, id: SessionId) -> BoxFuture<'_, Result<Option<StoredSession>, Error>>;

    fn events(
        &self,
        session: SessionId,
        after_id: i64,
        limit: u32,
    ) -> BoxFuture<'_, Result<Vec<StoredEvent>, Error>>;

    fn newest_event(&self, session: SessionId) -> BoxFuture<'_, Result<i64, Error>>;
}

struct Of<S>(Arc<S>);

impl<S: Store> Read for Of<S> {
    fn session(&self, id: SessionId) -> BoxFuture<'_, Result<Option<StoredSession>, Error>> {
        Box::pin(async move { self.0.session(&id).await })
    }

    fn events(
        &self,
        session: SessionId,
        after_id: i64,
        limit: u32,
    ) -> BoxFuture<'_, Result<Vec<StoredEvent>, Error>> {
        Box::pin(async move { self.0.events(&session, after_id, limit).await })
    }

    fn newest_event(&self, session: SessionId) -> BoxFuture<'_, Result<i64, Error>> {
        Box::pin(async move { self.0.newest_event(&session).await })
    }
}

impl Rows {
    pub(crate) fn of<S: Store>(store: Arc<S>) -> Self {
        Self(Arc::new(Of(store)))
    }

    /// The session as it ended; refused when there never was one.
    pub(crate) async fn session(&self, id: &SessionId) -> Result<StoredSession, Status> {
        let found = self.0.session(id.clone()).await;
        found
            .map_err(|error| unreadable(&error, id))?
            .ok_or_else(|| refusals::session_not_found(id))
    }

    /// The same, as callers see it.
    pub(crate) async fn view(&self, id: &SessionId) -> Result<SessionView, Status> {
        Ok(self.session(id).await?.view())
    }

    /// What happened after that event, oldest first.
    pub(crate) async fn events(
        &self,
        session: &SessionId,
        after_id: i64,
        limit: u32,
    ) -> Result<Vec<StoredEvent>, Status> {
        let found = self.0.events(session.clone(), after_id, limit).await;
        found.map_err(|error| unreadable(&error, session))
    }

    /// The id of what happened last.
    pub(crate) async fn newest_event(&self, session: &SessionId) -> Result<i64, Status> {
        let found = self.0.newest_event(session.clone()).await;
        found.map_err(|error| unreadable(&error, session))
    }
}

fn unreadable(error: &Error, session: &SessionId) -> Status {
    tracing::error!(%error, code = error.code(), %session, "could not read a session's rows");
    refusals::unavailable()
}

impl std::fmt::Debug for Rows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rows").finish_non_exhaustive()
    }
}
