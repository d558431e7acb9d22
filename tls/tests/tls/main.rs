//! Two ends, certificates made for the test, and what is said when they do not fit.
#![allow(clippy::unwrap_used)]

mod authority;
mod backlog;
mod handshakes;
mod loading;
mod media_port;
mod meeting;
mod raw_client;
mod rotation;
