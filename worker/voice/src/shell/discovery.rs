//! IP discovery: how the voice server sees this host.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket as Sender},
    time::Duration,
};

use tokio::{net::UdpSocket, time::timeout};

use crate::{End, packet::discovery};

/// A socket for media, and the address that the server sees it under.
pub(super) struct Discovered {
    pub(super) ends: Ends,
    pub(super) address: SocketAddr,
}

/// The two ends of one socket.
pub(super) struct Ends {
    /// Does not block. The runtime knows nothing of it: whatever watches a socket is woken after each datagram that was
    /// sent, fifty times a second, to hear that there is room for more.
    pub(super) sender: Sender,
    /// For those who listen.
    pub(super) receiver: Option<UdpSocket>,
}

impl Ends {
    fn of(socket: UdpSocket, listening: bool) -> io::Result<Self> {
        let sender = socket.into_std()?;
        let receiver = listening.then(|| UdpSocket::from_std(sender.try_clone()?));
        Ok(Self {
            receiver: receiver.transpose()?,
            sender,
        })
    }
}

/// Asks until there is an answer; the attempt's deadline ends it.
pub(super) async fn discover(
    media: SocketAddr,
    ssrc: u32,
    listening: bool,
    retry: Duration,
) -> Result<Discovered, End> {
    let local: SocketAddr = match media {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let failed = |error: io::Error| End::broken(format!("no socket for media: {error}"));
    let socket = UdpSocket::bind(local).await.map_err(failed)?;
    // Connected: what others send to this port is not received.
    socket.connect(media).await.map_err(failed)?;
    let request = discovery::request(ssrc);
    let mut buffer = [0; 2048];
    loop {
        // A refusal (ICMP) of an earlier datagram: ask again.
        let _ = socket.send(&request).await;
        let answer = timeout(retry, async {
            loop {
                let Ok(length) = socket.recv(&mut buffer).await else {
                    // Not at once, or a closed port would be asked in a busy loop.
                    return std::future::pending().await;
                };
                if let Ok(address) = discovery::parse_response(&buffer[..length], ssrc) {
                    return address;
                }
            }
        });
        if let Ok(address) = answer.await {
            let ends = Ends::of(socket, listening).map_err(failed)?;
            return Ok(Discovered { ends, address });
        }
    }
}
