//! Random faults against a whole cluster of real processes, and what must hold all the same.
//!
//! # Mental model
//!
//! ```text
//!   clients ──▶ gateways ──▶ schedulers ◀── workers ──▶ Discord (simulated) ─▶ members who listen
//!                               │    └──▶ PostgreSQL       every arrow goes through a relay of ours
//!                               └───────▶ etcd
//!
//!   seed ─▶ schedule ─▶ faults ─▶ all healed ─▶ quiet ─▶ checks ─▶ one line of counts, or what is wrong
//! ```
//!
//! The *schedule* is a function of the seed alone. What happens under it is not: processes, kernels and clocks are
//! real. So a run that finds something is not repeated to the letter by its seed; its logs are kept, in
//! `target/chaos/<seed>/`.
//!
//! What is claimed in the end rests on witnesses that do not know of each other: the clients' memory of what was
//! acknowledged, PostgreSQL (with a history of leases kept by a trigger), Discord's record of who said what, by which
//! port, and the sound that the members heard. `docs/chaos.md` says what was found.

mod aftermath;
pub mod checks;
pub mod clients;
mod counts;
pub mod diary;
pub mod environment;
pub mod film;
pub mod folders;
pub mod history;
pub mod injection;
pub mod logs;
pub mod network;
pub mod place;
pub mod process;
pub mod run;
pub mod schedule;
pub mod stage;
