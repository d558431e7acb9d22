//! A server, whoever dials it, and what both of them say.

use std::fmt::Write as _;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use orb_tls::{Error, Listener, MutualTls, Protocol, dial};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use tokio_stream::StreamExt;
use tokio_util::task::AbortOnDropHandle;
use tracing_subscriber::fmt::MakeWriter;

/// For what takes milliseconds, on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Answers `pong` to each `ping`, once a connection.
pub(crate) struct Server {
    pub(crate) port: u16,
    _serving: AbortOnDropHandle<()>,
}

impl Server {
    pub(crate) fn start(tls: Option<MutualTls>) -> Self {
        let addr = "127.0.0.1:0".parse().unwrap();
        let mut listener = Listener::bind(addr, tls, Protocol::Grpc).unwrap();
        let port = listener.local_addr().port();
        let serving = tokio::spawn(async move {
            while let Some(Ok(mut stream)) = listener.next().await {
                let mut ping = [0; 4];
                if stream.read_exact(&mut ping).await.is_ok() && &ping == b"ping" {
                    let _ = stream.write_all(b"pong").await;
                    let _ = stream.shutdown().await;
                }
            }
        });
        Self {
            port,
            _serving: AbortOnDropHandle::new(serving),
        }
    }
}

/// Dials, and asks; an error is in the words that an operator sees.
pub(crate) async fn ask(port: u16, tls: Option<&MutualTls>) -> Result<(), String> {
    let asking = async {
        let mut stream = dial("127.0.0.1", port, tls).await.map_err(in_words)?;
        // The server may have refused already.
        let _ = stream.write_all(b"ping").await;
        let mut pong = [0; 4];
        stream.read_exact(&mut pong).await.map_err(in_words)?;
        assert_eq!(&pong, b"pong");
        Ok(())
    };
    timeout(PATIENCE, asking).await.expect("an answer in time")
}

fn in_words(error: impl Into<AnyError>) -> String {
    match error.into() {
        AnyError::Tls(error) => error.to_string(),
        AnyError::Io(error) => error.to_string(),
    }
}

pub(crate) enum AnyError {
    Tls(Error),
    Io(io::Error),
}

impl From<Error> for AnyError {
    fn from(error: Error) -> Self {
        Self::Tls(error)
    }
}

impl From<io::Error> for AnyError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// What was logged on this thread.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<String>>);

impl Log {
    /// From now on, until the guard is dropped.
    pub(crate) fn keep() -> (Self, tracing::subscriber::DefaultGuard) {
        let log = Self::default();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(log.clone())
            .with_ansi(false)
            .with_max_level(tracing::Level::TRACE)
            .finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    pub(crate) fn text(&self) -> String {
        self.0.lock().unwrap().clone()
    }

    /// Waits until it says so.
    pub(crate) async fn says(&self, words: &str) {
        let said = async {
            while !self.text().contains(words) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let said = timeout(PATIENCE, said).await;
        assert!(said.is_ok(), "no {words:?} in: {}", self.text());
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut log = self.0.lock().unwrap();
        write!(log, "{}", String::from_utf8_lossy(bytes)).unwrap();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}
