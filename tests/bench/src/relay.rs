//! A long way to a server: everything takes a while to get there, and back; and it can be cut.
//!
//! ```text
//!  client ── TCP ──▶ thread ─▶ wait ─▶ thread ──▶ server   each direction of each connection
//!         ── UDP ──▶ thread ─▶ wait ─▶ thread ──▶ server   a socket for each client
//! ```
//!
//! Threads that sleep, no runtime: its timers are a millisecond coarse, and a connection waits a dozen times.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// Chunks and datagrams under way in one direction; what sends more waits.
const UNDER_WAY: usize = 256;

/// How often a thread that hears nothing looks whether the relay is gone.
const LOOK: Duration = Duration::from_millis(200);

/// Its TCP port, which others may have to know before the server is there.
pub(crate) struct TcpPort(TcpListener);

/// The same for UDP.
pub(crate) struct UdpPort(UdpSocket);

/// A running relay. Its threads end soon after it is dropped.
pub(crate) struct Relay {
    /// Where to go instead of the server.
    pub(crate) address: SocketAddr,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    gone: AtomicBool,
    cut: AtomicBool,
}

impl TcpPort {
    pub(crate) fn bind() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
        Ok(Self(listener.context("loopback has no port")?))
    }

    pub(crate) fn address(&self) -> Result<SocketAddr> {
        Ok(self.0.local_addr()?)
    }

    /// Everything takes `one_way` in each direction.
    pub(crate) fn relay(self, one_way: Duration, server: SocketAddr) -> Result<Relay> {
        let relay = Relay::at(self.address()?);
        let state = Arc::clone(&relay.state);
        thread::spawn(move || {
            for client in self.0.incoming().flatten() {
                if state.gone.load(Relaxed) {
                    return;
                }
                // The client sees its end and says so.
                let _ = relay_connection(&client, server, one_way, &state);
            }
        });
        Ok(relay)
    }
}

impl UdpPort {
    pub(crate) fn bind() -> Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0));
        Ok(Self(socket.context("loopback has no port")?))
    }

    pub(crate) fn address(&self) -> Result<SocketAddr> {
        Ok(self.0.local_addr()?)
    }

    /// Everything takes `one_way` in each direction.
    pub(crate) fn relay(self, one_way: Duration, server: SocketAddr) -> Result<Relay> {
        let relay = Relay::at(self.address()?);
        let (near, state) = (self.0, Arc::clone(&relay.state));
        let back = near.try_clone()?;
        let mut lines = HashMap::new();
        listen(near, &relay.state, move |from, datagram| {
            let line = match lines.get(&from) {
                Some(line) => line,
                None => lines
                    .entry(from)
                    .or_insert(path(&back, from, one_way, server, &state)?),
            };
            send(line, Instant::now() + one_way, datagram)
        })?;
        Ok(relay)
    }
}

impl Relay {
    fn at(address: SocketAddr) -> Self {
        Self {
            address,
            state: Arc::default(),
        }
    }

    /// From now on nothing is delivered, in either direction, and nobody is told.
    pub(crate) fn cut(&self) {
        self.state.cut.store(true, Relaxed);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.state.gone.store(true, Relaxed);
        // One that listens for connections waits for a client; here is one. To UDP's it is nothing.
        let _ = TcpStream::connect(self.address);
    }
}

fn relay_connection(
    client: &TcpStream,
    server: SocketAddr,
    one_way: Duration,
    state: &Arc<State>,
) -> io::Result<()> {
    // The kernel has shaken hands with the client at once. On a long way that takes a round trip, before the first byte.
    let handshake = 2 * one_way;
    let server = TcpStream::connect(server)?;
    for stream in [client, &server] {
        stream.set_nodelay(true)?;
    }
    pump(client, &server, (one_way, handshake), state)?;
    pump(&server, client, (one_way, Duration::ZERO), state)
}

/// Carries bytes until `from` ends, which then ends `to`.
fn pump(
    from: &TcpStream,
    to: &TcpStream,
    (one_way, first): (Duration, Duration),
    state: &Arc<State>,
) -> io::Result<()> {
    let (mut from, to) = (from.try_clone()?, to.try_clone()?);
    let earliest = Instant::now() + first + one_way;
    let cut = Arc::clone(state);
    let line = delay(move |chunk: Vec<u8>| {
        if cut.cut.load(Relaxed) {
            Ok(())
        } else if chunk.is_empty() {
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

/// A client's way to the server, and back.
fn path(
    near: &UdpSocket,
    client: SocketAddr,
    one_way: Duration,
    server: SocketAddr,
    state: &Arc<State>,
) -> io::Result<SyncSender<(Instant, Vec<u8>)>> {
    let far = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    far.connect(server)?;
    let (out, back) = (far.try_clone()?, near.try_clone()?);
    let here = delay(move |datagram: Vec<u8>| back.send_to(&datagram, client).map(drop));
    listen(far, state, move |_, datagram| {
        send(&here, Instant::now() + one_way, datagram)
    })?;
    Ok(delay(move |datagram: Vec<u8>| {
        out.send(&datagram).map(drop)
    }))
}

fn send(line: &SyncSender<(Instant, Vec<u8>)>, due: Instant, datagram: &[u8]) -> io::Result<()> {
    line.send((due, datagram.to_vec()))
        .map_err(|_| io::ErrorKind::BrokenPipe.into())
}

fn listen(
    socket: UdpSocket,
    state: &Arc<State>,
    mut heard: impl FnMut(SocketAddr, &[u8]) -> io::Result<()> + Send + 'static,
) -> io::Result<()> {
    socket.set_read_timeout(Some(LOOK))?;
    let state = Arc::clone(state);
    thread::spawn(move || {
        let mut buffer = [0; 2048];
        while !state.gone.load(Relaxed) {
            // Nothing came, or the server has closed its port for a while.
            let Ok((length, from)) = socket.recv_from(&mut buffer) else {
                continue;
            };
            let is_cut = state.cut.load(Relaxed);
            if !is_cut && heard(from, &buffer[..length]).is_err() {
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

    /// Sends back what comes, until the client ends.
    fn echo(gateway: TcpListener) -> thread::JoinHandle<()> {
        thread::spawn(move || {
            let (mut stream, _) = gateway.accept().unwrap();
            let mut byte = [0];
            while stream.read(&mut byte).unwrap() > 0 {
                stream.write_all(&byte).unwrap();
            }
        })
    }

    /// A connection takes a round trip to open and one for its first answer.
    #[test]
    fn a_round_trip_takes_twice_the_way() {
        let gateway = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let server = gateway.local_addr().unwrap();
        let relay = TcpPort::bind().unwrap().relay(ONE_WAY, server).unwrap();
        let echo = echo(gateway);
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
    }

    #[test]
    fn each_client_gets_its_own_datagrams() {
        let media = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let server = media.local_addr().unwrap();
        let relay = UdpPort::bind().unwrap().relay(ONE_WAY, server).unwrap();
        let clients = [(); 2].map(|()| UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
        let begun = Instant::now();
        for (client, said) in clients.iter().zip([b"a", b"b"]) {
            client.send_to(said, relay.address).unwrap();
        }
        let mut buffer = [0; 10];
        for _ in 0..2 {
            let (length, from) = media.recv_from(&mut buffer).unwrap();
            media.send_to(&buffer[..length], from).unwrap();
        }
        for (client, said) in clients.iter().zip([b"a", b"b"]) {
            assert_eq!(client.recv(&mut buffer).unwrap(), 1);
            assert_eq!(&buffer[..1], said);
        }
        assert!(begun.elapsed() >= 2 * ONE_WAY);
    }

    #[test]
    fn what_is_cut_stays_open_and_says_nothing() {
        let gateway = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let server = gateway.local_addr().unwrap();
        let relay = TcpPort::bind().unwrap();
        let relay = relay.relay(Duration::ZERO, server).unwrap();
        let _echo = echo(gateway);
        let mut client = TcpStream::connect(relay.address).unwrap();
        let mut answer = [0];
        client.write_all(b"x").unwrap();
        client.read_exact(&mut answer).unwrap();
        relay.cut();
        client.write_all(b"y").unwrap();
        client.set_read_timeout(Some(10 * ONE_WAY)).unwrap();
        let silence = client.read(&mut answer).unwrap_err().kind();
        assert!(matches!(
            silence,
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
        ));
    }
}
