//! What those who use Orb see of the whole of it, each file one side. One binary: each costs a link and its size.
#![allow(clippy::unwrap_used, missing_docs)]

mod advance;
mod bad_input;
mod contract;
mod database_away;
mod dave;
mod drain;
mod empty_leave;
mod endings;
mod gate;
mod golive;
mod hostile_media;
mod leader_change;
mod mutual_tls;
mod operation;
mod partition;
mod party_api;
mod position;
mod scheduler_restart;
mod secrets;
mod shards;
mod tracing;
mod voice_faults;
mod watch;
mod worker_restart;
