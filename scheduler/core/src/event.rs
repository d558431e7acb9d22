//! What goes in.

use crate::{
    AccountId, AccountKind, AtQueueEnd, CallId, CommandId, CommandRecord, DrainCause, EntryId,
    FencingToken, Incarnation, Item, KnownPlan, Observed, QueueEdit, SessionId, Shard,
    StoredSession, TraceParent, VoiceCredentials, WorkerId, WorkerRegistration,
};

/// What a caller wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Make the session, or find it.
    Create {
        /// Discord snowflakes, as digit strings.
        guild_id: String,
        /// The channel to join.
        voice_channel_id: String,
        /// Where the party's messages go.
        text_channel_id: String,
        /// A fresh UUID, used when the session is new.
        worker_session_id: String,
        /// Of the party, for people; empty: none.
        title: String,
        /// Discord snowflake of whoever makes it; empty: not known.
        owner_user_id: String,
        /// What happens when the last entry of the queue has ended.
        at_queue_end: AtQueueEnd,
        /// Whether the picture goes into the channel; none: as the installation has it.
        go_live: Option<bool>,
    },
    /// Play an item from its start: the caller's own entry, or, without an external id, a new one.
    Play(Box<Item>),
    /// Act on what plays.
    Control(Action),
    /// Change what waits.
    Edit(QueueEdit),
}

/// The control calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Hold.
    Pause,
    /// Go on.
    Resume,
    /// Go to a media time; signed, since callers can send anything.
    Seek {
        /// From the start of the item.
        position_ms: i64,
    },
    /// Go to a media time relative to the present one, as far as the item goes.
    SeekBy {
        /// Either way.
        delta_ms: i64,
    },
    /// End the item; the head of the queue plays.
    Skip {
        /// The entry that the caller saw playing: when another one plays by now, nothing is changed.
        entry: Option<EntryId>,
    },
    /// Play what ended last again; what plays goes back to the head of the queue.
    Previous {
        /// As with [`Action::Skip`].
        entry: Option<EntryId>,
    },
    /// Play from the queue.
    Start {
        /// This one, in place of what plays. None: go on with what is paused, leave alone what plays, else the head.
        entry: Option<EntryId>,
    },
    /// End playback and leave the channel. The queue stays.
    Stop,
    /// The same, and nothing waits any more.
    End,
}

/// One mutating call.
#[derive(Debug, Clone)]
pub struct Call {
    /// Whom the answer is for.
    pub id: CallId,
    /// The caller's id of the call.
    pub command: CommandId,
    /// Of the request without its command id.
    pub request_hash: [u8; 32],
    /// What the store knows of this command id.
    pub known: Option<CommandRecord>,
    /// What the store knows of the session, when it is not in memory ([`crate::Scheduler::knows`]).
    pub stored: Option<Box<StoredSession>>,
    /// Which session.
    pub session: SessionId,
    /// What is wanted.
    pub request: Request,
    /// Who wants it, for the event rows.
    pub actor: String,
    /// From which span it comes.
    pub trace: Option<TraceParent>,
}

/// Everything that can happen to the scheduler.
#[derive(Debug, Clone)]
pub enum Event {
    /// A caller wants something.
    Call(Box<Call>),
    /// Time has passed.
    Tick,
    /// A worker opened its stream and registered.
    Attached(Box<WorkerRegistration>),
    /// A worker's beat.
    Beat {
        /// Who.
        worker: WorkerId,
        /// Which life of it.
        incarnation: Incarnation,
        /// In thousandths of a core.
        free_millicores: u32,
        /// What it sees.
        observed: Vec<Observed>,
    },
    /// A worker is about to open a voice connection, and asks whether its leases still stand.
    ConfirmLeases {
        /// Who.
        worker: WorkerId,
        /// Which life of it.
        incarnation: Incarnation,
        /// The worker's own number of the question.
        request: u64,
        /// Which, each under the token that the worker knows.
        leases: Vec<(SessionId, FencingToken)>,
    },
    /// A worker gives back what it cannot hold: the probe found it dearer than its room.
    LeaseDeclined {
        /// Who.
        worker: WorkerId,
        /// Which life of it.
        incarnation: Incarnation,
        /// Which session.
        session: SessionId,
        /// Of the lease that it gives back.
        token: FencingToken,
        /// What the session really needs.
        plan: Option<KnownPlan>,
    },
    /// A worker is about to go: it gets nothing new, and hands over what it has.
    Drain {
        /// Who.
        worker: WorkerId,
        /// Who wants it.
        cause: DrainCause,
    },
    /// A worker's stream was reset.
    Detached {
        /// Who.
        worker: WorkerId,
        /// Which life of it.
        incarnation: Incarnation,
    },
    /// One of an account's gateway connections is there. When it was not resumed, the voice states of its guilds are
    /// gone.
    AccountReady {
        /// Which.
        account: AccountId,
        /// Whether it is a bot's.
        kind: AccountKind,
        /// Which of its connections.
        shard: Shard,
        /// Whether Discord's session went on.
        resumed: bool,
    },
    /// Discord refuses the account for good: it was banned, or its token changed. It is in no channel any more.
    AccountLost {
        /// Which.
        account: AccountId,
    },
    /// Discord handed out voice credentials (after a join, a move, a server change or a refresh).
    /// Their revision is set here.
    Credentials {
        /// Which.
        account: AccountId,
        /// What came; its `revision` is ignored.
        credentials: VoiceCredentials,
    },
    /// The account is in no channel of the guild any more.
    VoiceLeft {
        /// Which.
        account: AccountId,
        /// Where.
        guild_id: u64,
        /// False when Discord or a moderator put it out.
        asked: bool,
    },
    /// How many people, bots apart, are in the account's voice channel: when it enters one, and whenever
    /// that changes.
    Audience {
        /// Which.
        account: AccountId,
        /// Where.
        guild_id: u64,
        /// Where: facts about a channel that was left are ignored.
        channel_id: u64,
        /// Bots, the account itself among them, do not count.
        people: u32,
    },
    /// Discord lets the account have no Go Live stream; it is in the channel all the same.
    LiveRefused {
        /// Which.
        account: AccountId,
        /// Where.
        guild_id: u64,
        /// A stable name.
        reason: String,
    },
    /// Discord did not let the account in.
    JoinFailed {
        /// Which.
        account: AccountId,
        /// Where.
        guild_id: u64,
        /// One sentence.
        reason: String,
    },
}
