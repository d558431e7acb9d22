//! The core as those around it meet it: events in, effects and writes out. One binary: each costs a link and its size.
#![allow(clippy::unwrap_used, missing_docs)]

mod harness;
mod stored;

mod accounts;
mod admission;
mod advance;
mod crash_loop;
mod doors;
mod drain;
mod endings;
mod gate;
mod go_live;
mod invariants;
mod leases;
mod many;
mod placement;
mod pool;
mod queue;
mod session_life;
mod trace;
