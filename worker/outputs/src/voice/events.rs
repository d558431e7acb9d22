//! What the owner of a [`Voice`](super::Voice) is told, and the queue between the sending thread and that owner.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use orb_video::ladder::Rung;
use tokio::sync::Notify;

/// Something that happened on the voice output. `revision` is that of the credentials the connection was opened with.
#[derive(Clone, Debug, PartialEq)]
pub enum VoiceEvent {
    /// The channel is joined, for the first time or again after a cut; with a stream, that one, too.
    Connected {
        /// The credentials' revision.
        revision: u64,
    },
    /// The connection was cut and the driver is mending it by itself. (Over songbird seen only while something plays.)
    Reconnecting {
        /// The credentials' revision.
        revision: u64,
    },
    /// The connection is gone for good: nothing is tried again with these credentials.
    Lost {
        /// The credentials' revision.
        revision: u64,
        /// Discord's close code, when there was one (and songbird knows it, over songbird).
        close_code: Option<u16>,
        /// A sentence for the status; bears no secret.
        reason: String,
        /// It was the connection to the stream; that to the channel may stand.
        stream: bool,
    },
    /// The first frame since [`Voice::play`](super::Voice::play) was sent.
    FirstFrame {
        /// Its media time.
        pts_ms: u64,
    },
    /// The last frame of the source was sent, and in the tick after it the first one of what was to follow: see
    /// [`Voice::follow_with`](super::Voice::follow_with).
    Joined {
        /// Of the track that is heard now.
        run: u64,
    },
    /// The line asks for another encoding of the picture. The answer is
    /// [`Voice::rung_changed`](super::Voice::rung_changed), [`Voice::rung_failed`](super::Voice::rung_failed) or
    /// [`Voice::rung_refused`](super::Voice::rung_refused), unless another one is asked for before.
    Rung {
        /// Of the track that is shown.
        run: u64,
        /// None: the film's own packets.
        rung: Option<Rung>,
    },
    /// A frame was due and there was none; silence is sent until [`VoiceEvent::Refilled`].
    Starved,
    /// Frames flow again.
    Refilled,
    /// The last frame of a finished queue was sent.
    Drained,
}

/// Events under way to the owner.
///
/// The sending thread may never wait, so it cannot send into a bounded channel; and nothing may grow without bound
/// while an owner is stuck. So: a short queue, in which a newer feed edge replaces one that nobody has read yet.
#[derive(Default)]
pub(super) struct Outbox {
    queue: Mutex<VecDeque<VoiceEvent>>,
    added: Notify,
}

/// Far more than one connection, one source and one feed edge can cause between two reads.
const CAPACITY: usize = 64;

impl Outbox {
    pub(super) fn push(&self, event: VoiceEvent) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if is_feed_edge(&event) {
            queue.retain(|queued| !is_feed_edge(queued));
        }
        if queue.len() == CAPACITY {
            tracing::warn!(lost = ?queue.front(), "nobody reads the voice events");
            queue.pop_front();
        }
        queue.push_back(event);
        drop(queue);
        self.added.notify_one();
    }

    pub(super) fn take(&self) -> Option<VoiceEvent> {
        self.queue
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop_front()
    }

    /// Returns when something was pushed since the last call.
    pub(super) async fn pushed(&self) {
        self.added.notified().await;
    }
}

fn is_feed_edge(event: &VoiceEvent) -> bool {
    matches!(event, VoiceEvent::Starved | VoiceEvent::Refilled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unread_feed_edges_collapse_and_order_is_kept() {
        let outbox = Outbox::default();
        outbox.push(VoiceEvent::FirstFrame { pts_ms: 1 });
        outbox.push(VoiceEvent::Starved);
        outbox.push(VoiceEvent::Refilled);
        outbox.push(VoiceEvent::Drained);
        let read: Vec<_> = std::iter::from_fn(|| outbox.take()).collect();
        assert_eq!(
            read,
            [
                VoiceEvent::FirstFrame { pts_ms: 1 },
                VoiceEvent::Refilled,
                VoiceEvent::Drained
            ]
        );
    }

    #[test]
    fn a_stuck_owner_costs_the_oldest_event_not_memory() {
        let outbox = Outbox::default();
        for revision in 0..200 {
            outbox.push(VoiceEvent::Connected { revision });
        }
        let read: Vec<_> = std::iter::from_fn(|| outbox.take()).collect();
        assert_eq!(read.len(), CAPACITY);
        assert_eq!(read.last(), Some(&VoiceEvent::Connected { revision: 199 }));
    }
}
