//! `voice` over the project's own driver and over songbird, against a simulated Discord whose member writes down what
//! arrives.

#[macro_use]
mod stage;
mod connection;
mod dave;
mod gate;
mod playing;

use std::time::Duration;

/// On a machine that also compiles; the product's own goals are measured by the benches.
const PROMPT: Duration = Duration::from_millis(150);
