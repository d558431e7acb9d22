//! The WebSocket of a user's gateway connection: messages both ways, and heartbeats.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use futures::{FutureExt, SinkExt, StreamExt};
use rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::oneshot,
    time::{Instant, Interval, MissedTickBehavior, Sleep, interval_at, sleep},
};
use tokio_rustls::TlsConnector;
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{
        Message,
        protocol::{CloseFrame, WebSocketConfig},
    },
};
use twilight_gateway::queue::{InMemoryQueue, Queue};
use url::Url;

use super::message;

/// The gateway's version. JSON without compression: what is read is little.
const QUERY: &str = "v=10&encoding=json";

/// The READY of a user in many servers has some megabytes.
const MOST_BYTES: usize = 64 << 20;

trait Transport: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Transport for T {}

/// What came over the link.
pub(super) enum Received {
    Text(String),
    /// With this code; 1005: with none.
    Closed(u16),
    /// The socket ended, or nobody answers.
    Broken(&'static str),
}

pub(super) struct Link {
    socket: WebSocketStream<Box<dyn Transport>>,
    /// To be sent, oldest first. Few: what fills it is limited to so many commands a minute.
    outbox: VecDeque<String>,
    /// Something was handed to the socket and not flushed yet.
    unflushed: bool,
    heartbeat: Option<Interval>,
    /// The last heartbeat was acknowledged.
    acknowledged: bool,
    /// Our turn to IDENTIFY, and the message.
    turn: Option<(oneshot::Receiver<()>, String)>,
    /// When READY or RESUMED is given up, until it has come.
    ready_by: Pin<Box<Sleep>>,
    ready: bool,
}

impl Link {
    /// Dials. `url`: checked by the dial rule.
    pub(super) async fn open(url: &str, ready_within: Duration) -> Result<Self, &'static str> {
        let url = Url::parse(url).map_err(|_| "the url is none")?;
        let host = url.host_str().ok_or("the url has no host")?;
        let port = url.port_or_known_default().ok_or("the url has no port")?;
        let address = (host.trim_matches(['[', ']']), port);
        let stream = TcpStream::connect(address)
            .await
            .map_err(|_| "the gateway could not be reached")?;
        let stream: Box<dyn Transport> = if url.scheme() == "wss" {
            let name = ServerName::try_from(address.0.to_owned())
                .map_err(|_| "the url's host is no name")?;
            let tls = TlsConnector::from(Arc::new(trust()?));
            let stream = tls.connect(name, stream).await;
            Box::new(stream.map_err(|_| "TLS with the gateway failed")?)
        } else {
            Box::new(stream)
        };
        let mut request = url;
        if request.path().is_empty() {
            request.set_path("/");
        }
        request.set_query(Some(QUERY));
        let config = WebSocketConfig::default()
            .max_message_size(Some(MOST_BYTES))
            .max_frame_size(Some(MOST_BYTES));
        let (socket, _) = client_async_with_config(request.as_str(), stream, Some(config))
            .await
            .map_err(|_| "the gateway refused a WebSocket")?;
        Ok(Self {
            socket,
            outbox: VecDeque::new(),
            unflushed: false,
            heartbeat: None,
            acknowledged: true,
            turn: None,
            ready_by: Box::pin(sleep(ready_within)),
            ready: false,
        })
    }

    /// After hello: heartbeats from now on, and an IDENTIFY when it is our turn, unless there is a session to RESUME.
    pub(super) fn greet(
        &mut self,
        interval: Duration,
        queue: Option<&InMemoryQueue>,
        identify: String,
    ) {
        // Discord asks for a random part of the first interval, so that a crowd does not beat as one; one account at
        // its half is no crowd.
        let mut beats = interval_at(Instant::now() + interval / 2, interval);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.heartbeat = Some(beats);
        self.turn = queue.map(|queue| (queue.enqueue(0), identify));
    }

    pub(super) fn queue(&mut self, text: String) {
        self.outbox.push_back(text);
    }

    pub(super) fn beat(&mut self, sequence: Option<u64>) {
        self.queue(message::heartbeat(sequence));
    }

    /// READY or RESUMED has come.
    pub(super) fn has_begun(&mut self) {
        self.ready = true;
    }

    pub(super) fn acknowledge(&mut self) {
        self.acknowledged = true;
    }

    /// Sends what is to be sent, and waits for the next message. `sequence`: of the last event.
    pub(super) fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        sequence: Option<u64>,
    ) -> Poll<Received> {
        if !self.ready && self.ready_by.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Received::Broken("no session in time"));
        }
        while let Some(beats) = &mut self.heartbeat
            && beats.poll_tick(cx).is_ready()
        {
            if !std::mem::take(&mut self.acknowledged) {
                return Poll::Ready(Received::Broken("a heartbeat was not acknowledged"));
            }
            self.beat(sequence);
        }
        if let Some((turn, _)) = &mut self.turn
            && turn.poll_unpin(cx).is_ready()
            && let Some((_, identify)) = self.turn.take()
        {
            self.queue(identify);
        }
        if let Poll::Ready(Err(())) = self.poll_send(cx) {
            return Poll::Ready(Received::Broken("the connection takes no more messages"));
        }
        loop {
            let received = match ready!(self.socket.poll_next_unpin(cx)) {
                Some(Ok(Message::Text(text))) => Received::Text(text.as_str().to_owned()),
                Some(Ok(Message::Close(frame))) => {
                    Received::Closed(frame.map_or(1005, |frame| frame.code.into()))
                }
                // tungstenite answers pings by itself.
                Some(Ok(_)) => continue,
                Some(Err(_)) => Received::Broken("the connection broke"),
                None => Received::Broken("the connection ended"),
            };
            return Poll::Ready(received);
        }
    }

    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ()>> {
        while !self.outbox.is_empty() {
            ready!(self.socket.poll_ready_unpin(cx)).map_err(|_| ())?;
            if let Some(text) = self.outbox.pop_front() {
                self.socket
                    .start_send_unpin(Message::text(text))
                    .map_err(|_| ())?;
                self.unflushed = true;
            }
        }
        if self.unflushed {
            ready!(self.socket.poll_flush_unpin(cx)).map_err(|_| ())?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Closes with this code and waits until the other side has, too.
    pub(super) async fn close(mut self, code: u16) {
        // What was queued was sent for the account: a leave, say.
        for text in std::mem::take(&mut self.outbox) {
            if self.socket.send(Message::text(text)).await.is_err() {
                return;
            }
        }
        let frame = CloseFrame {
            code: code.into(),
            reason: "".into(),
        };
        if self.socket.close(Some(frame)).await.is_err() {
            return;
        }
        while let Some(Ok(_)) = self.socket.next().await {}
    }
}

/// The system's certificates (`SSL_CERT_FILE` names others) and Mozilla's, as twilight has it for bots.
fn trust() -> Result<ClientConfig, &'static str> {
    let mut roots = RootCertStore::empty();
    let native = rustls_native_certs::load_native_certs();
    for error in &native.errors {
        tracing::warn!(%error, "a certificate store of the system was not read");
    }
    roots.add_parsable_certificates(native.certs);
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|_| "TLS could not be set up")?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}
