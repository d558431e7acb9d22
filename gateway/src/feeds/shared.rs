//! One task for all who listen to the same party.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, Weak},
};

use tokio_util::task::AbortOnDropHandle;

use crate::session_id::SessionId;

/// Tasks that run, by party. Each is owned by its listeners: the last one who drops it ends it.
pub(super) struct Shared<T> {
    running: Mutex<HashMap<SessionId, Weak<Running<T>>>>,
}

/// A task, and what it tells its listeners through.
pub(super) struct Running<T> {
    pub(super) feed: T,
    task: AbortOnDropHandle<()>,
}

impl<T> Default for Shared<T> {
    fn default() -> Self {
        Self {
            running: Mutex::default(),
        }
    }
}

impl<T> Shared<T> {
    /// The party's task; begun by `begin` where none runs. Needs a tokio runtime.
    pub(super) fn join<F>(&self, id: &SessionId, begin: impl FnOnce() -> (T, F)) -> Arc<Running<T>>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let mut running = self
            .running
            .lock()
            .expect("nothing panics while it is locked");
        let there = running.get(id).and_then(Weak::upgrade);
        // One that has ended, since its session was gone or the scheduler refused, is of the past.
        if let Some(there) = there.filter(|there| !there.task.is_finished()) {
            return there;
        }
        let (feed, work) = begin();
        let task = AbortOnDropHandle::new(tokio::spawn(work));
        let begun = Arc::new(Running { feed, task });
        // So the map never holds more than one that nobody listens to for each that was begun since.
        running.retain(|_, old| old.strong_count() > 0);
        running.insert(id.clone(), Arc::downgrade(&begun));
        begun
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tokio::sync::oneshot;

    use super::*;

    fn begin(ended: oneshot::Sender<()>) -> ((), impl Future<Output = ()> + Send) {
        let work = async move {
            let _ended = ended;
            std::future::pending::<()>().await;
        };
        ((), work)
    }

    #[tokio::test]
    async fn begins_with_the_first_and_ends_with_the_last() {
        let shared = Shared::<()>::default();
        let id = SessionId::parse("456").unwrap();
        let (sender, ended) = oneshot::channel();
        let first = shared.join(&id, || begin(sender));
        let second = shared.join(&id, || -> ((), std::future::Ready<()>) {
            panic!("it runs already")
        });
        drop(first);
        assert_eq!(shared.running.lock().unwrap().len(), 1);
        drop(second);
        // The sender is dropped with the task, unsent.
        ended.await.unwrap_err();

        let (sender, _ended) = oneshot::channel();
        let other = SessionId::parse("457").unwrap();
        let _third = shared.join(&other, || begin(sender));
        assert_eq!(shared.running.lock().unwrap().len(), 1);
    }

    #[tokio::test]
    async fn one_that_has_ended_is_begun_anew() {
        let shared = Shared::<()>::default();
        let id = SessionId::parse("456").unwrap();
        let first = shared.join(&id, || ((), async {}));
        while !first.task.is_finished() {
            tokio::task::yield_now().await;
        }
        let second = shared.join(&id, || ((), std::future::pending()));
        assert!(!Arc::ptr_eq(&first, &second));
    }
}
