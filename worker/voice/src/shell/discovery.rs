//! IP discovery: how the voice server sees this host.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{net::UdpSocket, time::timeout};

use super::ends::{Ends, any_address};
use crate::{End, packet::discovery};

/// A socket for media, and the address that the server sees it under.
pub(super) struct Discovered {
    pub(super) ends: Ends,
    pub(super) address: SocketAddr,
}

/// Asks until there is an answer; the attempt's deadline ends it.
pub(super) async fn discover(
    media: SocketAddr,
    ssrc: u32,
    listening: bool,
    retry: Duration,
) -> Result<Discovered, End> {
    let failed = |error: io::Error| End::broken(format!("no socket for media: {error}"));
    let socket = UdpSocket::bind(any_address(media)).await.map_err(failed)?;
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
            let sender = socket.into_std().map_err(failed)?;
            let ends = Ends::of(sender, listening).map_err(failed)?;
            return Ok(Discovered { ends, address });
        }
    }
}
