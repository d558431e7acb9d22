//! A TCP relay in front of one server.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::owners::Protocol;
use super::{LinkState, Network, outgoing};
use crate::place::Side;
use crate::schedule::Outage;

/// In one piece; larger writes are passed on in several.
const CHUNK: usize = 16 * 1024;

/// After a failed accept: file descriptors are short, and the next one fails at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Listens from its beginning to its drop, whatever becomes of the server.
pub struct Relay {
    address: SocketAddr,
    upstream: watch::Sender<Option<SocketAddr>>,
    _cancel: DropGuard,
}

impl Relay {
    /// Takes a free port. Connections wait until it is known where it leads.
    pub async fn listen(network: &Arc<Network>, side: Side) -> Result<Self> {
        let port = orb_cluster::free_port()?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
            .await
            .context("binding a relay")?;
        let address = listener.local_addr()?;
        let upstream = watch::Sender::new(None);
        let cancel = CancellationToken::new();
        let front = Front {
            network: Arc::clone(network),
            side,
            address,
            upstream: upstream.subscribe(),
        };
        tokio::spawn(
            cancel
                .clone()
                .run_until_cancelled_owned(front.accept(listener)),
        );
        Ok(Self {
            address,
            upstream,
            _cancel: cancel.drop_guard(),
        })
    }

    /// Where clients come to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where new connections go to from now on.
    pub fn lead_to(&self, server: SocketAddr) {
        self.upstream.send_replace(Some(server));
    }
}

#[derive(Clone)]
struct Front {
    network: Arc<Network>,
    side: Side,
    address: SocketAddr,
    upstream: watch::Receiver<Option<SocketAddr>>,
}

impl Front {
    async fn accept(self, listener: TcpListener) {
        // Dropped with this future, and its connections with it.
        let cancel = CancellationToken::new();
        let _all = cancel.clone().drop_guard();
        let connections = TaskTracker::new();
        loop {
            match listener.accept().await {
                Ok((stream, client)) => {
                    let connection = self.clone().connection(stream, client);
                    connections.spawn(cancel.clone().run_until_cancelled_owned(connection));
                }
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            }
        }
    }

    async fn connection(mut self, client: TcpStream, from: SocketAddr) {
        let (network, address) = (Arc::clone(&self.network), self.address);
        let looking = tokio::task::spawn_blocking(move || {
            network.owners.of_socket(Protocol::Tcp, from, address)
        });
        // Closed while we looked, or by a process that has just been killed: nobody waits for an answer.
        let Ok(Some(life)) = looking.await else {
            return reset(&client);
        };
        let link = self.network.state_of(life.place, self.side);
        if link.outage() == Some(Outage::Cut) {
            return reset(&client);
        }
        link.clone().open().await;
        let Ok(known) = self
            .upstream
            .wait_for(Option::is_some)
            .await
            .map(|known| *known)
        else {
            return;
        };
        let Some(server) = known else { return };
        let Ok(server) = connect(outgoing(Protocol::Tcp, self.side), server).await else {
            return reset(&client);
        };
        if let Ok(source) = server.local_addr() {
            self.network.passed(life, source, Instant::now());
        }
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        pass_on(client, server, link).await;
    }
}

async fn connect(from: SocketAddr, to: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(from)?;
    socket.connect(to).await
}

/// Until both sides have ended; when one of them breaks off, or the link is cut, both are reset.
async fn pass_on(mut client: TcpStream, mut server: TcpStream, link: LinkState) {
    let mut cut = link.clone();
    let ended = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let both = async {
            tokio::try_join!(
                copy(from_client, to_server, link.clone()),
                copy(from_server, to_client, link),
            )
            .is_ok()
        };
        tokio::select! {
            ended = both => ended,
            () = cut.cut() => false,
        }
    };
    if !ended {
        reset(&client);
        reset(&server);
    }
}

async fn copy(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut link: LinkState,
) -> std::io::Result<()> {
    let mut chunk = vec![0; CHUNK];
    loop {
        link.open().await;
        let mut falls_silent = link.clone();
        let read = tokio::select! {
            biased;
            () = falls_silent.silent() => continue,
            read = from.read(&mut chunk) => read?,
        };
        if read == 0 {
            return to.shutdown().await;
        }
        to.write_all(&chunk[..read]).await?;
    }
}

/// The other end gets a reset as soon as the stream is dropped.
fn reset(stream: &TcpStream) {
    let _ = stream.set_zero_linger();
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use tokio::time::timeout;

    use super::*;
    use crate::place::{Kind, Life, Place};

    const SOON: Duration = Duration::from_secs(5);
    const A_WHILE: Duration = Duration::from_millis(100);
    const PLACE: Place = Place {
        kind: Kind::Worker,
        index: 0,
    };

    /// A relay to a server that sends back what it gets, and this process as the one that calls.
    async fn to_an_echo() -> (Arc<Network>, Relay) {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = server.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = server.accept().await {
                tokio::spawn(async move {
                    let (mut from, mut to) = stream.split();
                    tokio::io::copy(&mut from, &mut to).await
                });
            }
        });
        let network = Arc::new(Network::default());
        let life = Life {
            place: PLACE,
            number: 1,
        };
        network.owners.began(std::process::id(), life);
        let relay = Relay::listen(&network, Side::Scheduler).await.unwrap();
        relay.lead_to(address);
        (network, relay)
    }

    async fn echoes(stream: &mut TcpStream, text: &[u8]) -> std::io::Result<()> {
        stream.write_all(text).await?;
        let mut back = vec![0; text.len()];
        stream.read_exact(&mut back).await?;
        assert_eq!(back, text);
        Ok(())
    }

    #[tokio::test]
    async fn what_a_silent_link_holds_arrives_when_it_is_healed() {
        let (network, relay) = to_an_echo().await;
        let mut stream = TcpStream::connect(relay.address()).await.unwrap();
        echoes(&mut stream, b"before").await.unwrap();
        let other = network.fail(PLACE, Side::Etcd, Outage::Silent);
        echoes(&mut stream, b"another link").await.unwrap();
        network.heal(other);
        let id = network.fail(PLACE, Side::Scheduler, Outage::Silent);
        stream.write_all(b"held").await.unwrap();
        let mut back = [0; 4];
        let heard = timeout(A_WHILE, stream.read_exact(&mut back)).await;
        assert!(heard.is_err(), "nothing gets through");
        network.heal(id);
        timeout(SOON, stream.read_exact(&mut back))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(&back, b"held");
        assert_eq!(network.silences().len(), 2);
        assert!(
            network
                .silences()
                .iter()
                .all(|silence| silence.until.is_some())
        );
    }

    #[tokio::test]
    async fn a_cut_link_resets_what_is_open_and_what_is_opened() {
        let (network, relay) = to_an_echo().await;
        let mut stream = TcpStream::connect(relay.address()).await.unwrap();
        echoes(&mut stream, b"before").await.unwrap();
        let id = network.fail(PLACE, Side::Scheduler, Outage::Cut);
        let mut byte = [0];
        let reset = timeout(SOON, stream.read_exact(&mut byte)).await.unwrap();
        assert!(reset.is_err(), "it was open");
        let mut stream = TcpStream::connect(relay.address()).await.unwrap();
        let reset = timeout(SOON, echoes(&mut stream, b"meanwhile"))
            .await
            .unwrap();
        assert!(reset.is_err(), "it was opened meanwhile");
        network.heal(id);
        let mut stream = TcpStream::connect(relay.address()).await.unwrap();
        timeout(SOON, echoes(&mut stream, b"after"))
            .await
            .unwrap()
            .unwrap();
    }

    /// Two connections to different servers may have the same port: what calls Discord is known by its address.
    #[tokio::test]
    async fn discord_sees_a_source_that_nobody_else_sees() {
        let network = Arc::new(Network::default());
        let life = Life {
            place: PLACE,
            number: 1,
        };
        network.owners.began(std::process::id(), life);
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut sources = Vec::new();
        for side in [Side::Etcd, Side::Postgres, Side::Scheduler, Side::Discord] {
            let relay = Relay::listen(&network, side).await.unwrap();
            relay.lead_to(server.local_addr().unwrap());
            let _client = TcpStream::connect(relay.address()).await.unwrap();
            let (_stream, source) = timeout(SOON, server.accept()).await.unwrap().unwrap();
            // It is noted once the server may already have accepted.
            timeout(SOON, async {
                while network.caller(source, Instant::now()) != Some(life) {
                    tokio::task::yield_now().await;
                }
            })
            .await
            .unwrap();
            sources.push(source.ip());
        }
        let discord = sources.pop().unwrap();
        assert!(!sources.contains(&discord), "{discord}, {sources:?}");
    }
}
