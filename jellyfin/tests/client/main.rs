//! The client against a scripted server that misbehaves, and against jellyfin-sim.
#![allow(clippy::unwrap_used)]

mod account;
mod caching;
mod fake;
mod hostile;
mod library;
mod reports;
mod resolving;
mod secrets;
