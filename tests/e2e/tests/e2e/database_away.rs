//! What Orb needs is away: at its start, and in the middle of a film.

use std::time::{Duration, Instant};

use discord_sim::RecordEvent;
use orb_cluster::{Etcd, Postgres, free_port};
use orb_e2e::{API_TOKEN, Api, OrbProcess, Party, Roles, Setting, Surroundings, until};

const GUILD: u64 = 111;

/// For anything that starts, on a busy machine; more than the longest pause between two tries.
const SOON: Duration = Duration::from_secs(20);

/// The database is away for so long in the middle of a film: longer than the leader waits before it steps down.
const AWAY: Duration = Duration::from_secs(8);

async fn says(process: &OrbProcess, line: &str) {
    until(&format!("'{line}' in a log"), SOON, async || {
        process.log().contains(line).then_some(())
    })
    .await;
}

/// With a password, which nobody may ever read in a log.
fn with_password(postgres: &Postgres) -> String {
    postgres.url().replace("postgres@", "postgres:hunter2@")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_away_at_the_start_is_waited_for() {
    let surroundings = Surroundings::start(Setting::default()).await;
    let mut postgres = Postgres::start().await.unwrap();
    postgres.stop().await.unwrap();
    let environment = surroundings
        .environment()
        .with("ORB_DATABASE_URL", with_password(&postgres));
    let mut orb = OrbProcess::start("up", &environment);
    let api = Api::new(orb.http_addr().await, API_TOKEN);
    says(&orb, "the database is away").await;
    let log = orb.log();
    let place = format!("127.0.0.1:{}", postgres.port());
    for said in [place.as_str(), "ORB_DATABASE_URL", "store_unavailable"] {
        assert!(log.contains(said), "{said}: {log}");
    }
    assert!(!log.contains("hunter2"), "{log}");
    assert_eq!(api.get("/readyz").await.code, 503);
    assert_eq!(api.get("/healthz").await.code, 200, "it lives");

    postgres.run().await.unwrap();
    until("/readyz to be 200", SOON, async || {
        (api.get("/readyz").await.code == 200).then_some(())
    })
    .await;
    says(&orb, "the database is back").await;
    Party::create(&api, GUILD).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_etcd_that_is_away_at_the_start_is_waited_for() {
    let surroundings = Surroundings::start(Setting::default()).await;
    let mut etcd = Etcd::start().await.unwrap();
    etcd.crash().unwrap();
    let postgres = Postgres::start().await.unwrap();
    let environment = surroundings
        .environment()
        .with("ORB_ETCD_ENDPOINTS", etcd.endpoint())
        .with("ORB_WORKER_ID", "worker-1");
    let shared = environment
        .clone()
        .with("ORB_DATABASE_URL", postgres.url())
        .with(
            "ORB_GRPC_ADDR",
            format!("127.0.0.1:{}", free_port().unwrap()),
        );
    let scheduler = OrbProcess::start("scheduler", &shared);
    let worker = OrbProcess::start("worker", &environment);
    let mut gateway = OrbProcess::start("gateway", &environment);
    let api = Api::new(gateway.http_addr().await, API_TOKEN);
    says(&scheduler, "cannot campaign now").await;
    says(&scheduler, "ORB_ETCD_ENDPOINTS").await;
    let body = Party::known(&api, GUILD).create_body();
    let answer = api.post("/sessions", &body).await;
    answer.expect_problem(503, "scheduler_unavailable");
    assert!(answer.retry_after.is_some());

    etcd.run().await.unwrap();
    says(&scheduler, "leading").await;
    says(&scheduler, "worker attached").await;
    let party = Party::create(&api, GUILD).await;
    party.play_title(&surroundings, orb_e2e::Title::Clock).await;
    drop(worker);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_does_not_exist_is_final() {
    let surroundings = Surroundings::start(Setting::default()).await;
    let postgres = Postgres::start().await.unwrap();
    let url = with_password(&postgres).replace("/postgres", "/nothing");
    let environment = surroundings.environment().with("ORB_DATABASE_URL", url);
    for role in ["up", "scheduler"] {
        let mut orb = OrbProcess::start(role, &environment);
        let ended = orb.ended(SOON).await;
        let printed = orb.all_printed();
        assert_eq!(ended.code(), Some(1), "{role}: {printed}");
        assert!(printed.contains("check ORB_DATABASE_URL"), "{printed}");
        assert!(!printed.contains("hunter2"), "{printed}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn parties_play_on_while_the_database_is_away() {
    let surroundings = Surroundings::start(Setting::default()).await;
    let mut postgres = Postgres::start().await.unwrap();
    let environment = surroundings
        .environment()
        .with("ORB_DATABASE_URL", with_password(&postgres));
    let roles = Roles::start_with(surroundings, environment).await;
    let party = Party::playing(&roles.api, &roles.surroundings, GUILD).await;
    let began = Instant::now();
    postgres.stop().await.unwrap();
    let other = Party::known(&roles.api, GUILD + 1);
    let mut refused = 0;
    while began.elapsed() < AWAY {
        let answer = roles.api.post("/sessions", &other.create_body()).await;
        answer.expect_problem(503, "scheduler_unavailable");
        let after: u64 = answer.retry_after.unwrap().parse().unwrap();
        assert!((1..=60).contains(&after), "{after}");
        refused += 1;
    }
    println!("{refused} calls were refused");
    postgres.run().await.unwrap();
    Party::create(&roles.api, GUILD + 1).await;

    let ears = party.ears(&roles.surroundings.discord);
    ears.seconds(Instant::now(), 2, SOON).await;
    ears.assert_unbroken(began);
    party.becomes("playing", SOON).await;
    party.control("pause").await.expect_code(200);
    party.control("resume").await.expect_code(200);
    let record = roles.surroundings.discord.record();
    let dials = record.iter().filter(|entry| {
        matches!(&entry.event, RecordEvent::VoiceIdentify { guild, .. } if guild.0 == GUILD)
    });
    assert_eq!(dials.count(), 1, "no second voice connection");
    assert!(!roles.scheduler.log().contains("hunter2"));
}
