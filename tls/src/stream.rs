//! A connection that was accepted, and who is at its other end.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use crate::io::{Io, writes_to_io};

/// The other end of an accepted connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// Where it is.
    pub addr: SocketAddr,
    /// What it has shown.
    pub proof: Proof,
}

/// What a peer has shown of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// It was not asked: there is no TLS here.
    NotAsked,
    /// It speaks TLS, and showed no certificate. On the media port alone.
    Nothing,
    /// A certificate of the installation's authority.
    Certificate,
}

/// An accepted connection, encrypted or not.
#[derive(Debug)]
pub struct ServerStream {
    io: Io,
    peer: Peer,
}

impl ServerStream {
    pub(crate) fn plain(tcp: TcpStream, addr: SocketAddr) -> Self {
        let proof = Proof::NotAsked;
        Self {
            io: Io::Plain(tcp),
            peer: Peer { addr, proof },
        }
    }

    pub(crate) fn encrypted(tls: TlsStream<TcpStream>, addr: SocketAddr) -> Self {
        let proof = match tls.get_ref().1.peer_certificates() {
            Some([_, ..]) => Proof::Certificate,
            _ => Proof::Nothing,
        };
        Self {
            io: Io::tls(tls),
            peer: Peer { addr, proof },
        }
    }

    /// The other end.
    pub fn peer(&self) -> Peer {
        self.peer
    }
}

impl tonic::transport::server::Connected for ServerStream {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer
    }
}

impl AsyncRead for ServerStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_read(cx, buf)
    }
}

writes_to_io!(ServerStream);
