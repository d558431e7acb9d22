//! Keys and tokens stay where they were given: in no command line, no log, no answer, no stored event.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use discord_sim::{Fault as DiscordFault, GuildId};
use jellyfin_sim::{Fault, FaultKind, Scope};
use orb_e2e::{
    API_TOKEN, Answer, Api, BOT_TOKEN, Environment, Installation, JELLYFIN_KEY, OrbProcess, Party,
    Roles, SECOND_API_TOKEN, Setting, Surroundings, Title, command_lines, entry, until,
};
use serde_json::json;
use sqlx::Connection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};

const GUILD: u64 = 111;

/// For anything that opens a file and starts an encoder, on a busy machine.
const SOON: Duration = Duration::from_secs(15);

/// A key that only ever stands in URLs which are refused or of no use.
const USELESS_KEY: &str = "e2euselesskey9f8e7d6c5b4a";

/// Tokens that nobody has.
const WRONG_TOKEN: &str = "e2e-wrong-token-d3Jvbmc";

const SECRETS: [&str; 6] = [
    API_TOKEN,
    SECOND_API_TOKEN,
    BOT_TOKEN,
    JELLYFIN_KEY,
    USELESS_KEY,
    WRONG_TOKEN,
];

/// The first secret in a text.
fn secret_in(text: &str) -> Option<&'static str> {
    SECRETS.into_iter().find(|secret| text.contains(secret))
}

#[track_caller]
fn assert_clean(what: &str, text: &str) {
    let leak = text.lines().find(|line| secret_in(line).is_some());
    assert_eq!(leak, None, "a secret in {what}");
}

/// Looks at all processes of the machine again and again, for some live only for milliseconds.
struct Sentry {
    over: Arc<AtomicBool>,
    seen: JoinHandle<BTreeSet<String>>,
}

impl Sentry {
    fn start() -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&over);
        let seen = std::thread::spawn(move || {
            let mut seen = BTreeSet::new();
            while !ends.load(Ordering::Relaxed) {
                seen.extend(command_lines());
                std::thread::sleep(Duration::from_millis(4));
            }
            seen
        });
        Self { over, seen }
    }

    fn seen(self) -> BTreeSet<String> {
        self.over.store(true, Ordering::Relaxed);
        self.seen.join().unwrap()
    }
}

/// All that a party can go through in half a minute. Gives every answer that there was.
async fn a_full_life(api: &Api, surroundings: &Surroundings) -> Vec<Answer> {
    let mut answers = Vec::new();
    let party = Party::create(api, GUILD).await;
    let jellyfin = &surroundings.jellyfin;
    let play = party.path("play");
    let control = party.path("control");

    // Refused, with secrets in what is refused.
    let elsewhere = format!("http://elsewhere.example.org/film?api_key={USELESS_KEY}");
    for bad in [
        elsewhere.clone(),
        format!("file:///film?ApiKey={USELESS_KEY}"),
        format!("http://user:{USELESS_KEY}@127.0.0.1/film"),
        format!("{USELESS_KEY} is no url"),
    ] {
        let mut body = entry(surroundings, 1, Title::Clock);
        body["playback"]["streamUrl"] = json!(bad);
        answers.push(api.post(&play, &body).await);
    }
    let half = format!("{{\"streamUrl\":\"http://h/?ApiKey={USELESS_KEY}\",");
    answers.push(api.post_with(&play, half, &[]).await);
    answers.push(api.with_token(Some(WRONG_TOKEN)).get("/sessions/1").await);
    let query = format!("/sessions/1?token={USELESS_KEY}&ApiKey={USELESS_KEY}");
    answers.push(api.get(&query).await);

    // Played, copied and transcoded, with every control.
    for (id, title) in (2..).zip([Title::Clock, Title::TenBit]) {
        answers.push(api.post(&play, &entry(surroundings, id, title)).await);
        answers.push(party.becomes("playing", SOON).await);
        answers.push(party.seek(50.0).await);
        for action in ["pause", "resume"] {
            answers.push(party.control(action).await);
        }
        let link = format!("/api/v1/parties/{}/watch-links", party.id());
        let link = api.post(&link, &json!({})).await.expect_code(201);
        let viewer = api.with_token(None);
        for path in ["", "/state", "/index.m3u8", "/run/none.m4s"] {
            let url = format!("{}{path}", link.text_of("url"));
            answers.push(viewer.get(&url).await);
        }
        answers.push(api.get("/api/v1/parties").await);
    }
    let closed = DiscordFault::CloseVoice {
        guild: GuildId(GUILD),
        user: None,
        code: 4006,
    };
    surroundings.discord.fault(&closed).unwrap();
    let lost = Instant::now();
    let ears = party.ears(&surroundings.discord);
    ears.seconds(lost, 2, SOON).await;

    // Every way that a source can fail.
    let to = format!("http://127.0.0.1:9/film?ApiKey={USELESS_KEY}");
    let faults = [
        FaultKind::Status { status: 401 },
        FaultKind::Status { status: 500 },
        FaultKind::NotMedia,
        FaultKind::Reset { after_bytes: None },
        FaultKind::Redirect { to },
    ];
    for (id, kind) in (10..).zip(faults) {
        jellyfin.clear_faults();
        jellyfin.fault(Fault::new(kind)).unwrap();
        answers.push(
            api.post(&play, &entry(surroundings, id, Title::Clock))
                .await,
        );
        answers.push(party.becomes("ended", SOON).await);
    }
    jellyfin.clear_faults();
    let gone = Fault::new(FaultKind::Status { status: 404 }).scope(Scope::Stream);
    jellyfin.fault(gone).unwrap();
    answers.push(
        api.post(&play, &entry(surroundings, 20, Title::Clock))
            .await,
    );
    answers.push(party.becomes("playing", SOON).await);
    for action in ["skip", "stop"] {
        answers.push(api.post(&control, &json!({ "action": action })).await);
    }
    answers
}

/// Texts of all stored events.
async fn stored_events(surroundings: &Surroundings) -> Vec<String> {
    let options = SqliteConnectOptions::new()
        .filename(surroundings.database())
        .read_only(true);
    let mut database = SqliteConnection::connect_with(&options).await.unwrap();
    let rows: Vec<(String, String)> =
        sqlx::query_as("SELECT event_type, payload_json FROM watch_party_events")
            .fetch_all(&mut database)
            .await
            .unwrap();
    rows.into_iter()
        .map(|(kind, payload)| format!("{kind} {payload}"))
        .collect()
}

/// The database's files as they lie on the disk: who gets a copy of them gets no key.
fn assert_sealed(surroundings: &Surroundings) {
    let database = surroundings.database();
    for suffix in ["", "-wal", "-journal"] {
        let mut file = database.clone().into_os_string();
        file.push(suffix);
        let Ok(bytes) = std::fs::read(&file) else {
            continue;
        };
        for secret in SECRETS {
            let found = bytes
                .windows(secret.len())
                .any(|window| window == secret.as_bytes());
            assert!(!found, "{secret} stands in {}", file.display());
        }
    }
}

async fn assert_all_clean(
    surroundings: &Surroundings,
    answers: &[Answer],
    command_lines: &BTreeSet<String>,
    logs: &[(&str, String)],
) {
    let of_ffmpeg = |line: &&String| line.contains("ffmpeg") || line.contains("ffprobe");
    println!(
        "{} command lines, {} of ffmpeg and ffprobe; {} answers",
        command_lines.len(),
        command_lines.iter().filter(of_ffmpeg).count(),
        answers.len(),
    );
    assert!(command_lines.iter().filter(of_ffmpeg).count() >= 4);
    for line in command_lines {
        assert_clean("a command line", line);
    }
    for answer in answers {
        assert_clean("an answer", &answer.text);
    }
    for (process, log) in logs {
        println!("{process}: {} lines of log", log.lines().count());
        assert!(log.contains("DEBUG"), "{process} logs at debug level");
        assert_clean(&format!("the log of orb {process}"), log);
    }
    let events = stored_events(surroundings).await;
    println!("{} events", events.len());
    assert!(events.len() >= 10);
    for event in &events {
        assert_clean("an event", event);
        assert!(!event.contains("://"), "a URL in an event: {event}");
    }
    assert_sealed(surroundings);
}

async fn surroundings() -> (Surroundings, Environment) {
    let titles = [Title::Clock, Title::TenBit];
    let surroundings = Surroundings::start(Setting::with(&titles)).await;
    let environment = surroundings.environment().with("ORB_LOG", "debug");
    (surroundings, environment)
}

#[tokio::test(flavor = "multi_thread")]
async fn of_orb_up_are_nowhere() {
    let (surroundings, environment) = surroundings().await;
    let sentry = Sentry::start();
    let mut orb = Installation::up_with(surroundings, environment).await;
    let answers = a_full_life(&orb.api, &orb.surroundings).await;
    orb.orb.terminate();
    orb.orb.ended(SOON).await;
    let logs = [("up", orb.orb.all_printed())];
    assert_all_clean(&orb.surroundings, &answers, &sentry.seen(), &logs).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_the_roles_are_nowhere() {
    let (surroundings, environment) = surroundings().await;
    let sentry = Sentry::start();
    let mut roles = Roles::start_with(surroundings, environment).await;
    let answers = a_full_life(&roles.api, &roles.surroundings).await;
    for process in [&mut roles.gateway, &mut roles.worker, &mut roles.scheduler] {
        process.terminate();
        process.ended(SOON).await;
    }
    let logs = [
        ("gateway", roles.gateway.all_printed()),
        ("worker", roles.worker.all_printed()),
        ("scheduler", roles.scheduler.all_printed()),
    ];
    assert_all_clean(&roles.surroundings, &answers, &sentry.seen(), &logs).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_configuration_that_is_refused_are_not_printed() {
    let (surroundings, environment) = surroundings().await;
    for (name, value, code) in [
        (
            "ORB_DATABASE_URL",
            format!("mysql://orb:{USELESS_KEY}@h/orb"),
            64,
        ),
        (
            "ORB_JELLYFIN_URL",
            format!("http://orb:{USELESS_KEY}@h/"),
            64,
        ),
        ("ORB_JELLYFIN__REWRITE", format!("http://{USELESS_KEY}"), 64),
        ("ORB_DISCORD_API_URL", format!("ftp://{USELESS_KEY}"), 64),
        ("ORB_LOG__FORMAT", "neither".to_owned(), 64),
    ] {
        let environment = environment.clone().with(name, value);
        let mut orb = OrbProcess::start("up", &environment);
        let ended = orb.ended(SOON).await;
        let printed = orb.all_printed();
        assert_eq!(ended.code(), Some(code), "{name}: {printed}");
        println!("{printed}");
        assert!(printed.contains(name), "it names the variable: {printed}");
        assert_clean(name, &printed);
    }
    drop(surroundings);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_database_that_is_away_are_not_printed() {
    let (surroundings, environment) = surroundings().await;
    let away = format!("postgres://orb:{USELESS_KEY}@127.0.0.1:1/orb");
    let mut orb = OrbProcess::start("up", &environment.with("ORB_DATABASE_URL", away));
    until("the log to name the variable", SOON, async || {
        orb.log().contains("ORB_DATABASE_URL").then_some(())
    })
    .await;
    orb.terminate();
    assert_eq!(orb.ended(SOON).await.code(), Some(0));
    assert_clean("a database that is away", &orb.all_printed());
    drop(surroundings);
}
