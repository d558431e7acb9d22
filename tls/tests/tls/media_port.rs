//! A certificate is demanded of everybody but probes.

use std::net::SocketAddr;

use axum::Router;
use axum::middleware::from_fn;
use axum::routing::get;
use orb_tls::{Listener, MutualTls, Part, Peer, Protocol, demand_certificate};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::task::AbortOnDropHandle;

use crate::authority::{Authority, Issued, Mounted};
use crate::raw_client;

/// A media port with a probe and a secret.
fn serve(tls: Option<MutualTls>) -> (u16, AbortOnDropHandle<()>) {
    let addr: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let listener = Listener::bind(addr, tls, Protocol::Http).unwrap();
    let port = listener.local_addr().port();
    let router = Router::new()
        .route("/healthz", get(async || "well"))
        .route("/watch", get(async || "film"))
        .layer(from_fn(demand_certificate));
    let serving = tokio::spawn(async move {
        let service = router.into_make_service_with_connect_info::<Peer>();
        axum::serve(listener, service).await.unwrap();
    });
    (port, AbortOnDropHandle::new(serving))
}

fn encrypted(authority: &Authority) -> (u16, AbortOnDropHandle<()>) {
    let mounted = Mounted::new(&authority.pem(), &authority.issue());
    serve(Some(
        MutualTls::load(mounted.files(), Part::Serves).unwrap(),
    ))
}

/// Status and body.
async fn get_on(mut io: impl AsyncRead + AsyncWrite + Unpin, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nHost: worker\r\nConnection: close\r\n\r\n");
    io.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // Without TLS's own farewell the end of the connection is an error; the answer is there all the same.
    let _ = io.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

async fn get_as(port: u16, authority: &Authority, issued: Option<&Issued>, path: &str) -> String {
    let io = raw_client::connect(port, authority, issued).await;
    get_on(io.unwrap(), path).await
}

#[tokio::test]
async fn kubelet_sees_that_it_lives_and_nothing_else() {
    let authority = Authority::new();
    let (port, _serving) = encrypted(&authority);
    let probed = get_as(port, &authority, None, "/healthz").await;
    assert!(
        probed.starts_with("HTTP/1.1 200") && probed.ends_with("well"),
        "{probed}"
    );
    let others = ["/watch", "/watch?/healthz", "/healthz/", "//healthz", "/"];
    for path in others {
        let answer = get_as(port, &authority, None, path).await;
        assert!(answer.starts_with("HTTP/1.1 403"), "{path}: {answer}");
        assert!(
            answer.contains("set ORB_TLS__CA, ORB_TLS__CERT and ORB_TLS__KEY"),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn a_part_of_the_installation_sees_all() {
    let authority = Authority::new();
    let (port, _serving) = encrypted(&authority);
    let issued = authority.issue();
    for path in ["/healthz", "/watch"] {
        let answer = get_as(port, &authority, Some(&issued), path).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
    }
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_not_taken_for_none() {
    let (authority, other) = (Authority::new(), Authority::new());
    let (port, _serving) = encrypted(&authority);
    let said = raw_client::refusal(port, &authority, Some(&other.issue())).await;
    assert!(said.contains("UnknownCA"), "{said}");
}

#[tokio::test]
async fn without_tls_nobody_is_asked() {
    let (port, _serving) = serve(None);
    let io = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let answer = get_on(io, "/watch").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}
