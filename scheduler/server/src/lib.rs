//! The scheduler as a server: the state machine of `orb-scheduler-core` with a store, workers' streams,
//! accounts and callers around it.
//!
//! # Mental model
//!
//! ```text
//!  SessionService ─┐
//!  PartyService   ─┤                                   ┌─▶ answers to callers
//!  WorkerService  ─┼─▶ inputs ─▶ leader loop ─▶ commit ─┼─▶ words to workers' streams
//!  AccountEvents  ─┘   (bounded)  (one task)            └─▶ op 4 through the accounts
//! ```
//!
//! A process is a [`Candidate`]: it campaigns, leads for a *term*, and campaigns again. What follows is made
//! anew for each term; only the gRPC server outlives it, and asks its [`Standing`] before each call: without a
//! leader in this process the call is refused with `UNAVAILABLE` and the leader's address.
//!
//! One task, the leader's loop, owns the state machine. It hands whatever waits in its queue to the machine,
//! has all writes committed in one transaction and only then runs the effects; what comes meanwhile is the
//! next batch. Reads never pass through it: they see the views of what was committed, and what happened
//! they read from the store.
//!
//! Every act asks first whether the leadership is still sure ([`orb_coordinator::Tenure`]). Once it is not, the term
//! ends at once and leaves undone what is left: the store refuses its commits from the moment that the next
//! leader has raised the epoch, and the next leader loads what was committed.
//!
//! When a commit fails, nobody was told anything: callers get a retryable error, workers' streams are
//! closed (they attach again at once), and the state is loaded anew from the store.

mod account_bridge;
mod admin_service;
mod attach;
mod auth;
mod calls;
mod candidate;
mod clock;
mod convert;
mod error;
mod event_feed;
mod gateway_service;
mod handle;
mod health;
mod leader;
mod links;
mod metrics;
mod outputs;
mod party_service;
mod progress;
mod refusals;
mod rows;
mod server;
mod session_service;
mod source_check;
mod spans;
mod standing;
mod views;

pub use candidate::{Candidate, TermConfig};
pub use error::Error;
pub use handle::Readiness;
pub use progress::{ItemProgress, JellyfinReporter, ProgressKind, ProgressReporter};
pub use server::{SchedulerServer, ServerConfig};
pub use standing::Standing;

pub(crate) use account_bridge::AccountCommand;
pub(crate) use clock::Clock;
pub(crate) use handle::{HeldAccount, LeaderHandle};
pub(crate) use leader::Leader;
