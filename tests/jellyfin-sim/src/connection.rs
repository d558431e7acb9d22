//! One TCP connection with the two handles that faults need: when its bytes have left, and its end.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// What a fault may do with the connection that a request came in on.
#[derive(Clone)]
pub(crate) struct Connection(Arc<Shared>);

struct Shared {
    flushes: watch::Sender<u64>,
    reset: AtomicBool,
    ended: CancellationToken,
}

impl Connection {
    pub(crate) fn new(ended: CancellationToken) -> Self {
        let (flushes, _) = watch::channel(0);
        Self(Arc::new(Shared {
            flushes,
            reset: AtomicBool::new(false),
            ended,
        }))
    }

    /// Ready when everything that a body has yielded so far is in the kernel's hands. hyper flushes
    /// after each poll of a body that had nothing more, so the next flush is the one to wait for.
    pub(crate) async fn flushed(&self) {
        let mut flushes = self.0.flushes.subscribe();
        let now = *flushes.borrow_and_update();
        // The sender lives in `self`, so this ends only with a flush.
        let _ = flushes.wait_for(|&count| count > now).await;
    }

    /// Closes it: the client sees the end of the stream.
    pub(crate) fn close(&self) {
        self.0.ended.cancel();
    }

    /// Resets it: the client sees `ECONNRESET`, and loses what it had not read.
    pub(crate) fn reset(&self) {
        self.0.reset.store(true, Ordering::Relaxed);
        self.0.ended.cancel();
    }

    /// When [`close`](Self::close) or [`reset`](Self::reset) was called, or the simulator ends.
    pub(crate) async fn ended(&self) {
        self.0.ended.cancelled().await;
    }
}

/// The socket beneath a [`Connection`].
pub(crate) struct Socket {
    tcp: TcpStream,
    connection: Connection,
}

impl Socket {
    pub(crate) fn new(tcp: TcpStream, connection: Connection) -> Self {
        Self { tcp, connection }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.connection.0.reset.load(Ordering::Relaxed) {
            // Closing a socket that lingers for zero seconds sends RST instead of FIN. When it fails,
            // the peer is gone already.
            let _ = self.tcp.set_zero_linger();
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_read(cx, buf)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.tcp).poll_flush(cx);
        if flushed.is_ready() {
            self.connection.0.flushes.send_modify(|count| *count += 1);
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }
}
