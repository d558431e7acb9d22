//! Who is let in, who is not, and what both operators read.

use orb_tls::{MutualTls, Part};

use crate::authority::{Authority, Issued, Mounted};
use crate::meeting::{Log, Server, ask};
use crate::raw_client;

fn tls(ca: &str, issued: &Issued, part: Part) -> MutualTls {
    MutualTls::load(Mounted::new(ca, issued).files(), part).unwrap()
}

fn of(authority: &Authority) -> MutualTls {
    tls(&authority.pem(), &authority.issue(), Part::Both)
}

#[tokio::test]
async fn parts_of_one_installation_speak() {
    let authority = Authority::new();
    let server = Server::start(Some(of(&authority)));
    ask(server.port, Some(&of(&authority))).await.unwrap();
}

#[tokio::test]
async fn without_certificates_it_is_plain_as_ever() {
    let server = Server::start(None);
    ask(server.port, None).await.unwrap();
}

#[tokio::test]
async fn a_client_of_another_authority_is_refused() {
    assert_refused(&Authority::new(), &Authority::new()).await;
}

#[tokio::test]
async fn an_authority_is_known_by_its_key_and_not_by_its_name() {
    let [one, other] = [0, 1].map(|_| Authority::named("the same"));
    assert_refused(&one, &other).await;
}

async fn assert_refused(authority: &Authority, other: &Authority) {
    let (log, _keeping) = Log::keep();
    let server = Server::start(Some(of(authority)));
    // It trusts the server; the server does not trust it.
    let lenient = format!("{}{}", authority.pem(), other.pem());
    let stranger = tls(&lenient, &other.issue(), Part::Dials);
    let said = ask(server.port, Some(&stranger)).await.unwrap_err();
    assert!(
        said.contains("does not know the authority") && said.contains("ORB_TLS__CERT"),
        "{said}"
    );
    log.says("not signed by an authority in the ORB_TLS__CA")
        .await;
    ask(server.port, Some(&of(authority))).await.unwrap();
}

#[tokio::test]
async fn a_server_of_another_authority_is_refused() {
    let (authority, other) = (Authority::new(), Authority::new());
    let server = Server::start(Some(of(&other)));
    let said = ask(server.port, Some(&of(&authority))).await.unwrap_err();
    assert!(
        said.contains("not signed") && said.contains("ORB_TLS__CA"),
        "{said}"
    );
}

#[tokio::test]
async fn a_server_of_another_name_is_refused() {
    let authority = Authority::new();
    let worker = authority.issue_with(|leaf| {
        leaf.subject_alt_names = vec![rcgen::SanType::DnsName("elsewhere".try_into().unwrap())];
    });
    let mounted = Mounted::new(&authority.pem(), &worker);
    let mut files = mounted.files();
    "elsewhere".clone_into(&mut files.server_name);
    let server = Server::start(Some(MutualTls::load(files, Part::Serves).unwrap()));
    let said = ask(server.port, Some(&of(&authority))).await.unwrap_err();
    assert!(said.contains("ORB_TLS__SERVER_NAME"), "{said}");
}

#[tokio::test]
async fn a_plain_client_is_refused_by_name_of_the_fix() {
    let authority = Authority::new();
    let (log, _keeping) = Log::keep();
    let server = Server::start(Some(of(&authority)));
    let said = ask(server.port, None).await.unwrap_err();
    let fix = "set ORB_TLS__CA, ORB_TLS__CERT and ORB_TLS__KEY";
    assert!(
        said.contains("takes TLS only") && said.contains(fix),
        "{said}"
    );
    log.says("it does not speak TLS; set ORB_TLS__CA, ORB_TLS__CERT and ORB_TLS__KEY there")
        .await;
}

#[tokio::test]
async fn a_plain_server_is_never_spoken_to() {
    let authority = Authority::new();
    let plain = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = plain.local_addr().unwrap().port();
    let server = tokio::spawn(async move {
        let (mut stream, _) = plain.accept().await.unwrap();
        // An empty SETTINGS frame: what an HTTP/2 server says first.
        let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
        tokio::io::AsyncWriteExt::write_all(&mut stream, &settings)
            .await
            .unwrap();
        let mut heard = Vec::new();
        let _ = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut heard).await;
        heard
    });
    let said = ask(port, Some(&of(&authority))).await.unwrap_err();
    assert!(said.contains("does not speak TLS"), "{said}");
    let heard = server.await.unwrap();
    assert!(!heard.windows(4).any(|bytes| bytes == b"ping"), "{heard:?}");
}

#[tokio::test]
async fn who_shows_no_certificate_is_refused() {
    let authority = Authority::new();
    let (log, _keeping) = Log::keep();
    let server = Server::start(Some(of(&authority)));
    let said = raw_client::refusal(server.port, &authority, None).await;
    assert!(said.contains("CertificateRequired"), "{said}");
    log.says("it shows no certificate; set ORB_TLS__CERT and ORB_TLS__KEY there")
        .await;
}

#[tokio::test]
async fn an_expired_certificate_is_refused() {
    let authority = Authority::new();
    let (log, _keeping) = Log::keep();
    let server = Server::start(Some(of(&authority)));
    let expired = authority.issue_expired();
    let said = raw_client::refusal(server.port, &authority, Some(&expired)).await;
    assert!(said.contains("CertificateExpired"), "{said}");
    log.says("has expired or is not valid yet; renew it").await;
}

#[tokio::test]
async fn nobody_waits_for_a_caller_that_says_nothing() {
    let authority = Authority::new();
    let server = Server::start(Some(of(&authority)));
    let idle = tokio::net::TcpStream::connect(("127.0.0.1", server.port)).await;
    ask(server.port, Some(&of(&authority))).await.unwrap();
    drop(idle);
}
