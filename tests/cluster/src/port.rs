//! Free ports.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

use crate::Error;

/// Below the ports that the kernel gives to outgoing connections (32768 and up): one of those could take the place of a
/// server while that is being restarted.
const PORTS: std::ops::Range<u16> = 15_000..32_000;

/// Where this process looks next.
static NEXT: AtomicU16 = AtomicU16::new(0);

/// A port of 127.0.0.1 that nobody listens on just now, and that no outgoing connection gets. Somebody may take it before
/// the server does: start it again then.
pub fn free_port() -> Result<u16, Error> {
    let count = PORTS.end - PORTS.start;
    // Processes that look at the same time look elsewhere.
    let start = (std::process::id() % u32::from(count)) as u16;
    let mut last = std::io::Error::from(std::io::ErrorKind::AddrInUse);
    for _ in 0..count {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let offset = (u32::from(start) * 31 + u32::from(step)) % u32::from(count);
        let port = PORTS.start + offset as u16;
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            Ok(_) => return Ok(port),
            Err(error) => last = error,
        }
    }
    Err(Error::io("looking for a free port")(last))
}
