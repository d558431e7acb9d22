//! The layer against a plain str0m that plays Discord's server, over a line in memory, in told time.
#![allow(clippy::unwrap_used)]

mod connects;
mod cost;
mod estimate;
mod film;
mod link;
mod loss;
mod pacing;
mod reports;
mod sends;
mod server;
mod world;
