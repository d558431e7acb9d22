//! Datagrams that are on their way through modelled links.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::net::SocketAddr;
use std::time::Instant;

/// What is on its way for the connection `ssrc`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Datagram {
    pub(crate) ssrc: u32,
    pub(crate) to_server: bool,
    /// The client.
    pub(crate) client: SocketAddr,
    pub(crate) bytes: Vec<u8>,
}

struct Entry {
    due: Instant,
    /// What was sent earlier comes out earlier.
    order: u64,
    datagram: Datagram,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.due, self.order).cmp(&(other.due, other.order))
    }
}

/// By the time that they come out. Each link bounds what waits in it; what is delayed besides is what a client sends
/// in that time.
#[derive(Default)]
pub(crate) struct InFlight {
    waiting: BinaryHeap<Reverse<Entry>>,
    sent: u64,
}

impl InFlight {
    pub(crate) fn push(&mut self, due: Instant, datagram: Datagram) {
        let order = self.sent;
        self.sent += 1;
        self.waiting.push(Reverse(Entry {
            due,
            order,
            datagram,
        }));
    }

    /// When the next one comes out.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.waiting.peek().map(|Reverse(next)| next.due)
    }

    /// The next one that has come out by `now`, with the time at which it did.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<(Instant, Datagram)> {
        self.due().filter(|due| *due <= now)?;
        let Reverse(next) = self.waiting.pop()?;
        Some((next.due, next.datagram))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::sockets::loopback;

    #[test]
    fn what_is_due_comes_out_in_order() {
        let start = Instant::now();
        let mut in_flight = InFlight::default();
        for (ms, ssrc) in [(20, 1), (10, 2), (10, 3), (30, 4)] {
            let datagram = Datagram {
                ssrc,
                to_server: true,
                client: loopback(1),
                bytes: Vec::new(),
            };
            in_flight.push(start + Duration::from_millis(ms), datagram);
        }
        let now = start + Duration::from_millis(20);
        let out = std::iter::from_fn(|| in_flight.pop(now));
        let ssrcs: Vec<u32> = out.map(|(_, datagram)| datagram.ssrc).collect();
        assert_eq!(ssrcs, [2, 3, 1]);
        assert_eq!(in_flight.due(), Some(start + Duration::from_millis(30)));
    }
}
