//! Connections from other roles.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_stream::Stream;
use tokio_util::task::AbortOnDropHandle;

use crate::{Error, Finding, MutualTls, Peer, Proof, Protocol, ServerStream};

/// Connections that the kernel may hold for this process, if `net.core.somaxconn` allows as many: a thousand workers
/// that come back in one moment, four times over. With the usual 128, most of them would have to send their SYN again,
/// which costs a second and then two.
pub const BACKLOG: u32 = 4_096;

/// Handshakes at the same time; who comes later waits in the backlog. An idle caller has one of them for
/// [`HANDSHAKE_WITHIN`].
const HANDSHAKES: usize = 1_024;

/// A client takes a round trip and a signature. On a busy machine with a thousand others before it, seconds.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);

/// Accepted connections that whoever serves has not taken yet.
const ACCEPTED: usize = 64;

/// No file descriptor is left: some will be given back.
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(100);

/// A listening socket. Handshakes run side by side, so that a slow caller holds nobody up.
///
/// It is a stream for tonic and a listener for axum. Dropping it closes the socket and the handshakes under way.
#[derive(Debug)]
pub struct Listener {
    local: SocketAddr,
    accepted: mpsc::Receiver<ServerStream>,
    _accepting: AbortOnDropHandle<()>,
}

impl Listener {
    /// Listens; port 0 takes a free one. With `tls`, nobody is heard who does not speak it. Needs a tokio runtime.
    pub fn bind(addr: SocketAddr, tls: Option<MutualTls>, protocol: Protocol) -> io::Result<Self> {
        let socket = match addr {
            SocketAddr::V4(_) => TcpSocket::new_v4(),
            SocketAddr::V6(_) => TcpSocket::new_v6(),
        }?;
        // A restarted process gets its port back while connections of the last one still fade away.
        socket.set_reuseaddr(true)?;
        socket.bind(addr)?;
        let listener = socket.listen(BACKLOG)?;
        let local = listener.local_addr()?;
        let (sender, accepted) = mpsc::channel(ACCEPTED);
        let accepting = tokio::spawn(accept(listener, tls, protocol, sender));
        Ok(Self {
            local,
            accepted,
            _accepting: AbortOnDropHandle::new(accepting),
        })
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }
}

async fn accept(
    listener: TcpListener,
    tls: Option<MutualTls>,
    protocol: Protocol,
    accepted: mpsc::Sender<ServerStream>,
) {
    let mut handshakes = JoinSet::new();
    loop {
        tokio::select! {
            connection = listener.accept(), if handshakes.len() < HANDSHAKES => match connection {
                Ok((tcp, addr)) => {
                    handshakes.spawn(take(tcp, addr, tls.clone(), protocol, accepted.clone()));
                }
                Err(error) if is_of_one_caller(&error) => {}
                Err(error) => {
                    tracing::error!(%error, "cannot accept a connection; trying again");
                    tokio::time::sleep(PAUSE_AFTER_ERROR).await;
                }
            },
            Some(_) = handshakes.join_next() => {}
        }
    }
}

/// The caller went away before it was accepted.
fn is_of_one_caller(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
    )
}

async fn take(
    tcp: TcpStream,
    addr: SocketAddr,
    tls: Option<MutualTls>,
    protocol: Protocol,
    accepted: mpsc::Sender<ServerStream>,
) {
    if let Err(error) = tcp.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY");
    }
    let stream = match tls {
        None => ServerStream::plain(tcp, addr),
        Some(tls) => match shake_hands(tcp, &tls, protocol).await {
            Ok(stream) => ServerStream::encrypted(stream, addr),
            Err(finding) => {
                // A probe of the port alone, or a client that was stopped: nothing to report.
                let is_nothing = finding == Finding::Closed;
                let peer = addr.to_string();
                let error = Error::Handshake { peer, finding };
                if is_nothing {
                    tracing::debug!(%error, "refused");
                } else {
                    tracing::warn!(%error, code = error.code(), "refused");
                }
                return;
            }
        },
    };
    // Nobody serves any more: the connection is dropped with the listener.
    let _ = accepted.send(stream).await;
}

async fn shake_hands(
    tcp: TcpStream,
    tls: &MutualTls,
    protocol: Protocol,
) -> Result<tokio_rustls::server::TlsStream<TcpStream>, Finding> {
    let accepting = async {
        let acceptor = TlsAcceptor::from(tls.current().await.server(protocol));
        acceptor.accept(tcp).await
    };
    match tokio::time::timeout(HANDSHAKE_WITHIN, accepting).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(Finding::of_io(&error)),
        Err(_) => Err(Finding::TooSlow),
    }
}

impl Stream for Listener {
    type Item = io::Result<ServerStream>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.accepted.poll_recv(cx).map(|accepted| accepted.map(Ok))
    }
}

impl axum::serve::Listener for Listener {
    type Io = ServerStream;
    type Addr = Peer;

    async fn accept(&mut self) -> (ServerStream, Peer) {
        match self.accepted.recv().await {
            Some(stream) => {
                let peer = stream.peer();
                (stream, peer)
            }
            // The task that accepts ends with the runtime alone.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<Peer> {
        Ok(Peer {
            addr: self.local,
            proof: Proof::NotAsked,
        })
    }
}
