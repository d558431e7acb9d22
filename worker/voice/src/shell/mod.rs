//! The adapters: sockets, the clock, threads and tasks around the state machines.

mod announcer;
mod call;
mod connection;
mod discovery;
mod driver;
mod ends;
mod event;
mod line;
mod media_side;
mod offer;
mod shared;
mod socket;
mod stats;
mod tls;

pub use call::Call;
pub use driver::{Driver, DriverConfig};
pub use event::{CallEvent, Encryption, Heard};
pub use stats::{DriverStats, StatsSnapshot};
