//! The addresses to listen on: free, or held by an `orb` that runs already.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::time::Duration;

use tonic::transport::Endpoint;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use super::{Subject, http, tls};
use crate::{Finding, Role};

/// Whoever holds the port is on this machine.
const TIME_OUT: Duration = Duration::from_secs(2);

/// What a scheduler's server is known by.
const SERVICE: &str = "orb.v1.SessionService";

/// What an `orb` would answer at a port.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Spoken {
    /// `/healthz`.
    Http,
    /// `grpc.health.v1`.
    Grpc,
    /// The watch output of a worker, which is HTTP, or HTTPS with certificates.
    Media,
}

pub(super) async fn check(subject: &Subject) -> Vec<Finding> {
    let config = &subject.config;
    let listeners = [
        (
            "port of HTTP",
            "ORB_HTTP_ADDR",
            config.http.addr,
            Spoken::Http,
            &[Role::Up, Role::Gateway][..],
        ),
        (
            "port of gRPC",
            "ORB_GRPC_ADDR",
            config.grpc.addr,
            Spoken::Grpc,
            &[Role::Up, Role::Scheduler],
        ),
        (
            "port of media",
            "ORB_WORKER__MEDIA_ADDR",
            config.worker.media_addr,
            Spoken::Media,
            &[Role::Up, Role::Worker],
        ),
        (
            "port of probes",
            "ORB_SCHEDULER__HTTP_ADDR",
            config.scheduler.http_addr,
            Spoken::Http,
            &[Role::Scheduler],
        ),
    ];
    let mut findings = Vec::new();
    for (check, variable, addr, spoken, roles) in listeners {
        if subject.is(roles) {
            findings.push(port(subject, check, variable, addr, spoken).await);
        }
    }
    findings
}

async fn port(
    subject: &Subject,
    check: &str,
    variable: &str,
    addr: SocketAddr,
    spoken: Spoken,
) -> Finding {
    if addr.port() == 0 {
        return Finding::ok(check, format!("{addr}: whichever is free"));
    }
    // As the server does: a port that connections of an ended process still linger on is free.
    let Err(error) = TcpListener::bind(addr) else {
        return Finding::ok(check, format!("{addr} is free"));
    };
    let other = format!("set {variable} to another address");
    match error.kind() {
        ErrorKind::AddrInUse if is_orb(subject, addr, spoken).await => {
            Finding::ok(check, format!("{addr} is held by an orb that runs"))
        }
        ErrorKind::AddrInUse => {
            let fix = format!("end what listens there (`ss -ltnp` says what it is), or {other}");
            Finding::failed(check, format!("{addr} is taken by another program"), fix)
        }
        ErrorKind::AddrNotAvailable => Finding::failed(
            check,
            format!("{} is no address of this machine", addr.ip()),
            other,
        ),
        ErrorKind::PermissionDenied => Finding::failed(
            check,
            format!("this user may not listen on port {}", addr.port()),
            format!("{other}, from 1024 up"),
        ),
        _ => Finding::failed(check, format!("{addr}: {error}"), other),
    }
}

async fn is_orb(subject: &Subject, addr: SocketAddr, spoken: Spoken) -> bool {
    let addr = reachable(addr);
    let asked = async {
        match spoken {
            Spoken::Http => answers_healthz(addr).await,
            _ if subject.config.tls.is_wanted() => tls::shows_certificate(subject, addr).await,
            Spoken::Media => answers_healthz(addr).await,
            Spoken::Grpc => answers_health(addr).await,
        }
    };
    tokio::time::timeout(TIME_OUT, asked).await.unwrap_or(false)
}

async fn answers_healthz(addr: SocketAddr) -> bool {
    let Ok(client) = http::client(None) else {
        return false;
    };
    let Ok(response) = client.get(format!("http://{addr}/healthz")).send().await else {
        return false;
    };
    let json: Option<serde_json::Value> = response.json().await.ok();
    json.is_some_and(|answer| answer["status"] == "ok")
}

async fn answers_health(addr: SocketAddr) -> bool {
    let Ok(endpoint) = Endpoint::from_shared(format!("http://{addr}")) else {
        return false;
    };
    let Ok(channel) = endpoint.connect().await else {
        return false;
    };
    let request = HealthCheckRequest {
        service: SERVICE.to_owned(),
    };
    // Another server may have the health service, but knows no such service.
    HealthClient::new(channel).check(request).await.is_ok()
}

/// Where one that listens on all addresses is reached from here.
fn reachable(addr: SocketAddr) -> SocketAddr {
    let ip = match addr.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, addr.port())
}
