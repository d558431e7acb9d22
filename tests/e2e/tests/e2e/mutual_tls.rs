//! A whole installation whose parts know each other by certificate, and what those read that do not belong to it.

use std::path::Path;
use std::time::{Duration, Instant};

use orb_e2e::{Environment, OrbProcess, Party, Roles, Setting, Surroundings, Title, until};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, KeyUsagePurpose};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const GUILD: u64 = 111;

/// For anything that opens a file and starts an encoder, on a busy machine.
const SOON: Duration = Duration::from_secs(15);

const FIX: &str = "set ORB_TLS__CA, ORB_TLS__CERT and ORB_TLS__KEY";

type Issuer = CertifiedIssuer<'static, KeyPair>;

fn authority(name: &str) -> Issuer {
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.distinguished_name.push(rcgen::DnType::CommonName, name);
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    CertifiedIssuer::self_signed(ca, KeyPair::generate().unwrap()).unwrap()
}

/// Writes the three files, and names them; gives the key's first line, for it must be found nowhere.
fn issue(authority: &Issuer, folder: &Path, environment: &Environment) -> (Environment, String) {
    std::fs::create_dir_all(folder).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["orb-stream".to_owned()]).unwrap();
    let leaf = leaf.signed_by(&key, authority).unwrap();
    let mut environment = environment.clone();
    let files = [
        ("ORB_TLS__CA", "ca.crt", authority.pem()),
        ("ORB_TLS__CERT", "tls.crt", leaf.pem()),
        ("ORB_TLS__KEY", "tls.key", key.serialize_pem()),
    ];
    for (variable, name, pem) in files {
        let path = folder.join(name);
        std::fs::write(&path, pem).unwrap();
        environment.set(variable, path.display().to_string());
    }
    let secret = key.serialize_pem().lines().nth(1).unwrap().to_owned();
    (environment, secret)
}

async fn says(process: &OrbProcess, words: &str) {
    until(&format!("{words:?} in a log"), SOON, async || {
        process.log().contains(words).then_some(())
    })
    .await;
}

/// Where the worker's watch output is, as it says.
fn media_addr(worker: &OrbProcess) -> String {
    let log = worker.log();
    let line = log.lines().find(|line| line.contains("media listens"));
    let (_, addr) = line.unwrap().split_once("addr=").unwrap();
    addr.split_whitespace().next().unwrap().to_owned()
}

/// What a port answers to HTTP without TLS.
async fn plainly(addr: &str) -> String {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    let request = b"GET /healthz HTTP/1.0\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_film_is_heard_and_seen_and_strangers_are_told_why_not() {
    let surroundings = Surroundings::start(Setting::default()).await;
    let ours = authority("ours");
    let bare = surroundings.environment();
    let folder = surroundings.folder.path().join("tls");
    let (environment, secret) = issue(&ours, &folder, &bare);
    let mut roles = Roles::start_with(surroundings, environment).await;

    let party = Party::create(&roles.api, GUILD).await;
    party.play_title(&roles.surroundings, Title::Clock).await;
    let ears = party.ears(&roles.surroundings.discord);
    ears.seconds(Instant::now(), 2, SOON).await;

    let path = format!("/api/v1/parties/{}/watch-links", party.id());
    let link = roles.api.post(&path, &json!({})).await.expect_code(201);
    let link = link.text_of("url").to_owned();
    let viewer = roles.api.with_token(None);
    let segment = until("a segment", SOON, async || {
        let playlist = viewer.bytes(&format!("{link}/index.m3u8")).await?;
        let playlist = String::from_utf8(playlist).unwrap();
        // What is no tag is a segment.
        let file = playlist.lines().find(|line| !line.starts_with('#'))?;
        viewer.bytes(&format!("{link}/{file}")).await
    })
    .await;
    assert_eq!(&segment[4..8], b"styp", "a fragment of MP4");

    let media = plainly(&media_addr(&roles.worker)).await;
    assert!(!media.contains("HTTP/1."), "{media}");

    // A worker that was given no certificates.
    let scheduler = roles.scheduler.grpc_addr().await;
    let stranger = bare.with("ORB_WORKER_ID", "stranger");
    let to = |scheme: &str| format!("{scheme}://{scheduler}");
    let plain = stranger.clone().with("ORB_SCHEDULER_URL", to("http"));
    let plain = OrbProcess::start("worker", &plain);
    says(&plain, &format!("it takes TLS only; {FIX} here")).await;
    says(
        &roles.scheduler,
        &format!("it does not speak TLS; {FIX} there"),
    )
    .await;

    // And one of another installation, which trusts ours.
    let theirs = authority("theirs");
    let folder = roles.surroundings.folder.path().join("theirs");
    let (environment, _) = issue(&theirs, &folder, &stranger);
    let both = format!("{}{}", theirs.pem(), ours.pem());
    std::fs::write(folder.join("ca.crt"), both).unwrap();
    let foreign = environment.with("ORB_SCHEDULER_URL", to("https"));
    let foreign = OrbProcess::start("worker", &foreign);
    says(&foreign, "it does not know the authority that signed").await;
    says(
        &roles.scheduler,
        "not signed by an authority in the ORB_TLS__CA",
    )
    .await;

    for process in [&roles.scheduler, &roles.worker, &roles.gateway] {
        assert!(!process.log().contains(&secret), "no key in a log");
    }
    let attached = roles.scheduler.log().matches("worker attached").count();
    assert_eq!(attached, 1, "{}", roles.scheduler.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_are_renewed_while_it_plays() {
    let surroundings = Surroundings::start(Setting::default()).await;
    let (old, new) = (authority("old"), authority("new"));
    let bare = surroundings.environment();
    let folder = surroundings.folder.path().join("tls");
    let (environment, _) = issue(&old, &folder, &bare);
    let mut roles = Roles::start_with(surroundings, environment).await;
    let party = Party::create(&roles.api, GUILD).await;
    party.play_title(&roles.surroundings, Title::Clock).await;

    issue(&new, &folder, &bare);
    // The next worker has but the new ones: the scheduler has to take them.
    roles.worker.kill().await;
    roles.start_worker_again();
    says(&roles.scheduler, "certificates were renewed").await;
    let ears = party.ears(&roles.surroundings.discord);
    ears.seconds(Instant::now(), 2, SOON).await;
    // And so has the gateway, to fetch from it.
    let path = format!("/api/v1/parties/{}/watch-links", party.id());
    let link = roles.api.post(&path, &json!({})).await.expect_code(201);
    let playlist = format!("{}/index.m3u8", link.text_of("url"));
    let viewer = roles.api.with_token(None);
    until("the playlist", SOON, async || viewer.bytes(&playlist).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mistake_is_named_at_start() {
    let surroundings = Surroundings::start(Setting::default()).await;
    let bare = surroundings.environment();
    let bare = bare.with("ORB_SCHEDULER_URL", "https://127.0.0.1:9");
    let folder = surroundings.folder.path().join("tls");
    let ours = authority("ours");
    let (whole, secret) = issue(&ours, &folder, &bare);
    let (_, other) = issue(&ours, &surroundings.folder.path().join("other"), &bare);
    let other_key = surroundings.folder.path().join("other/tls.key");
    let table = [
        (
            whole.clone().without("ORB_TLS__KEY"),
            "ORB_TLS__KEY (tls.key in the file)",
        ),
        (
            whole.clone().with("ORB_TLS__CERT", "/nowhere/tls.crt"),
            "ORB_TLS__CERT: cannot read",
        ),
        (
            whole
                .clone()
                .with("ORB_TLS__KEY", other_key.display().to_string()),
            "ORB_TLS__KEY: the key in",
        ),
        (
            whole.clone().with("ORB_TLS__SERVER_NAME", "elsewhere"),
            "ORB_TLS__SERVER_NAME",
        ),
        (
            whole.with("ORB_SCHEDULER_URL", "http://127.0.0.1:9"),
            "write https://",
        ),
    ];
    for (environment, words) in table {
        let mut worker = OrbProcess::start("worker", &environment);
        let ended = worker.ended(SOON).await;
        let said = worker.all_printed();
        assert_eq!(ended.code(), Some(64), "{said}");
        assert!(said.contains(words), "no {words:?} in: {said}");
        assert!(!said.contains(&secret) && !said.contains(&other), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_port_without_certificates_is_warned_of_once() {
    let surroundings = Surroundings::start(Setting::default()).await;
    let environment = surroundings.environment();
    let open = environment.clone().with("ORB_GRPC_ADDR", "0.0.0.0:0");
    for (environment, warnings) in [(open, 1), (environment, 0)] {
        let mut scheduler = OrbProcess::start("scheduler", &environment);
        scheduler.grpc_addr().await;
        says(&scheduler, "leading").await;
        let log = scheduler.log();
        assert_eq!(log.matches("without TLS").count(), warnings, "{log}");
    }
}
