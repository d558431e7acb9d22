//! The gate: asked before every dial.
//!
//! Discord checks no fencing token: of two processes that hold the same credentials, the last to IDENTIFY has the
//! channel. So whoever may have a successor must ask before it opens, RESUMEs or IDENTIFYs a connection. Sending on a
//! connection that is open needs no permission: a successor's IDENTIFY ends it.

use std::{future::Future, pin::Pin, time::Instant};

/// What is about to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Open a TCP connection to the voice server.
    Dial,
    /// Send IDENTIFY (voice op 0): takes the channel from any older connection.
    Identify,
    /// Send RESUME (voice op 7): takes it back from a cut.
    Resume,
}

/// Leave to take one [`Step`], for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permit {
    /// On this process's monotonic clock, which goes on while the process is stopped (SIGSTOP): the step must have
    /// begun before, or the gate is asked anew.
    pub expires: Instant,
}

/// This connection's owner has no right to the channel any more: nothing is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused;

/// The future of [`Gate::pass`].
pub type Passing<'a> = Pin<Box<dyn Future<Output = Result<Permit, Refused>> + Send + 'a>>;

/// Decides whether a connection may be opened, resumed or identified.
pub trait Gate: Send + Sync + 'static {
    /// Waits until the step is allowed or refused for good. While nobody can say, it waits: media on an open
    /// connection goes on meanwhile. Dropping the future withdraws the question.
    ///
    /// The answer must rest on something that was learned after this call: the connection may have been lost because
    /// somebody else has the channel now.
    fn pass(&self, step: Step) -> Passing<'_>;
}

/// A gate that is always open: for an owner who cannot have a successor.
#[derive(Clone, Copy, Debug, Default)]
pub struct OpenGate;

impl Gate for OpenGate {
    fn pass(&self, _: Step) -> Passing<'_> {
        /// Any permit is checked within microseconds.
        const VALID: std::time::Duration = std::time::Duration::from_mins(1);
        Box::pin(std::future::ready(Ok(Permit {
            expires: Instant::now() + VALID,
        })))
    }
}
