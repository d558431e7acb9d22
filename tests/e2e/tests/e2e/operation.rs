//! What an operator sees of each role: whether it lives, whether it is ready, what it counts. All of it without a token.

use std::time::{Duration, Instant};

use orb_e2e::{
    API_TOKEN, Api, BOT_TOKEN, JELLYFIN_KEY, Party, Roles, Scrape, Setting, Surroundings, Title,
    until,
};

const GUILD: u64 = 98_761;

/// For anything that opens a file and starts an encoder, on a busy machine.
const SOON: Duration = Duration::from_secs(15);

/// To a role's probes, as kubelet comes: with no credentials.
struct Faces {
    scheduler: Api,
    worker: Api,
    gateway: Api,
}

impl Faces {
    async fn of(roles: &mut Roles) -> Self {
        let face = |addr| Api::new(addr, "").with_token(None);
        Self {
            scheduler: face(roles.scheduler.http_addr().await),
            worker: face(roles.worker.media_addr().await),
            gateway: face(roles.gateway.http_addr().await),
        }
    }

    fn all(&self) -> [&Api; 3] {
        [&self.scheduler, &self.worker, &self.gateway]
    }
}

async fn becomes(face: &Api, path: &str, code: u16) {
    until(&format!("{path} to be {code}"), SOON, async || {
        (face.get(path).await.code == code).then_some(())
    })
    .await;
}

async fn shows(face: &Api, sample: &str, value: f64) -> Scrape {
    until(sample, SOON, async || {
        let scrape = Scrape::of(face).await;
        (scrape.value(sample) == Some(value)).then_some(scrape)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn each_role_says_what_it_does_and_no_secret() {
    let surroundings = Surroundings::start(Setting::default()).await;
    let mut roles = Roles::start(surroundings).await;
    let faces = Faces::of(&mut roles).await;
    for face in faces.all() {
        becomes(face, "/healthz", 200).await;
        becomes(face, "/readyz", 200).await;
    }
    let party = Party::playing(&roles.api, &roles.surroundings, GUILD).await;
    party.seek(1_000_000.0).await.expect_code(422);

    let playing = r#"orb_worker_sessions{state="playing"}"#;
    let worker = shows(&faces.worker, playing, 1.0).await;
    // What a session sent is counted with its reports, a moment after it was heard.
    let sent = r#"orb_worker_frames_total{outcome="sent"}"#;
    until("two seconds of sound to be counted", SOON, async || {
        let scrape = Scrape::of(&faces.worker).await;
        (scrape.value(sent)? >= 100.0).then_some(())
    })
    .await;
    assert_eq!(worker.value("orb_worker_attached"), Some(1.0));
    assert_eq!(worker.value("orb_worker_draining"), Some(0.0));

    let playing = r#"orb_scheduler_sessions{state="playing"}"#;
    let scheduler = shows(&faces.scheduler, playing, 1.0).await;
    let alive = r#"orb_scheduler_workers{state="alive"}"#;
    assert_eq!(scheduler.value(alive), Some(1.0));
    assert_eq!(scheduler.value("orb_scheduler_leading"), Some(1.0));
    assert!(scheduler.value("orb_scheduler_leader_epoch").unwrap() >= 1.0);
    let granted = r#"orb_scheduler_leases_granted_total{cause="placed"}"#;
    assert!(scheduler.value(granted).unwrap() >= 1.0);
    let refused = r#"orb_scheduler_calls_refused_total{code="seek_out_of_range"}"#;
    assert_eq!(scheduler.value(refused), Some(1.0), "{}", scheduler.text());

    let gateway = Scrape::of(&faces.gateway).await;
    let created = r#"orb_http_requests_total{method="POST",route="/sessions",status="201"}"#;
    assert_eq!(gateway.value(created), Some(1.0));

    let told = [worker, scheduler, gateway].map(|one| one.text().to_owned());
    let guild = GUILD.to_string();
    let stream = roles.surroundings.stream_url(Title::Clock);
    for secret in [
        API_TOKEN,
        BOT_TOKEN,
        JELLYFIN_KEY,
        party.id(),
        &guild,
        &stream,
        "http://",
    ] {
        assert!(!told.concat().contains(secret), "{secret} is in a scrape");
    }

    // What is of a session goes with it.
    party.control("stop").await.expect_code(200);
    shows(
        &faces.worker,
        r#"orb_worker_sessions{state="playing"}"#,
        0.0,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_without_a_leader_and_one_that_drains_are_not_ready() {
    let surroundings = Surroundings::start(Setting::default()).await;
    let mut roles = Roles::start(surroundings).await;
    let faces = Faces::of(&mut roles).await;
    becomes(&faces.worker, "/readyz", 200).await;

    roles.scheduler.kill().await;
    becomes(&faces.worker, "/readyz", 503).await;
    becomes(&faces.worker, "/healthz", 200).await;
    roles.start_scheduler_again().await;
    becomes(&faces.worker, "/readyz", 200).await;

    // Nobody could take its party over: it drains for as long as it may.
    let party = Party::playing(&roles.api, &roles.surroundings, GUILD).await;
    roles.worker.terminate();
    becomes(&faces.worker, "/readyz", 503).await;
    let since = Instant::now();
    party
        .ears(&roles.surroundings.discord)
        .sound(since, SOON)
        .await;
    let scrape = Scrape::of(&faces.worker).await;
    assert_eq!(scrape.value("orb_worker_draining"), Some(1.0));
}
