//! The simulator from outside, over HTTP.
#![allow(clippy::unwrap_used)]

mod api_faults;
mod faults;
mod film;
mod http;
mod library;
mod setup;
mod tokens;
mod watching;
