//! gRPC between roles of one process: the same protocol, over pipes in memory.

use hyper_util::rt::TokioIo;
use tokio::io::DuplexStream;
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Channel, Endpoint, Uri};

/// What one side may write ahead of the other's reading.
const PIPE: usize = 256 * 1024;

/// Connections that may wait to be accepted.
const BACKLOG: usize = 16;

/// The accepting end.
pub(crate) type Incoming =
    std::pin::Pin<Box<dyn tokio_stream::Stream<Item = std::io::Result<DuplexStream>> + Send>>;

/// A channel, made anew whenever its connection is lost, and the stream of its connections.
pub(crate) fn channel() -> (Channel, Incoming) {
    let (connections, accepted) = mpsc::channel::<DuplexStream>(BACKLOG);
    let connector = tower::service_fn(move |_: Uri| {
        let connections = connections.clone();
        async move {
            let (here, there) = tokio::io::duplex(PIPE);
            connections
                .send(there)
                .await
                .map_err(|_| std::io::Error::other("the scheduler has stopped"))?;
            Ok::<_, std::io::Error>(TokioIo::new(here))
        }
    });
    let channel = Endpoint::from_static("http://in-process").connect_with_connector_lazy(connector);
    (channel, Box::pin(ReceiverStream::new(accepted).map(Ok)))
}
