//! Sends sound into Discord voice channels.

mod gate;
pub mod packet;
pub mod pacer;

pub use gate::{Gate, OpenGate, Passing, Permit, Refused, Step};
