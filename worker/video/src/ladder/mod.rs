//! At which size and bit rate a film is sent.
//!
//! # Mental model
//!
//! A [`Ladder`] is the list of encodings that can be had, by bit rate. The [`Controller`] stands on one [`Rung`] of it.
//! It is told what the line did ([`Report`], about ten a second), and says when to [`Switch`].
//!
//! ```text
//!          estimate, loss, queueing delay, wants             second encoder from the position needed,
//!  line ───────────────▶ Controller::report ── Switch ──▶   switched at its first IDR picture (~300 ms),
//!    ▲                                                       the old one's run-ahead dropped
//!    └────────────────────── frames of the rung ◀──────────────────┘
//! ```
//!
//! Down is quick, because a queue grows by seconds each second when a line breaks down: after [a third
//! of a second](tuning::DOWN_AFTER) of bad news, then again each [second](tuning::DOWN_DWELL). With the switch comes for how
//! long to [send no picture](Switch::drain), so that the queue empties: nothing that is sent could arrive in time.
//!
//! Up is slow: [three seconds](tuning::ROOM_FOR) of room, [five](tuning::UP_DWELL) after the last switch, and twice as
//! long after each climb that had to be [taken back](tuning::TAKEN_BACK_WITHIN). The gap between what a rung needs to
//! be climbed (115 % of its rate) and to be left (under 90 %) is what keeps a steady line from swinging.
//!
//! What viewers' clients ask for ([`Wants`]) is a ceiling, obeyed at once.
//!
//! An estimate says little about what is above it while little is sent (GCC holds it to 1.5 times of what arrives):
//! the sender asks its estimator to probe for [`Controller::probe_target`].

mod controller;
mod rungs;
pub mod tuning;

pub use controller::{Cause, Controller, Report, Switch, Wants};
pub use rungs::{Ladder, Rung};
