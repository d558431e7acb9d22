//! Free ports.

use std::net::{Ipv4Addr, TcpListener};

use crate::Error;

/// A port that nobody listens on just now. Somebody may before the server does: start it again then.
pub(crate) fn free_port() -> Result<u16, Error> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(Error::io("looking for a free port"))
}
