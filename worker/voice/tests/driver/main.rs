//! The driver against a simulated Discord.
//!
//! What a member of the call received is the judge: packets that it could decrypt, frames in the clear, gaps; and the
//! simulator's record of who dialled, identified and resumed.
#![allow(clippy::unwrap_used)]

mod cuts;
mod encryption;
mod faults;
mod film;
mod gate;
mod plays;
mod stage;
mod steps;
mod streams;
