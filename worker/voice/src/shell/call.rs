//! The owner's handle to one call.

use std::sync::Arc;

use tokio::sync::{Notify, mpsc};
use tokio_util::task::AbortOnDropHandle;

use super::{
    connection::Connection,
    driver::Common,
    event::{CallEvent, Heard},
    line::Line,
    media_side::Tickets,
    shared::{SPEAKING_QUEUE, Shared, Wire},
};
use crate::{
    Dave, Gate, Group, MediaCounts, VoiceServer,
    pacer::{Paced, Ticket},
};

/// One account in one guild: at most one connection, one source of frames.
///
/// All calls return at once. Dropping it takes the account off the wire; the channel is left by the main gateway.
pub struct Call {
    common: Arc<Common>,
    shared: Arc<Shared>,
    /// Its place in the pacer.
    ticket: Arc<Ticket>,
    /// That of its line, once it was connected to a stream.
    line: Option<Arc<Ticket>>,
    /// Tells the connection's task to look at what the pictures are.
    format: Arc<Notify>,
    events: mpsc::Sender<CallEvent>,
    heard: Option<mpsc::Sender<Heard>>,
    connection: Option<AbortOnDropHandle<()>>,
    /// Connections so far.
    connections: u64,
    /// A group in which DAVE was negotiated: `(group, account)`.
    encrypted: Option<(u64, u64)>,
    place: Option<(u64, u64)>,
    /// What the last connection was given, of a stream.
    group: Group,
}

impl Call {
    pub(super) fn new(
        common: Arc<Common>,
        shared: Arc<Shared>,
        events: mpsc::Sender<CallEvent>,
        heard: Option<mpsc::Sender<Heard>>,
    ) -> Self {
        let ticket = common.pacer.add(Arc::clone(&shared) as Arc<dyn Paced>);
        Self {
            common,
            shared,
            ticket: Arc::new(ticket),
            line: None,
            format: Arc::default(),
            events,
            heard,
            connection: None,
            connections: 0,
            encrypted: None,
            place: None,
            group: Group::default(),
        }
    }

    /// Drops any connection there is and makes a new one, for as long as `gate` lets it pass.
    ///
    /// Ends in [`CallEvent::Connected`] or [`CallEvent::Lost`], at the latest after
    /// [`VoiceTiming::give_up`](crate::VoiceTiming::give_up) and an attempt, besides what the gate waits.
    pub fn connect(&mut self, server: VoiceServer, gate: Arc<dyn Gate>) {
        // The old one first: not for an instant may two of them speak with the same account.
        self.disconnect();
        let place = (server.dave_group(), server.user_id);
        let mut dave = Dave::new(
            server.user_id,
            server.dave_group(),
            self.common.config.on_downgrade,
        );
        if self.encrypted == Some(place) {
            dave.require();
        }
        let (flags, speaking) = mpsc::channel(SPEAKING_QUEUE);
        self.place = Some(place);
        self.connections += 1;
        let wire = Wire::new(
            self.connections,
            dave,
            flags,
            std::mem::take(&mut self.group),
        );
        self.shared.replace(Some(wire));
        let tickets = Tickets {
            sound: Arc::clone(&self.ticket),
            line: server.stream.map(|_| self.line()),
        };
        let connection = Connection::new(
            Arc::clone(&self.common),
            (self.connections, Arc::clone(&self.shared)),
            (tickets, Arc::clone(&self.format)),
            (server, gate),
            (self.events.clone(), self.heard.clone()),
            speaking,
        );
        let task = self.common.runtime.spawn(connection.run());
        self.connection = Some(AbortOnDropHandle::new(task));
    }

    /// Drops the connection at once, without a word to the server. Gives no event; when it has returned, no event of that
    /// connection is added any more. What was not read before is still in the channel: drain it.
    pub fn disconnect(&mut self) {
        self.connection = None;
        // From here on nothing is sent: the pacer finds no wire.
        let Some(mut wire) = self.shared.replace(None) else {
            return;
        };
        if wire.dave.is_required() {
            self.encrypted = self.place;
        }
        self.group = wire.take_group();
    }

    fn line(&mut self) -> Arc<Ticket> {
        let line = self.line.get_or_insert_with(|| {
            let line = Arc::new(Line(Arc::clone(&self.shared)));
            let ticket = Arc::new(self.common.pacer.add_timed(line));
            self.shared.has_line(&ticket);
            ticket
        });
        Arc::clone(line)
    }

    /// A source has something after it said [`NextFrame::Idle`](crate::NextFrame::Idle); or it has a picture sooner than it
    /// said, or pictures of another format.
    pub fn wake(&self) {
        self.ticket.wake();
        if let Some(line) = &self.line {
            line.wake();
            self.format.notify_one();
        }
    }

    /// Counters of the present media path.
    pub fn media_counts(&self) -> MediaCounts {
        self.shared.counts()
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.disconnect();
    }
}
