//! The gateway over real HTTP, in front of a scripted `SessionService`.
#![allow(clippy::unwrap_used)]

mod auth;
mod bodies;
mod contract;
mod library;
mod operation;
mod page;
mod party_api;
mod refusals;
mod retries;
mod streams;
mod support;
mod watch;
