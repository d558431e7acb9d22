//! Sessions that are over and have left the leader's memory: read from their rows.

use std::sync::Arc;

use futures::future::BoxFuture;
use orb_scheduler_core::{SessionId, SessionRecord, SessionView};
use orb_scheduler_store::{Error, Store};
use tonic::Status;

use crate::refusals;

type Found = BoxFuture<'static, Result<Option<SessionRecord>, Error>>;

/// Looks a row up, whatever the store.
#[derive(Clone)]
pub(crate) struct Over(Arc<dyn Fn(SessionId) -> Found + Send + Sync>);

impl Over {
    pub(crate) fn of<S: Store>(store: Arc<S>) -> Self {
        Self(Arc::new(move |id| {
            let store = Arc::clone(&store);
            Box::pin(async move { store.session(&id).await })
        }))
    }

    /// The session as it ended; refused when there never was one.
    pub(crate) async fn view(&self, id: &SessionId) -> Result<SessionView, Status> {
        match (self.0)(id.clone()).await {
            Ok(Some(record)) => Ok(record.view()),
            Ok(None) => Err(refusals::session_not_found(id)),
            Err(error) => {
                tracing::error!(%error, code = error.code(), session = %id, "could not read a session");
                Err(refusals::unavailable())
            }
        }
    }
}

impl std::fmt::Debug for Over {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Over").finish_non_exhaustive()
    }
}
