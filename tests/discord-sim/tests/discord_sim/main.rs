//! The simulator as its clients meet it: real ones, and some that break the rules. One binary: each costs a link and its
//! size.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

mod arrivals;
mod binary;
mod dave_calls;
mod eyes;
mod gateway;
mod go_live;
mod picture_links;
mod pictures;
mod sfu;
mod sharding;
mod songbird;
mod stream_groups;
mod stream_signalling;
mod voice_connection_faults;
mod voice_faults;
mod voice_protocol;
mod voice_resume;
