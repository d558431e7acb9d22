//! Accounts against a simulated Discord. One binary: each costs a link and its size.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

mod connection;
mod go_live;
mod shards;
mod take_over;
