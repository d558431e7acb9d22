//! What a client sent over UDP before a message over TCP is heard before it.
//!
//! Two threads and a task hear them, and on a busy machine the message may overtake the last packets: the IDENTIFY of a
//! new connection would end the old one first, and a frame that was sent in good order would be refused. Over loopback
//! a datagram stands in the server's queue as soon as it is sent. So before a message is handled, a mark is sent to that
//! queue's end, and waited for.

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

/// What a mark begins with: neither RTP (version 2), STUN, DTLS nor IP discovery.
const MARK: [u8; 16] = *b"\xffmark of the sim";

/// A mark may be lost, as any datagram: then the order is not kept. Far more than a queue takes to be read.
const LONGEST: Duration = Duration::from_secs(1);

pub(crate) struct UdpOrder {
    /// The server's own socket, which also receives the marks.
    socket: UdpSocket,
    address: SocketAddr,
    next: AtomicU64,
    waiting: Mutex<BTreeMap<u64, oneshot::Sender<()>>>,
}

impl UdpOrder {
    pub(crate) fn of(server: &UdpSocket) -> io::Result<Self> {
        Ok(Self {
            socket: server.try_clone()?,
            address: server.local_addr()?,
            next: AtomicU64::new(0),
            waiting: Mutex::default(),
        })
    }

    /// Returns when everything has been heard that had come before the call.
    pub(crate) async fn caught_up(&self) {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let (heard, is_heard) = oneshot::channel();
        self.waiting().insert(number, heard);
        let mut mark = MARK.to_vec();
        mark.extend(number.to_be_bytes());
        let sent = self.socket.send_to(&mark, self.address);
        if sent.is_err() || timeout(LONGEST, is_heard).await.is_err() {
            tracing::warn!("packets may be heard after a message that was sent later");
        }
        self.waiting().remove(&number);
    }

    /// Whether a datagram is a mark: who waits for it is told.
    pub(crate) fn takes(&self, source: SocketAddr, datagram: &[u8]) -> bool {
        let Some(number) = datagram.strip_prefix(&MARK) else {
            return false;
        };
        let Ok(number) = <[u8; 8]>::try_from(number) else {
            return false;
        };
        if source != self.address {
            return false;
        }
        if let Some(heard) = self.waiting().remove(&u64::from_be_bytes(number)) {
            // Nobody waits any more.
            let _ = heard.send(());
        }
        true
    }

    fn waiting(&self) -> MutexGuard<'_, BTreeMap<u64, oneshot::Sender<()>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[tokio::test]
    async fn what_came_before_is_heard_first() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let order = UdpOrder::of(&server).unwrap();
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client
            .send_to(b"before", server.local_addr().unwrap())
            .unwrap();
        let mut caught_up = std::pin::pin!(order.caught_up());
        let soon = Duration::from_millis(50);
        assert!(timeout(soon, caught_up.as_mut()).await.is_err());
        let mut buffer = [0; 64];
        let (length, source) = server.recv_from(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"before");
        assert!(!order.takes(source, &buffer[..length]));
        let (length, source) = server.recv_from(&mut buffer).unwrap();
        let anybody = client.local_addr().unwrap();
        assert!(!order.takes(anybody, &buffer[..length]), "a forged one");
        assert!(order.takes(source, &buffer[..length]));
        timeout(soon, caught_up).await.unwrap();
        assert!(order.waiting().is_empty());
    }

    #[tokio::test]
    async fn a_mark_that_is_lost_is_not_waited_for_for_ever() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let order = UdpOrder::of(&server).unwrap();
        timeout(2 * LONGEST, order.caught_up()).await.unwrap();
        assert!(order.waiting().is_empty());
    }
}
