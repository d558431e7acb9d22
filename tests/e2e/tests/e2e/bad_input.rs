//! Input that is refused, and sources that are allowed: every bad call is named, and nothing is lost.

use std::time::Duration;

use jellyfin_sim::{Fault, FaultKind, Scope};
use orb_e2e::{Answer, Installation, JELLYFIN_KEY, Party, Setting, Surroundings, Title, entry};
use serde_json::{Value, json};

/// For anything that opens a file and starts an encoder, on a busy machine.
const SOON: Duration = Duration::from_secs(10);

async fn orb() -> Installation {
    Installation::up(Surroundings::start(Setting::with(&[Title::Clock, Title::LongGop])).await)
        .await
}

/// A refusal of bad input: 4xx problem+json with a code, and the field where there is one at fault.
#[track_caller]
fn assert_names(answer: &Answer, status: u16, field: &str) {
    let code = answer.body["code"].as_str().unwrap_or_default().to_owned();
    assert!(!code.is_empty(), "answer: {}", answer.text);
    answer.expect_problem(status, &code);
    assert_eq!(answer.body["field"], field, "answer: {}", answer.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_is_named_and_changes_nothing() {
    let orb = orb().await;
    let party = Party::create(&orb.api, 111).await;
    party.play_title(&orb.surroundings, Title::Clock).await;
    let before = party.status().await.settled();

    let create = json!({
        "sessionId": "1", "guildId": "2", "voiceChannelId": "3", "textChannelId": "4",
    });
    for field in ["sessionId", "guildId", "voiceChannelId", "textChannelId"] {
        for bad in [json!(null), json!(5), json!(["1"]), json!({}), json!("")] {
            let mut body = create.clone();
            body[field] = bad;
            assert_names(&orb.api.post("/sessions", &body).await, 422, field);
        }
    }
    let play = entry(&orb.surroundings, 2, Title::LongGop);
    let cases = [
        ("queueEntryId", json!(null), "queueEntryId"),
        ("queueEntryId", json!("twelve"), "queueEntryId"),
        ("queueEntryId", json!(1.5), "queueEntryId"),
        ("playback", json!(null), "playback"),
        ("playback", json!("film"), "playback"),
    ];
    for (name, bad, field) in cases {
        let mut body = play.clone();
        body[name] = bad;
        assert_names(&party.play(&body).await, 422, field);
    }
    let inner = [
        ("streamUrl", json!(null)),
        ("streamUrl", json!(7)),
        ("streamUrl", json!("")),
        ("downloadUrl", json!(7)),
        ("durationSeconds", json!(-1)),
        ("durationSeconds", json!("long")),
        ("itemId", json!(7)),
    ];
    for (name, bad) in inner {
        let mut body = play.clone();
        body["playback"][name] = bad;
        assert_names(&party.play(&body).await, 422, &format!("playback.{name}"));
    }
    let control = party.path("control");
    for (body, field) in [
        (json!({}), "action"),
        (json!({"action": "dance"}), "action"),
        (json!({"action": 3}), "action"),
        (json!({"action": "seek"}), "positionSeconds"),
        (
            json!({"action": "seek", "positionSeconds": "soon"}),
            "positionSeconds",
        ),
        (
            json!({"action": "seek", "positionSeconds": -1}),
            "positionSeconds",
        ),
        (
            json!({"action": "seek", "positionSeconds": 121}),
            "positionSeconds",
        ),
        (
            json!({"action": "seek", "positionSeconds": 1e300}),
            "positionSeconds",
        ),
    ] {
        assert_names(&orb.api.post(&control, &body).await, 422, field);
    }
    for path in ["/sessions".to_owned(), party.path("play"), control] {
        for (body, status) in [
            ("", 400),
            ("  ", 400),
            ("{", 400),
            ("[]", 422),
            ("null", 422),
        ] {
            let answer = orb.api.post_with(&path, body.to_owned(), &[]).await;
            assert_eq!(answer.code, status, "{path} {body}: {}", answer.text);
            assert_eq!(answer.content_type, "application/problem+json");
        }
        let large = format!("{{\"x\":\"{}\"}}", "x".repeat(10 * 1024 * 1024));
        let answer = orb.api.post_with(&path, large, &[]).await;
        answer.expect_problem(413, "body_too_large");
    }
    assert_eq!(party.status().await.settled(), before, "nothing was lost");
}

#[tokio::test(flavor = "multi_thread")]
async fn sources_are_checked() {
    let orb = orb().await;
    let party = Party::create(&orb.api, 111).await;
    let port_of = |address: &str| address.rsplit(':').next().unwrap().to_owned();
    let port = port_of(orb.api.base());
    let here = orb.surroundings.jellyfin.base_url().replace("http://", "");
    let bad = [
        ("file:///etc/passwd".to_owned(), "source_invalid"),
        ("concat:/etc/passwd|/etc/hosts".to_owned(), "source_invalid"),
        ("/etc/passwd".to_owned(), "source_invalid"),
        ("data:text/plain,x".to_owned(), "source_invalid"),
        (
            format!("http://user:secret@{here}/Videos/1/stream"),
            "source_invalid",
        ),
        ("http://169.254.169.254/".to_owned(), "source_not_allowed"),
        (
            "http://169.254.169.254/latest/meta-data".to_owned(),
            "source_not_allowed",
        ),
        (
            format!("http://127.0.0.1:{port}/healthz"),
            "source_not_allowed",
        ),
        (
            format!("https://{here}/Videos/1/stream"),
            "source_not_allowed",
        ),
        (
            format!("http://127.0.0.1.example.org:{}/x", port_of(&here)),
            "source_not_allowed",
        ),
        ("http://[::1]/x".to_owned(), "source_not_allowed"),
    ];
    for (url, code) in &bad {
        for field in ["streamUrl", "downloadUrl"] {
            let mut body = entry(&orb.surroundings, 1, Title::Clock);
            body["playback"][field] = json!(url);
            let answer = party.play(&body).await;
            answer.expect_problem(422, code);
            assert_eq!(answer.body["field"], format!("playback.{field}"));
            let detail = answer.text_of("detail");
            assert!(
                !detail.contains("item."),
                "the caller's own name of the field: {detail}"
            );
            assert!(!answer.text.contains("passwd") && !answer.text.contains("secret"));
        }
    }
    let status = party.status().await;
    assert_eq!(status.text_of("playbackState"), "idle", "{}", status.text);
    assert_eq!(status.body["lastError"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_redirects_elsewhere_is_not_followed() {
    let orb = orb().await;
    let elsewhere = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to = format!("http://{}/film", elsewhere.local_addr().unwrap());
    let jellyfin = &orb.surroundings.jellyfin;
    jellyfin
        .fault(Fault::new(FaultKind::Redirect { to }))
        .unwrap();

    let party = Party::create(&orb.api, 111).await;
    party.play(&entry(&orb.surroundings, 1, Title::Clock)).await;
    let failed = party.becomes("ended", SOON).await;
    assert_eq!(failed.text_of("endReason"), "failed", "{}", failed.text);
    println!("lastError: {}", failed.text_of("lastError"));
    failed.expect_status();
    let followed = tokio::time::timeout(Duration::from_millis(200), elsewhere.accept()).await;
    assert!(followed.is_err(), "nobody came to the other origin");

    // To the same origin it may lead.
    jellyfin.clear_faults();
    let to = orb.surroundings.download_url(Title::Clock);
    let redirect = Fault::new(FaultKind::Redirect { to }).scope(Scope::Stream);
    jellyfin.fault(redirect).unwrap();
    let mut body = entry(&orb.surroundings, 2, Title::Clock);
    body["playback"]["downloadUrl"] = Value::Null;
    party.play(&body).await;
    party.becomes("playing", SOON).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rewrite_makes_the_bots_address_reachable() {
    let surroundings = Surroundings::start(Setting::default()).await;
    let bots = "http://jellyfin.bot.internal:8096";
    let rule = format!("{bots}={}", surroundings.jellyfin.base_url());
    let environment = surroundings
        .environment()
        .with("ORB_JELLYFIN__REWRITE", rule);
    let orb = Installation::up_with(surroundings, environment).await;
    let party = Party::create(&orb.api, 111).await;
    let mut body = entry(&orb.surroundings, 1, Title::Clock);
    for field in ["streamUrl", "downloadUrl"] {
        let url = body["playback"][field].as_str().unwrap();
        body["playback"][field] = json!(url.replace(orb.surroundings.jellyfin.base_url(), bots));
    }
    party.play(&body).await;
    party.becomes("playing", SOON).await.expect_status();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_configured_origin_no_source_is_allowed() {
    let surroundings = Surroundings::start(Setting::default()).await;
    let environment = surroundings
        .environment()
        .without("ORB_JELLYFIN_URL")
        .without("ORB_JELLYFIN_API_KEY");
    let orb = Installation::up_with(surroundings, environment).await;
    let party = Party::create(&orb.api, 111).await;
    let answer = party.play(&entry(&orb.surroundings, 1, Title::Clock)).await;
    answer.expect_problem(422, "no_source_origin");
    assert!(answer.text_of("detail").contains("ORB_JELLYFIN_URL"));
    assert!(!answer.text.contains(JELLYFIN_KEY));
}
