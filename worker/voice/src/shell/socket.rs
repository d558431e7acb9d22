//! The WebSocket to a voice server.

use std::{sync::Arc, time::Duration};

use futures::{SinkExt, StreamExt};
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{Message, protocol::WebSocketConfig},
};

use crate::{
    End,
    wire::{Encoded, GATEWAY_VERSION, Numbered, WireError},
};

/// The largest message that is taken. A welcome to a full voice channel is some tens of kilobytes.
const MOST_BYTES: usize = 1 << 20;

/// Room for what is read at once, which each connection keeps. The library's own is 128 KiB, and it writes zeroes to all of
/// that; most messages have a hundred bytes. A longer one gets what it needs.
const READ_AT_ONCE: usize = 4 << 10;

pub(super) struct Socket(WebSocketStream<TlsStream<TcpStream>>);

impl Socket {
    /// Opens a connection to `host:port`.
    pub(super) async fn open(endpoint: &str, tls: Arc<ClientConfig>) -> Result<Self, End> {
        let (host, _) = endpoint
            .rsplit_once(':')
            .ok_or_else(|| End::broken("the endpoint has no port"))?;
        let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned())
            .map_err(|_| End::broken("the endpoint is no host name"))?;
        let stream = TcpStream::connect(endpoint)
            .await
            .map_err(|error| broken("the voice server could not be reached", &error))?;
        // Small messages, each of which somebody waits for.
        stream
            .set_nodelay(true)
            .map_err(|error| broken("the connection has no TCP_NODELAY", &error))?;
        let stream = TlsConnector::from(tls)
            .connect(name, stream)
            .await
            .map_err(|error| broken("TLS with the voice server failed", &error))?;
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_AT_ONCE)
            .max_message_size(Some(MOST_BYTES))
            .max_frame_size(Some(MOST_BYTES))
            .max_write_buffer_size(MOST_BYTES);
        let url = format!("wss://{endpoint}/?v={GATEWAY_VERSION}");
        let (socket, _) = client_async_with_config(url, stream, Some(config))
            .await
            .map_err(|error| broken("the voice server refused a WebSocket", &error))?;
        Ok(Self(socket))
    }

    /// The next message, a message that is none, or the end. Cancel-safe.
    pub(super) async fn next(&mut self) -> Result<Result<Numbered, WireError>, End> {
        loop {
            match self.0.next().await {
                Some(Ok(Message::Text(text))) => return Ok(Numbered::from_text(&text)),
                Some(Ok(Message::Binary(bytes))) => return Ok(Numbered::from_binary(&bytes)),
                Some(Ok(Message::Close(Some(frame)))) => {
                    return Err(End::closed(frame.code.into()));
                }
                Some(Ok(Message::Close(None))) => {
                    return Err(End::broken("closed without a code"));
                }
                // tungstenite answers pings by itself.
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(broken("the connection broke", &error)),
                None => return Err(End::broken("the connection ended")),
            }
        }
    }

    pub(super) async fn send(&mut self, message: Encoded, within: Duration) -> Result<(), End> {
        let message = match message {
            Encoded::Text(text) => Message::text(text),
            Encoded::Binary(bytes) => Message::binary(bytes),
        };
        match tokio::time::timeout(within, self.0.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(broken("the connection broke", &error)),
            Err(_) => Err(End::broken("the connection takes no more messages")),
        }
    }
}

/// What these errors say names hosts and system errors, no secrets: tokens are in messages, never in the URL.
fn broken(what: &str, error: &dyn std::error::Error) -> End {
    End::broken(format!("{what}: {error}"))
}
