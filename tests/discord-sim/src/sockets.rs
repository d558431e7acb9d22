//! What both gateways do with their sockets in the same way.

use std::net::SocketAddr;
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

/// How long a handshake (TLS and WebSocket) may take. Clients on loopback need milliseconds; a
/// stuck one must not hold a task.
pub(crate) const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the other side gets to answer a close frame. Dropping the socket at once would reset
/// it if data is still unread, and the close frame with its code would be lost.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Pause after a failed accept: long enough not to spin, short enough not to be noticed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Messages queued for one socket. A client that lets this many wait is cut off.
pub(crate) const OUT_QUEUE: usize = 2048;

/// Logs a failed accept, and waits: while file descriptors are short, the next one fails at once.
pub(crate) async fn accept_failed(listener: &str, error: &std::io::Error) {
    tracing::warn!(%error, listener, "accept failed");
    tokio::time::sleep(ACCEPT_PAUSE).await;
}

/// Sends a close frame and waits for the other side to go.
pub(crate) async fn close<S>(ws: &mut WebSocketStream<S>, code: u16, reason: &'static str)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let frame = CloseFrame {
        code: code.into(),
        reason: reason.into(),
    };
    let goodbye = async {
        ws.send(Message::Close(Some(frame))).await?;
        while let Some(message) = ws.next().await {
            message?;
        }
        Ok::<(), tokio_tungstenite::tungstenite::Error>(())
    };
    // A client that never answers has had its time; the socket is dropped either way.
    if !matches!(
        tokio::time::timeout(CLOSE_TIMEOUT, goodbye).await,
        Ok(Ok(()))
    ) {
        tracing::debug!(code, "close frame was not answered");
    }
}

/// Ends the stream in good order (TLS: `close_notify`; TCP: FIN) without a close frame, and waits
/// for the other side to go: dropped with unread data, TCP would reset instead.
pub(crate) async fn end_without_close_frame<S>(ws: &mut WebSocketStream<S>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let stream = ws.get_mut();
    let goodbye = async {
        stream.shutdown().await?;
        let mut unread = [0; 1024];
        while stream.read(&mut unread).await? > 0 {}
        Ok::<(), std::io::Error>(())
    };
    if !matches!(
        tokio::time::timeout(CLOSE_TIMEOUT, goodbye).await,
        Ok(Ok(()))
    ) {
        tracing::debug!("end of the stream was not answered");
    }
}

/// The value of `key` in a query string.
pub(crate) fn query_value<'a>(query: Option<&'a str>, key: &str) -> Option<&'a str> {
    query?
        .split('&')
        .find_map(|pair| pair.strip_prefix(key)?.strip_prefix('='))
}

/// A loopback address with `port`.
pub(crate) fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

#[cfg(test)]
mod tests {
    use super::query_value;

    #[test]
    fn finds_query_values() {
        assert_eq!(query_value(Some("v=4"), "v"), Some("4"));
        assert_eq!(query_value(Some("encoding=json&v=10"), "v"), Some("10"));
        assert_eq!(query_value(Some("vv=10"), "v"), None);
        assert_eq!(query_value(None, "v"), None);
    }
}
