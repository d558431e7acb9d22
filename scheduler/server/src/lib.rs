//! The scheduler as a server: the state machine of `orb-scheduler-core` with a store, workers' streams,
//! accounts and callers around it.
//!
//! # Mental model
//!
//! ```text
//!  SessionService ─┐                                   ┌─▶ answers to callers
//!  WorkerService  ─┼─▶ inputs ─▶ leader loop ─▶ commit ─┼─▶ words to workers' streams
//!  AccountEvents  ─┘   (bounded)  (one task)            └─▶ op 4 through the accounts
//! ```
//!
//! One task, [`Leader`], owns the state machine. It takes whatever waits in its queue (at most a
//! batch), hands it to the machine, commits all writes in one transaction and only then runs the
//! effects. Reads never pass through it: they see the [`Views`] of what was committed.
//!
//! When a commit fails, nobody was told anything: callers get a retryable error, workers' streams are
//! closed (they attach again at once), and the state is loaded anew from the store.

mod account_bridge;
mod attach;
mod auth;
mod clock;
mod convert;
mod error;
mod gateway_service;
mod handle;
mod leader;
mod links;
mod over;
mod refusals;
mod server;
mod session_service;
mod source_check;
mod views;

pub use account_bridge::{AccountCommand, bridge_accounts, restored};
pub use clock::Clock;
pub use error::Error;
pub use handle::{HeldAccount, LeaderHandle, Readiness};
pub use leader::Leader;
pub use server::{SchedulerServer, ServerConfig};
