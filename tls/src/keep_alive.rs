//! Whether the other end is still there.

use std::time::Duration;

use tonic::transport::{Endpoint, Server};

/// HTTP/2 PING on a silent connection, by both ends. It finds machines and networks that vanished without a word; a
/// process that stands still is found by the protocol's own beats, sooner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeepAlive {
    /// Silence after which is asked.
    pub interval: Duration,
    /// Without an answer for so long the connection is closed.
    pub timeout: Duration,
}

impl KeepAlive {
    /// A client that asks, also while it has no call under way.
    pub fn of_client(self, endpoint: Endpoint) -> Endpoint {
        endpoint
            .http2_keep_alive_interval(self.interval)
            .keep_alive_timeout(self.timeout)
            .keep_alive_while_idle(true)
    }

    /// A server that asks.
    #[must_use]
    pub fn of_server<L>(self, server: Server<L>) -> Server<L> {
        server
            .http2_keepalive_interval(Some(self.interval))
            .http2_keepalive_timeout(Some(self.timeout))
    }
}
