//! The two ends of a socket for media.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
};

use tokio::io::{Interest, unix::AsyncFd};

/// The two ends of one socket, which is connected: what others send to its port is not received.
pub(super) struct Ends {
    /// Does not block, and the runtime knows nothing of it.
    pub(super) sender: UdpSocket,
    /// For those who listen.
    pub(super) receiver: Option<Receiver>,
}

impl Ends {
    pub(super) fn of(sender: UdpSocket, listening: bool) -> io::Result<Self> {
        let receiver = listening.then(|| Receiver::of(&sender)).transpose()?;
        Ok(Self { sender, receiver })
    }

    /// A socket of its own that is to talk with `peer`.
    pub(super) fn to(peer: SocketAddr) -> io::Result<Self> {
        let socket = UdpSocket::bind(any_address(peer))?;
        socket.set_nonblocking(true)?;
        socket.connect(peer)?;
        Self::of(socket, true)
    }
}

/// Any address of this host, any port.
pub(super) fn any_address(peer: SocketAddr) -> SocketAddr {
    match peer {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    }
}

/// Is woken by what comes in alone. The runtime's own kind of socket would be woken after each datagram that was sent, too,
/// hundreds of times a second, to hear that there is room for more.
pub(super) struct Receiver(AsyncFd<UdpSocket>);

impl Receiver {
    #[expect(
        deprecated,
        reason = "it is unsound for what changes its file descriptor; a socket never does"
    )]
    fn of(sender: &UdpSocket) -> io::Result<Self> {
        AsyncFd::with_interest(sender.try_clone()?, Interest::READABLE).map(Self)
    }

    /// The length of the next datagram. Cancel-safe.
    pub(super) async fn receive(&self, buffer: &mut [u8]) -> usize {
        loop {
            let received = self
                .0
                .async_io(Interest::READABLE, |socket| socket.recv(buffer))
                .await;
            // Errors of a datagram socket are about one datagram (ICMP); the next may fare better.
            if let Ok(length) = received {
                return length;
            }
        }
    }
}
