//! What comes out: writes for one transaction, and effects for after its commit.

use serde_json::Value;

use crate::cause::By;
use crate::{
    AccountId, CallId, CommandRecord, Desired, EntryId, Explanation, Fence, FencingToken, Grant,
    Incarnation, QueueEntry, QueueView, Refusal, Role, SessionId, SessionRecord, SessionStatus,
    SessionView, TraceParent, VoiceCredentials, WorkerId,
};

/// A row of `watch_party_queue`, found by `(session, entry id)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueRow {
    /// Whose.
    pub session: SessionId,
    /// The whole row; the URLs of its item are secrets.
    pub entry: QueueEntry,
}

/// A row of `watch_party_events`. Bears no URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRow {
    /// Whose.
    pub session: SessionId,
    /// Such as `play`, `pause`, `ended`.
    pub event_type: &'static str,
    /// An object: `cause`, `actor`, `generation` (the one that it led to), and particulars.
    pub payload: Value,
}

impl EventRow {
    /// The payload as it is stored. Not by `Display`, which goes through a formatter character by character.
    pub fn payload_json(&self) -> String {
        serde_json::to_string(&self.payload).expect("a value has string keys and serializes")
    }
}

/// The row of `watch_party_worker_state`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerStateRow {
    /// Whose, and what of it.
    pub view: SessionView,
}

/// A change for the transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// The whole durable record, with the status that people see.
    Session(Box<SessionRecord>, SessionStatus),
    /// Insert or update by `(session, entry id)`, position included. It comes before the `Session` that names it.
    Queue(Box<QueueRow>),
    /// New positions for rows that are there.
    QueueOrder {
        /// Whose.
        session: SessionId,
        /// By entry.
        positions: Vec<(EntryId, u64)>,
    },
    /// Delete these rows.
    QueueRemoved {
        /// Whose.
        session: SessionId,
        /// Which.
        entries: Vec<EntryId>,
    },
    /// Append.
    Event(EventRow),
    /// Insert or update.
    WorkerState(Box<WorkerStateRow>),
    /// Insert.
    Command(Box<CommandRecord>),
}

/// Whether a worker still holds a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseVerdict {
    /// Which session.
    pub session: SessionId,
    /// Under which token.
    pub token: FencingToken,
    /// If so, the session is granted nowhere else for a while.
    pub held: bool,
}

/// An act that may happen once the writes are durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Answer a caller.
    Answer {
        /// Whom.
        call: CallId,
        /// Whether the session was made by this call, and whether the worker has done what was asked.
        result: Result<Box<Answer>, Refusal>,
    },
    /// Send the whole desired record to the worker that holds the lease.
    SendLease {
        /// Whom.
        worker: WorkerId,
        /// Which life of it.
        incarnation: Incarnation,
        /// Which session.
        session: SessionId,
        /// Orders this word among all others about the session.
        fence: Fence,
        /// What shall be.
        desired: Box<Desired>,
        /// With `in_channel`: how.
        voice: Option<Box<VoiceCredentials>>,
        /// What the worker is to do with it.
        role: Role,
    },
    /// Take a session from a worker.
    SendRevoke {
        /// Whom.
        worker: WorkerId,
        /// Which life of it.
        incarnation: Incarnation,
        /// Which session.
        session: SessionId,
        /// Newer than anything that worker was told.
        fence: Fence,
    },
    /// Answer a worker's question about its leases. Only while this leader's leadership is beyond doubt: a successor
    /// may have granted them elsewhere.
    ConfirmLeases {
        /// Whom.
        worker: WorkerId,
        /// Which life of it.
        incarnation: Incarnation,
        /// The worker's own number of the question.
        request: u64,
        /// In the order of the question.
        verdicts: Vec<LeaseVerdict>,
    },
    /// Tell a worker that it is about to go: it takes nothing new, and says at every attach that it drains.
    StartDrain {
        /// Whom.
        worker: WorkerId,
        /// Which life of it.
        incarnation: Incarnation,
    },
    /// Tell a draining worker that nothing is left on it: it may exit.
    Drained {
        /// Whom.
        worker: WorkerId,
        /// Which life of it.
        incarnation: Incarnation,
    },
    /// Turn a worker's stream away: another process with its id is alive.
    RefuseWorker {
        /// Whom.
        worker: WorkerId,
        /// Which life of it.
        incarnation: Incarnation,
    },
    /// Join (or move to) a voice channel by op 4.
    JoinVoice {
        /// Which account.
        account: AccountId,
        /// Where.
        guild_id: u64,
        /// Where.
        channel_id: u64,
        /// With a Go Live stream (op 18); a stream that is there ends without it.
        live: bool,
    },
    /// Ask Discord for fresh credentials.
    RefreshVoice {
        /// Which account.
        account: AccountId,
        /// Where.
        guild_id: u64,
    },
    /// Ask Discord for fresh credentials of the Go Live stream alone.
    RefreshStream {
        /// Which account.
        account: AccountId,
        /// Where.
        guild_id: u64,
    },
    /// Say of the Go Live stream whether it is held (op 22).
    PauseLive {
        /// Which account.
        account: AccountId,
        /// Where.
        guild_id: u64,
        /// Held, or not any more.
        paused: bool,
    },
    /// Leave the guild's voice channel.
    LeaveVoice {
        /// Which account.
        account: AccountId,
        /// Where.
        guild_id: u64,
    },
    /// A decision of placement, for a span: where the session went, or that nobody had room.
    Placed {
        /// Which session.
        session: SessionId,
        /// Who was considered, why the others were excluded, why this one.
        explanation: Box<Explanation>,
        /// From which span it follows.
        trace: Option<TraceParent>,
    },
    /// A grant, for a span. It comes before the decision that led to it, and before the word to the worker.
    Granted {
        /// Which session.
        session: SessionId,
        /// To whom, and why.
        grant: Box<Grant>,
        /// From which span it follows.
        trace: Option<TraceParent>,
    },
    /// Tell watchers.
    Changed(SessionId),
    /// The queue is another one than before: readers get [`crate::Scheduler::queue`].
    QueueChanged(SessionId),
    /// Tell watchers of a session that goes on as before: nothing but its [`Vitals`](crate::Vitals) is new, and
    /// nothing durable.
    Advanced(SessionId),
    /// The session is over and has left memory: readers take its row from here on.
    Forgotten(SessionId),
}

/// An accepted call, answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The session as it is now.
    pub view: SessionView,
    /// For [`crate::Request::Create`]: whether this call made it.
    pub created: bool,
    /// Whether the worker has carried out what was asked.
    pub settled: bool,
    /// For [`crate::Request::Edit`].
    pub edited: Option<Box<Edited>>,
}

/// What an edit of a queue came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edited {
    /// The queue as it is now.
    pub queue: QueueView,
    /// The entries that this call added, in order.
    pub added: Vec<EntryId>,
}

/// The outcome of one event.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Step {
    /// For one transaction.
    pub writes: Vec<Write>,
    /// For after its commit.
    pub effects: Vec<Effect>,
}

impl Step {
    pub(crate) fn event(
        &mut self,
        session: &SessionId,
        event_type: &'static str,
        by: &By,
        payload: Value,
    ) {
        self.writes.push(Write::Event(EventRow {
            session: session.clone(),
            event_type,
            payload: by.sign(payload),
        }));
    }
}
