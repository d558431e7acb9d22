//! A TCP link that can fall silent: connections stay open, and nothing comes through.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// From an address of its own to a server.
pub(crate) struct Link {
    address: SocketAddr,
    silent: watch::Sender<bool>,
    /// Ends with it.
    _connections: JoinSet<()>,
}

impl Link {
    /// To the server at `server`.
    pub(crate) async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (silent, _) = watch::channel(false);
        let mut connections = JoinSet::new();
        connections.spawn(serve(listener, server, silent.subscribe()));
        Self {
            address,
            silent,
            _connections: connections,
        }
    }

    /// Where it begins.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Packets are lost from now on, in both directions and for new connections, too.
    pub(crate) fn fall_silent(&self) {
        self.silent.send_replace(true);
    }

    /// What was lost is sent again, as TCP does.
    pub(crate) fn heal(&self) {
        self.silent.send_replace(false);
    }
}

async fn serve(listener: TcpListener, server: SocketAddr, silent: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        let (client, _) = listener.accept().await.unwrap();
        let mut quiet = silent.clone();
        connections.spawn(async move {
            // Its first packet comes through when the others do.
            if quiet.wait_for(|silent| !silent).await.is_err() {
                return;
            }
            let Ok(server) = TcpStream::connect(server).await else {
                return;
            };
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = server.into_split();
            tokio::select! {
                () = carry(from_client, to_server, quiet.clone()) => {}
                () = carry(from_server, to_client, quiet) => {}
            }
        });
    }
}

/// Until one end is gone. What was read before the link fell silent may still come through.
async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut silent: watch::Receiver<bool>) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        if silent.wait_for(|silent| !silent).await.is_err() {
            return;
        }
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}
