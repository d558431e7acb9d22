//! What the pacing thread, the connection's task and the owner's handle share: the wire.

use std::{
    net::UdpSocket,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, TryLockError, TryLockResult, Weak},
    time::Instant,
};

use orb_video::ladder::Wants;
use tokio::sync::mpsc;

use super::{event::Encryption, stats::DriverStats};
use crate::{
    Dave, FrameSource, Group, Media, MediaCounts, PictureSource,
    pacer::{Paced, Tick, Ticket},
    wire::Speaking,
};

/// Changes of the speaking flag that wait for the connection's task. More than one wait only while it is stuck, and
/// then the newest is as good as any.
pub(super) const SPEAKING_QUEUE: usize = 4;

pub(super) struct Shared {
    source: Arc<dyn FrameSource>,
    pub(super) pictures: Option<Arc<dyn PictureSource>>,
    pub(super) stats: Arc<DriverStats>,
    /// The place of the call's line in the pacer, which has it from here. Weak: tickets hold what they are for.
    line: OnceLock<Weak<Ticket>>,
    wire: Mutex<Option<Wire>>,
}

/// One connection's end of the wire.
pub(super) struct Wire {
    /// Counts the connections of the call: a task that was aborted in the middle of a step must not act on its
    /// successor's wire.
    connection: u64,
    pub(super) dave: Dave,
    pub(super) path: Option<Path>,
    /// Of those who watch.
    pub(super) wants: Wants,
    /// What the last path was given, while there is none.
    group: Group,
    held: bool,
    speaking: mpsc::Sender<Speaking>,
}

/// The way that media takes.
pub(super) struct Path {
    pub(super) media: Media,
    pub(super) socket: UdpSocket,
}

impl Wire {
    pub(super) fn new(
        connection: u64,
        dave: Dave,
        speaking: mpsc::Sender<Speaking>,
        group: Group,
    ) -> Self {
        Self {
            connection,
            dave,
            path: None,
            wants: Wants::default(),
            group,
            held: true,
            speaking,
        }
    }

    pub(super) fn open(&mut self, mut path: Path) {
        if self.held {
            path.media.hold();
        }
        path.media.begin_after(self.take_group());
        self.path = Some(path);
    }

    /// What was given to the present path, or to the last one.
    pub(super) fn take_group(&mut self) -> Group {
        match &mut self.path {
            Some(path) => path.media.take_group(),
            None => std::mem::take(&mut self.group),
        }
    }

    pub(super) fn hold(&mut self, held: bool) {
        self.held = held;
        if let Some(path) = &mut self.path {
            if held {
                path.media.hold();
            } else {
                path.media.release();
            }
        }
    }

    pub(super) fn encryption(&self) -> Encryption {
        match (self.dave.is_required(), self.dave.may_send()) {
            (false, _) => Encryption::TransportOnly,
            (true, false) => Encryption::Waiting,
            (true, true) => Encryption::EndToEnd,
        }
    }
}

impl Shared {
    pub(super) fn new(
        source: Arc<dyn FrameSource>,
        pictures: Option<Arc<dyn PictureSource>>,
        stats: Arc<DriverStats>,
    ) -> Self {
        Self {
            source,
            pictures,
            stats,
            line: OnceLock::new(),
            wire: Mutex::default(),
        }
    }

    /// The line has a place in the pacer; it has one for good.
    pub(super) fn has_line(&self, ticket: &Arc<Ticket>) {
        let _ = self.line.set(Arc::downgrade(ticket));
    }

    /// Has the line called at once. Not under the lock: the call would find it taken.
    pub(super) fn wake_line(&self) {
        if let Some(line) = self.line.get().and_then(Weak::upgrade) {
            line.wake();
        }
    }

    /// Puts another connection's wire in place, or none; returns what was there.
    pub(super) fn replace(&self, wire: Option<Wire>) -> Option<Wire> {
        std::mem::replace(&mut *self.lock(), wire)
    }

    /// Works on the wire of this connection, if it is the present one.
    pub(super) fn with_wire<T>(
        &self,
        connection: u64,
        act: impl FnOnce(&mut Wire) -> T,
    ) -> Option<T> {
        let mut wire = self.lock();
        let present = wire.as_mut().filter(|wire| wire.connection == connection)?;
        Some(act(present))
    }

    /// Counters of the present media path.
    pub(super) fn counts(&self) -> MediaCounts {
        let wire = self.lock();
        let path = wire.as_ref().and_then(|wire| wire.path.as_ref());
        path.map(|path| path.media.counts()).unwrap_or_default()
    }

    pub(super) fn try_lock(&self) -> TryLockResult<MutexGuard<'_, Option<Wire>>> {
        self.wire.try_lock()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Wire>> {
        // Nothing panics under the lock; if it did, the other calls must go on.
        self.wire.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Paced for Shared {
    fn tick(&self, due: Instant) -> Tick {
        let mut wire = match self.try_lock() {
            Ok(wire) => wire,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            // MLS is at work, for a millisecond or some; the pacer has others to serve.
            Err(TryLockError::WouldBlock) => return Tick::Busy,
        };
        let Some(Wire {
            dave,
            path: Some(Path { media, socket }),
            speaking,
            ..
        }) = &mut *wire
        else {
            return Tick::Park;
        };
        let mut failed = false;
        let ticked = media.tick(
            due,
            Instant::now(),
            dave,
            || self.source.next(),
            // Full buffers and refusals (ICMP) lose a packet, as the network may.
            &mut |packet| failed |= socket.send(packet).is_err(),
        );
        if ticked.sent_frame {
            let at = Instant::now();
            self.source.sent(at, at.saturating_duration_since(due));
        }
        if let Some(flag) = ticked.speaking {
            let _ = speaking.try_send(flag);
        }
        let wants_turn = media.wants_turn();
        drop(wire);
        if wants_turn {
            self.wake_line();
        }
        if failed {
            self.stats.send_failed();
        }
        if ticked.idle { Tick::Park } else { Tick::Again }
    }
}
