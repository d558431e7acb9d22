//! A UDP relay in front of Discord's media server.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result};
use tokio::net::UdpSocket;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::owners::Protocol;
use super::{LinkState, Network};
use crate::place::Side;

/// More than any packet of media.
const DATAGRAM: usize = 2_048;

/// Sources remembered at once; beyond that all are forgotten and found again. Each voice connection is one.
const SOURCES: usize = 512;

/// Passes datagrams on, each source through a port of its own, so that the server can tell them apart. What a failing
/// link loses is lost.
pub struct UdpRelay {
    address: SocketAddr,
    front: Arc<UdpSocket>,
    network: Arc<Network>,
    side: Side,
    cancel: CancellationToken,
    _guard: DropGuard,
}

impl UdpRelay {
    /// Takes a free port; nothing is passed on before [`Self::lead_to`].
    pub async fn bind(network: &Arc<Network>, side: Side) -> Result<Self> {
        let front = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .context("binding the media relay")?;
        let cancel = CancellationToken::new();
        Ok(Self {
            address: front.local_addr()?,
            front: Arc::new(front),
            network: Arc::clone(network),
            side,
            _guard: cancel.clone().drop_guard(),
            cancel,
        })
    }

    /// Where clients send to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Begins.
    pub fn lead_to(&self, server: SocketAddr) {
        let passing = Passing {
            front: Arc::clone(&self.front),
            network: Arc::clone(&self.network),
            side: self.side,
            address: self.address,
            server,
            cancel: self.cancel.clone(),
        };
        tokio::spawn(self.cancel.clone().run_until_cancelled_owned(passing.run()));
    }
}

struct Passing {
    front: Arc<UdpSocket>,
    network: Arc<Network>,
    side: Side,
    address: SocketAddr,
    server: SocketAddr,
    cancel: CancellationToken,
}

/// One source.
struct Way {
    outgoing: Arc<UdpSocket>,
    link: LinkState,
    _back: DropGuard,
}

impl Passing {
    async fn run(self) {
        let mut ways: HashMap<SocketAddr, Way> = HashMap::new();
        let mut datagram = vec![0; DATAGRAM];
        loop {
            // An error is a datagram that somebody did not want, reported late.
            let Ok((length, from)) = self.front.recv_from(&mut datagram).await else {
                continue;
            };
            if !ways.contains_key(&from) {
                if ways.len() >= SOURCES {
                    ways.clear();
                }
                if let Some(way) = self.way(from).await {
                    ways.insert(from, way);
                }
            }
            if let Some(way) = ways.get(&from)
                && way.link.outage().is_none()
            {
                let _ = way.outgoing.send(&datagram[..length]).await;
            }
        }
    }

    async fn way(&self, from: SocketAddr) -> Option<Way> {
        let life = self
            .network
            .owners
            .of_socket(Protocol::Udp, from, self.address)?;
        let outgoing = UdpSocket::bind(super::outgoing(Protocol::Udp, self.side))
            .await
            .ok()?;
        outgoing.connect(self.server).await.ok()?;
        self.network
            .passed(life, outgoing.local_addr().ok()?, Instant::now());
        let outgoing = Arc::new(outgoing);
        let link = self.network.state_of(life.place, self.side);
        let cancel = self.cancel.child_token();
        let back = back(
            Arc::clone(&outgoing),
            Arc::clone(&self.front),
            from,
            link.clone(),
        );
        tokio::spawn(cancel.clone().run_until_cancelled_owned(back));
        Some(Way {
            outgoing,
            link,
            _back: cancel.drop_guard(),
        })
    }
}

async fn back(outgoing: Arc<UdpSocket>, front: Arc<UdpSocket>, to: SocketAddr, link: LinkState) {
    let mut datagram = vec![0; DATAGRAM];
    loop {
        if let Ok(length) = outgoing.recv(&mut datagram).await
            && link.outage().is_none()
        {
            let _ = front.send_to(&datagram[..length], to).await;
        }
    }
}
