//! How a worker goes: it asks to be relieved, serves on, and is told when nothing is left.

use tokio_util::sync::CancellationToken;

/// The two ends of a drain.
#[derive(Debug, Clone, Default)]
pub struct Drain {
    /// Cancelled by whoever wants the worker to go: its process, or an operator by way of the scheduler.
    pub asked: CancellationToken,
    /// Cancelled when the scheduler has nothing left here.
    pub(crate) done: CancellationToken,
}

impl Drain {
    /// A drain that begins when `asked` is cancelled; it is cancelled here, too, when the scheduler asks.
    pub fn when(asked: CancellationToken) -> Self {
        Self {
            asked,
            ..Self::default()
        }
    }
}
