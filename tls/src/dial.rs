//! A connection to another role.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::io::{Io, writes_to_io};
use crate::{Error, Finding, MutualTls, Protocol};

/// The whole way, handshake included: one that a thousand clients come back to at once needs seconds for the last of
/// them.
const DIAL_WITHIN: Duration = Duration::from_secs(5);

/// Until the TCP connection is there. In one network that takes a millisecond, or a second and some where the first SYN
/// was lost.
const CONNECT_WITHIN: Duration = Duration::from_secs(3);

/// A server that speaks TLS answers a client that does not with an alert, whose first byte is this. No HTTP/2 server
/// begins like that: its first frame would be over a mebibyte long.
const ALERT: u8 = 0x15;

/// Connects to `host` and `port`, with certificates where there are any.
pub async fn dial(host: &str, port: u16, tls: Option<&MutualTls>) -> Result<ClientStream, Error> {
    let address = format!("{host}:{port}");
    let failed = |finding| Error::Handshake {
        peer: address.clone(),
        finding,
    };
    let dialling = async {
        let unreachable = |source| Error::Unreachable {
            address: address.clone(),
            source,
        };
        let tcp = connect(without_brackets(host), port)
            .await
            .map_err(unreachable)?;
        tcp.set_nodelay(true).map_err(unreachable)?;
        let io = match tls {
            None => Io::Plain(tcp),
            Some(tls) => {
                let connector = TlsConnector::from(tls.current().await.client(Protocol::Grpc));
                let connected = connector.connect(dialled_name(host)?, tcp).await;
                Io::tls(connected.map_err(|error| failed(Finding::of_io(&error)))?)
            }
        };
        Ok(ClientStream {
            io,
            peer: address.clone(),
            heard: false,
        })
    };
    let dialled = tokio::time::timeout(DIAL_WITHIN, dialling).await;
    let dialled = dialled.unwrap_or_else(|_| Err(failed(Finding::TooSlow)));
    if let Err(Error::Handshake { peer, finding }) = &dialled {
        tracing::warn!(%peer, %finding, "no connection");
    }
    dialled
}

/// To the first address of a name that answers. Each has its share of the time: one of several replicas may have
/// vanished without a word.
async fn connect(host: &str, port: u16) -> io::Result<TcpStream> {
    let addresses: Vec<_> = tokio::net::lookup_host((host, port)).await?.collect();
    let share = CONNECT_WITHIN / u32::try_from(addresses.len().max(1)).unwrap_or(u32::MAX);
    let mut failed = io::Error::from(io::ErrorKind::NotFound);
    for address in addresses {
        match tokio::time::timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(tcp)) => return Ok(tcp),
            Ok(Err(error)) => failed = error,
            Err(_) => failed = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(failed)
}

/// Only sent, never checked: see `FixedName`.
fn dialled_name(host: &str) -> Result<ServerName<'static>, Error> {
    let host = without_brackets(host);
    ServerName::try_from(host.to_owned()).map_err(|_| Error::Unreachable {
        address: host.to_owned(),
        source: io::ErrorKind::InvalidInput.into(),
    })
}

/// An IPv6 address has them in a URL, and nowhere else.
fn without_brackets(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches(']')
}

/// A dialled connection, encrypted or not.
///
/// Some refusals come only after the handshake, in the server's first words (TLS 1.3 judges the client's certificate
/// last). They are reported here, with what to do: what the protocols above make of them says nothing of certificates.
#[derive(Debug)]
pub struct ClientStream {
    io: Io,
    peer: String,
    /// Whether the server has said anything.
    heard: bool,
}

impl ClientStream {
    /// What the first words mean, if they are a refusal.
    fn refusal(&self, read: &Poll<io::Result<()>>, words: &[u8]) -> Option<Finding> {
        match (&self.io, read) {
            (Io::Plain(_), Poll::Ready(Ok(()))) if words.first() == Some(&ALERT) => {
                Some(Finding::WantsTls)
            }
            (Io::Tls(_), Poll::Ready(Err(error))) => {
                // Not every connection that breaks early was refused.
                Some(Finding::of_io(error)).filter(|finding| *finding != Finding::Closed)
            }
            _ => None,
        }
    }
}

impl AsyncRead for ClientStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let read = Pin::new(&mut this.io).poll_read(cx, buf);
        if this.heard || read.is_pending() {
            return read;
        }
        this.heard = true;
        let Some(finding) = this.refusal(&read, &buf.filled()[before..]) else {
            return read;
        };
        let peer = this.peer.clone();
        tracing::warn!(%peer, %finding, "no connection");
        Poll::Ready(Err(io::Error::other(Error::Handshake { peer, finding })))
    }
}

writes_to_io!(ClientStream);
