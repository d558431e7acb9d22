//! Whether this worker takes part: what `/readyz` says, and `/metrics`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::Drain;

/// Clones are of the same worker.
#[derive(Debug, Clone)]
pub(crate) struct Presence {
    attached: Arc<AtomicBool>,
    drain: Drain,
}

impl Presence {
    pub(crate) fn of(drain: Drain) -> Self {
        Self {
            attached: Arc::default(),
            drain,
        }
    }

    /// Until what is returned is dropped.
    pub(crate) fn attached(&self) -> Attached {
        self.attached.store(true, Ordering::Relaxed);
        Attached(Arc::clone(&self.attached))
    }

    pub(crate) fn is_attached(&self) -> bool {
        self.attached.load(Ordering::Relaxed)
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.drain.asked.is_cancelled()
    }

    /// Ready: a leader may give it sessions.
    pub(crate) fn ready(&self) -> Result<(), &'static str> {
        if self.is_draining() {
            Err("the worker drains: it takes nothing new")
        } else if self.is_attached() {
            Ok(())
        } else {
            Err("the worker is not attached to a leading scheduler")
        }
    }
}

/// While it lives, the worker is attached.
#[derive(Debug)]
pub(crate) struct Attached(Arc<AtomicBool>);

impl Drop for Attached {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use tokio_util::sync::CancellationToken;

    use super::*;

    #[test]
    fn ready_is_attached_and_not_draining() {
        let asked = CancellationToken::new();
        let presence = Presence::of(Drain::when(asked.clone()));
        assert!(presence.ready().is_err());
        let attached = presence.attached();
        assert_eq!(presence.ready(), Ok(()));
        drop(attached);
        assert!(presence.ready().is_err());
        let _attached = presence.attached();
        asked.cancel();
        assert!(presence.ready().is_err());
    }
}
