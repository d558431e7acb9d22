//! A server that says what it is told to, and the command that asks it.

mod client;
mod stand_in;

pub(crate) use client::{Client, Ended};
pub(crate) use stand_in::{Fault, StandIn, party, queue};
