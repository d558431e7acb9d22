//! The way to the leader, for gateways and workers.
//!
//! # Mental model
//!
//! ```text
//!   etcd ──▶ LeaderWatch ─┐
//!                         ├─▶ LeaderChannel ──▶ Route: a connection to one leadership
//!   a refusal's metadata ─┘   (which one now)
//! ```
//!
//! A [`LeaderChannel`] knows where the leader is and makes one gRPC channel to it, a [`Route`]. Whoever calls takes the
//! route of the moment for each try; whoever holds a stream or waits for an answer waits for [`Route::replaced`] as
//! well, for a leader that stands still ends nothing by itself. A route is only ever a hint: the scheduler behind it
//! refuses with `UNAVAILABLE` when it does not lead, and says in its metadata who does.
//!
//! How a connection is made is [`Dialling`]'s affair (keep-alive, certificates), when to try again [`Reconnect`]'s.

mod dialling;
mod leader_channel;
mod reconnect;
mod route;

pub use dialling::Dialling;
pub use leader_channel::LeaderChannel;
pub use reconnect::Reconnect;
pub use route::Route;
