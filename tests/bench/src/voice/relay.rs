//! A long way to the voice server: everything takes a while to get there, and back.
//!
//! ```text
//!  driver ── TCP (TLS) ──▶ thread ─▶ wait ─▶ thread ──▶ voice gateway   each direction of each connection
//!         ── UDP ────────▶ thread ─▶ wait ─▶ thread ──▶ media           for one client at a time
//! ```
//!
//! Threads that sleep, no runtime: its timers are a millisecond coarse, and a connection waits a dozen times.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// Chunks and datagrams under way in one direction; what sends more waits.
const UNDER_WAY: usize = 256;

/// How often a thread that hears nothing looks whether the relay is gone.
const LOOK: Duration = Duration::from_millis(200);

/// Its UDP port, which the simulator has to know before it starts.
pub(super) struct MediaPort(UdpSocket);

impl MediaPort {
    pub(super) fn bind() -> Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).context("loopback has no port")?;
        Ok(Self(socket))
    }

    pub(super) fn address(&self) -> Result<SocketAddr> {
        Ok(self.0.local_addr()?)
    }
}

/// A running relay. Its threads end soon after it is dropped.
pub(super) struct Relay {
    /// Where to dial instead of the voice gateway.
    pub(super) address: SocketAddr,
    gone: Arc<AtomicBool>,
}

impl Relay {
    /// Everything takes `one_way` in each direction.
    pub(super) fn start(
        one_way: Duration,
        gateway: SocketAddr,
        (port, media): (MediaPort, SocketAddr),
    ) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let gone = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&gone);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if ended.load(Relaxed) {
                    return;
                }
                // The client sees its end and says so.
                let _ = relay_connection(&client, gateway, one_way);
            }
        });
        relay_media(port.0, media, one_way, &gone)?;
        Ok(Self { address, gone })
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.gone.store(true, Relaxed);
        // The listening thread waits for a client; here is one.
        let _ = TcpStream::connect(self.address);
    }
}

fn relay_connection(client: &TcpStream, gateway: SocketAddr, one_way: Duration) -> io::Result<()> {
    // The kernel has shaken hands with the client at once. On a long way that takes a round trip, before the first byte.
    let handshake = 2 * one_way;
    let server = TcpStream::connect(gateway)?;
    for stream in [client, &server] {
        stream.set_nodelay(true)?;
    }
    pump(client, &server, one_way, handshake)?;
    pump(&server, client, one_way, Duration::ZERO)
}

/// Carries bytes until `from` ends, which then ends `to`.
fn pump(from: &TcpStream, to: &TcpStream, one_way: Duration, first: Duration) -> io::Result<()> {
    let (mut from, to) = (from.try_clone()?, to.try_clone()?);
    let earliest = Instant::now() + first + one_way;
    let line = delay(move |chunk: Vec<u8>| {
        if chunk.is_empty() {
            to.shutdown(Shutdown::Write)
        } else {
            (&to).write_all(&chunk)
        }
    });
    thread::spawn(move || {
        let mut buffer = [0; 16_384];
        loop {
            // An error is an end, too.
            let length = from.read(&mut buffer).unwrap_or(0);
            let due = earliest.max(Instant::now() + one_way);
            if line.send((due, buffer[..length].to_vec())).is_err() || length == 0 {
                return;
            }
        }
    });
    Ok(())
}

fn relay_media(
    near: UdpSocket,
    media: SocketAddr,
    one_way: Duration,
    gone: &Arc<AtomicBool>,
) -> io::Result<()> {
    let far = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    far.connect(media)?;
    let client = Arc::new(Mutex::new(None));
    let (out, back, to) = (far.try_clone()?, near.try_clone()?, Arc::clone(&client));
    let there = delay(move |datagram: Vec<u8>| out.send(&datagram).map(drop));
    let here = delay(move |datagram: Vec<u8>| {
        let client: Option<SocketAddr> = *to.lock().unwrap_or_else(PoisonError::into_inner);
        client.map_or(Ok(()), |client| back.send_to(&datagram, client).map(drop))
    });
    listen(near, one_way, there, gone, move |from| {
        *client.lock().unwrap_or_else(PoisonError::into_inner) = Some(from);
    })?;
    listen(far, one_way, here, gone, |_| {})
}

fn listen(
    socket: UdpSocket,
    one_way: Duration,
    line: SyncSender<(Instant, Vec<u8>)>,
    gone: &Arc<AtomicBool>,
    came_from: impl Fn(SocketAddr) + Send + 'static,
) -> io::Result<()> {
    socket.set_read_timeout(Some(LOOK))?;
    let gone = Arc::clone(gone);
    thread::spawn(move || {
        let mut buffer = [0; 2048];
        while !gone.load(Relaxed) {
            let Ok((length, from)) = socket.recv_from(&mut buffer) else {
                continue;
            };
            came_from(from);
            let due = Instant::now() + one_way;
            if line.send((due, buffer[..length].to_vec())).is_err() {
                return;
            }
        }
    });
    Ok(())
}

/// A queue whose items are delivered when they are due, until nobody sends or one cannot be delivered.
fn delay<T: Send + 'static>(
    mut deliver: impl FnMut(T) -> io::Result<()> + Send + 'static,
) -> SyncSender<(Instant, T)> {
    let (sender, items) = sync_channel::<(Instant, T)>(UNDER_WAY);
    thread::spawn(move || {
        for (due, item) in items {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if deliver(item).is_err() {
                return;
            }
        }
    });
    sender
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const ONE_WAY: Duration = Duration::from_millis(15);

    /// A connection takes a round trip to open and one for its first answer.
    #[test]
    fn a_round_trip_takes_twice_the_way() {
        let gateway = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let media = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let ports = (MediaPort::bind().unwrap(), media.local_addr().unwrap());
        let near = ports.0.address().unwrap();
        let relay = Relay::start(ONE_WAY, gateway.local_addr().unwrap(), ports).unwrap();
        let echo = thread::spawn(move || {
            let (mut stream, _) = gateway.accept().unwrap();
            let mut byte = [0];
            while stream.read(&mut byte).unwrap() > 0 {
                stream.write_all(&byte).unwrap();
            }
        });
        let begun = Instant::now();
        let mut client = TcpStream::connect(relay.address).unwrap();
        let mut answer = [0];
        for round in 2..5 {
            client.write_all(b"x").unwrap();
            client.read_exact(&mut answer).unwrap();
            assert!(begun.elapsed() >= 2 * round * ONE_WAY);
        }
        client.shutdown(Shutdown::Both).unwrap();
        echo.join().unwrap();

        let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let begun = Instant::now();
        udp.send_to(b"hello", near).unwrap();
        let mut buffer = [0; 10];
        let (length, from) = media.recv_from(&mut buffer).unwrap();
        media.send_to(&buffer[..length], from).unwrap();
        assert_eq!(udp.recv(&mut buffer).unwrap(), 5);
        assert!(begun.elapsed() >= 2 * ONE_WAY);
    }
}
