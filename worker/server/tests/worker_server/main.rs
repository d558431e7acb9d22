//! A worker between a scheduler played by the test and simulators. One binary: each costs a link and its size.
#![allow(clippy::unwrap_used, missing_docs)]

mod account;
mod advance;
mod gate;
mod golive;
mod party;
mod stage;
