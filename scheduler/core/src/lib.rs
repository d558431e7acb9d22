//! The heart of the scheduler: sessions and leases as a pure state machine.
//!
//! # Mental model
//!
//! A [`Scheduler`] holds every session as one small *desired* record (what shall play, where, and
//! whether it is paused) and what a worker last *observed*. [`Event`]s and the time go in; a
//! [`Step`] comes out:
//!
//! ```text
//!            calls, beats, voice events, ticks              (event, now)
//!                          │
//!                    ┌─────▼─────┐   Step.writes   ─▶ one SQL transaction
//!                    │ Scheduler │
//!                    └───────────┘   Step.effects  ─▶ only after that commit: answers, leases, op 4
//! ```
//!
//! *Commit, then act*: the state machine changes its memory at once, and the shell may run the
//! effects only when the writes are durable. When the commit fails, the shell throws this value
//! away and loads a new one from the store; nobody was told anything meanwhile.
//!
//! Each session has a *queue*: a pure list of what ended, what plays and what waits. Its head is what the worker opens
//! ahead; it goes on to it by itself, and the state machine commits that (`advance.rs` has the words and their order).
//!
//! No I/O, no clock, no randomness, no tokio: time comes in as [`Now`], ids as part of the event.
//! The life of a session is a table in `docs/session-states.md`; the tests walk it.

mod accounts;
mod admission;
mod advance;
mod arriving;
mod audience;
mod call;
mod cause;
mod checkpoint;
mod command;
mod control;
pub mod cost;
mod crash_loop;
mod create;
mod drain;
mod edit;
mod effect;
mod event;
mod forget;
mod gate;
mod go_live;
mod handover;
mod ids;
mod lease;
mod line;
mod liveness;
mod observed;
mod placement;
mod play;
mod pool;
mod queue;
mod record;
mod refusal;
mod report;
mod scheduler;
mod session;
mod session_table;
mod status;
mod time;
mod timers;
mod trace;
mod undecided;
mod voice;
mod worker;

pub use accounts::{AccountKind, JOIN_WAIT_MS, JOINS_A_MINUTE, Shard};
pub use cause::Cause;
pub use command::{CallId, CommandId, CommandOutcome, CommandRecord};
pub use crash_loop::{MAX_LOSSES, PROGRESS_MS, WINDOW_MS};
pub use drain::{DrainCause, HANDOVERS_AT_ONCE};
pub use effect::{
    Answer, Edited, Effect, EventRow, LeaseVerdict, QueueRow, Step, WorkerStateRow, Write,
};
pub use event::{Action, Call, Event, Request};
pub use forget::FORGET_AFTER_MS;
pub use go_live::{GoLive, NoPicture};
pub use handover::{Handover, HandoverPhase, HandoverReport, Role};
pub use ids::{
    AccountId, EntryId, Epoch, FencingToken, Generation, Incarnation, SessionId, WorkerId,
};
pub use lease::{Fence, Lease};
pub use observed::{Failure, Health, Observed, PictureHealth, Position, Prepared, VoiceLoss};
pub use placement::{
    Candidate, Chosen, Decision, Excluded, Exclusion, Explanation, Standing, Wanted, Why, place,
};
pub use pool::{Pool, WorkerStanding, WorkerView};
pub use queue::{
    KEPT_ENDED, MAX_ADDED, MAX_WAITING, QueueChange, QueueEdit, QueueEntry, QueueStatus, QueueView,
};
pub use record::{
    Anchor, AtQueueEnd, Desired, EndReason, Ended, Item, KnownPlan, SessionRecord, SessionStatus,
    StoredSession, StreamCredentials, VoiceCredentials,
};
pub use refusal::{Refusal, RefusalKind};
pub use scheduler::Scheduler;
pub use session::Session;
pub use status::{PlaybackState, SessionView, Vitals, WorkerStatus};
pub use time::{Millis, Now, SchedulerTiming};
pub use trace::{Grant, GrantCause, TraceParent};
pub use worker::WorkerRegistration;
