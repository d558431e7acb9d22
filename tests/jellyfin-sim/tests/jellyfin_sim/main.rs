//! The simulator from outside, over HTTP.
#![allow(clippy::unwrap_used)]

mod faults;
mod film;
mod http;
