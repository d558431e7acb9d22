//! A thousand callers before the first is accepted.

use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use orb_tls::{BACKLOG, Listener, Protocol};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio_stream::StreamExt;

const CALLERS: usize = 1_000;

/// Below the second after which a lost SYN is sent again.
const AT_ONCE: Duration = Duration::from_millis(500);

#[tokio::test]
async fn nobody_is_turned_away_while_the_process_is_busy() {
    let limit = getrlimit(Resource::Nofile);
    let current = limit.maximum;
    setrlimit(Resource::Nofile, Rlimit { current, ..limit }).unwrap();
    let somaxconn = std::fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap();
    assert!(somaxconn.trim().parse::<usize>().unwrap() >= CALLERS);
    assert!(BACKLOG as usize >= CALLERS);

    let addr: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let mut listener = Listener::bind(addr, None, Protocol::Grpc).unwrap();
    let addr = listener.local_addr();
    // This runtime has one thread, and this blocks it: nothing is accepted meanwhile.
    let callers: Vec<_> = (0..CALLERS)
        .map(|n| {
            TcpStream::connect_timeout(&addr, AT_ONCE).unwrap_or_else(|e| panic!("caller {n}: {e}"))
        })
        .collect();
    for _ in &callers {
        listener.next().await.unwrap().unwrap();
    }
}
