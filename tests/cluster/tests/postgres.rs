//! The server that tests get: it runs, keeps its port and data over stops, and leaves nothing behind.
#![allow(clippy::unwrap_used)]

use std::net::{SocketAddr, TcpStream};
use std::path::Path;

use orb_cluster::Postgres;

fn listens(port: u16) -> bool {
    TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port))).is_ok()
}

#[tokio::test]
async fn it_stops_comes_back_and_is_gone_when_dropped() {
    let mut postgres = Postgres::start().await.unwrap();
    let port = postgres.port();
    assert!(listens(port));
    assert!(postgres.url().contains(&format!(":{port}/")));
    for crash in [false, true] {
        if crash {
            postgres.crash().await.unwrap();
        } else {
            postgres.stop().await.unwrap();
        }
        assert_eq!(postgres.pid(), None);
        assert!(!listens(port));
        postgres.run().await.unwrap();
        assert!(listens(port));
    }
    let process = format!("/proc/{}", postgres.pid().unwrap());
    assert!(Path::new(&process).exists());
    drop(postgres);
    assert!(!Path::new(&process).exists());
    assert!(!listens(port));
}

#[tokio::test]
async fn a_server_that_cannot_start_says_why() {
    let settings = [("no_such_setting", "1")];
    let error = Postgres::start_with(&settings).await.unwrap_err();
    assert_eq!(error.code(), "server_failed");
    assert!(error.to_string().contains("no_such_setting"), "{error}");
}
