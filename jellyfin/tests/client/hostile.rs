//! Servers that are wrong, ill, slow or somebody else.

use std::time::Duration;

use orb_jellyfin::Error;
use orb_jellyfin::client::{ItemQuery, JellyfinClient, JellyfinConfig, Timeouts};
use secrecy::SecretString;
use serde_json::json;
use tokio::time::{Instant, timeout};

use crate::fake::{Fake, KEY, Reply, movie, public_info};

/// What asking for an item comes to, on a server whose items are `reply`.
async fn asking(reply: impl Fn(usize) -> Reply + Send + Sync + 'static) -> (Fake, Error) {
    let fake = Fake::jellyfin(move |_, number| reply(number)).await;
    let error = fake.client().item("a1").await.unwrap_err();
    (fake, error)
}

#[track_caller]
fn assert_code(error: &Error, code: &str, retryable: bool) {
    assert_eq!(
        (error.code(), error.is_retryable()),
        (code, retryable),
        "{error}"
    );
    assert!(
        error.to_string().contains("; "),
        "it says what to do: {error}"
    );
}

#[tokio::test]
async fn a_wrong_key_is_said_at_once() {
    for status in [401, 403] {
        let fake = Fake::of(move |request, _| match request.path() {
            "/System/Info/Public" => public_info("10.11.11"),
            _ => Reply::Text(status, "X: y", ""),
        })
        .await;
        let error = fake
            .client()
            .items(&ItemQuery::search("x"))
            .await
            .unwrap_err();
        assert_code(&error, "jellyfin_key_refused", false);
        assert_eq!(fake.count("/Users"), 1, "not tried again");
        assert_eq!(fake.count("/Items"), 0);
    }
}

#[tokio::test]
async fn a_401_in_between_ends_that_call_only() {
    let fake = Fake::jellyfin(|_, number| match number {
        0 => Reply::Text(401, "X: y", ""),
        _ => movie("a1"),
    })
    .await;
    let client = fake.client();
    let error = client.item("a1").await.unwrap_err();
    assert_code(&error, "jellyfin_key_refused", false);
    assert_eq!(client.item("a1").await.unwrap().name, "Film");
}

#[tokio::test]
async fn what_is_not_there_is_named() {
    // 400: Jellyfin's answer to an id that is no GUID.
    for status in [404, 400] {
        let (fake, error) = asking(move |_| Reply::Text(status, "X: y", "no")).await;
        assert_eq!(error, Error::ItemNotFound { id: "a1".into() });
        assert_eq!(fake.count("/Items/a1"), 1);
    }
    let fake = Fake::jellyfin(|_, _| movie("a1")).await;
    for id in ["../Users", "a/b", "", "a?x=1"] {
        let error = fake.client().item(id).await.unwrap_err();
        assert_code(&error, "jellyfin_item_not_found", false);
    }
    assert_eq!(fake.requests().len(), 0, "nothing is asked for such ids");
}

#[tokio::test]
async fn a_server_that_stumbles_is_asked_again() {
    let fake = Fake::jellyfin(|_, number| match number {
        0 => Reply::Text(500, "X: y", "oops"),
        1 => Reply::Text(503, "Retry-After: 1", "starting"),
        _ => movie("a1"),
    })
    .await;
    let before = Instant::now();
    assert_eq!(fake.client().item("a1").await.unwrap().id, "a1");
    assert_eq!(fake.count("/Items/a1"), 3);
    assert!(
        before.elapsed() >= Duration::from_secs(1),
        "Retry-After is kept"
    );
}

#[tokio::test]
async fn a_server_that_stays_ill_is_given_up() {
    let (fake, error) = asking(|_| Reply::Text(500, "X: y", "oops")).await;
    assert_eq!(error, Error::ServerError { status: 500 });
    assert_code(&error, "jellyfin_server_error", true);
    assert_eq!(fake.count("/Items/a1"), 3);
}

#[tokio::test]
async fn who_asks_for_a_long_pause_is_not_waited_for() {
    let (fake, error) = asking(|_| Reply::Text(429, "Retry-After: 3600", "")).await;
    assert_eq!(error, Error::ServerError { status: 429 });
    assert_eq!(fake.count("/Items/a1"), 1);
}

#[tokio::test]
async fn other_refusals_are_final() {
    let (fake, error) = asking(|_| Reply::Text(405, "X: y", "")).await;
    assert_code(&error, "jellyfin_refused", false);
    assert_eq!(fake.count("/Items/a1"), 1);
}

#[tokio::test]
async fn a_server_that_is_off_is_unreachable() {
    let fake = Fake::of(|_, _| Reply::Silence).await;
    let client = fake.client();
    drop(fake);
    let error = client.version().await.unwrap_err();
    assert_code(&error, "jellyfin_unreachable", true);
    assert!(error.to_string().contains("cannot be reached"), "{error}");
}

#[tokio::test]
async fn a_silent_server_is_not_waited_for() {
    let fake = Fake::of(|_, _| Reply::Silence).await;
    let mut config = fake.config();
    config.timeouts = Timeouts {
        request: Duration::from_millis(100),
        total: Duration::from_millis(250),
        ..Timeouts::default()
    };
    let client = JellyfinClient::new(config).unwrap();
    // Only a bound that is not kept takes as long as this.
    let asked = timeout(Duration::from_secs(10), client.version()).await;
    let error = asked.expect("it gives up by itself").unwrap_err();
    assert_code(&error, "jellyfin_unreachable", true);
    assert!(error.to_string().contains("in time"), "{error}");
}

#[tokio::test]
async fn a_body_that_stops_coming_is_not_waited_for() {
    let head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{";
    let hang = |fake: &Fake| {
        let mut config = fake.config();
        config.timeouts.request = Duration::from_millis(100);
        config.timeouts.total = Duration::from_millis(250);
        JellyfinClient::new(config).unwrap()
    };
    let fake = Fake::of(|_, _| Reply::Stalled(head.to_vec())).await;
    let asked = timeout(Duration::from_secs(10), hang(&fake).version()).await;
    let error = asked.expect("it gives up by itself").unwrap_err();
    assert_code(&error, "jellyfin_unreachable", true);
}

#[tokio::test]
async fn an_answer_that_is_cut_off_is_asked_for_again() {
    let cut = || {
        let head =
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n";
        Reply::Raw(format!("{head}{{\"Id\": \"a1\", \"Na").into_bytes())
    };
    let (fake, error) = asking(move |_| cut()).await;
    assert_eq!(error, Error::AnswerTruncated);
    assert_eq!(fake.count("/Items/a1"), 3);

    let fake = Fake::jellyfin(move |_, n| if n == 0 { cut() } else { movie("a1") }).await;
    assert!(fake.client().item("a1").await.is_ok());

    // Cut off by a proxy that makes a whole answer of it.
    let json = "Content-Type: application/json";
    let (_, error) = asking(move |_| Reply::Text(200, json, "{\"Id\": \"a1\", \"Na")).await;
    assert_code(&error, "jellyfin_answer_truncated", true);
}

#[tokio::test]
async fn what_is_not_jellyfin_is_told_apart() {
    let json = "Content-Type: application/json";
    let html = "Content-Type: text/html";
    for reply in [
        Reply::Text(200, html, "<html>Sign in</html>"),
        Reply::Text(200, json, "<html>Sign in</html>"),
        Reply::Text(200, json, "[]"),
        Reply::Text(200, json, "{\"message\": \"hello\"}"),
        Reply::Text(
            200,
            json,
            "{\"Version\": \"4.8.1\", \"ServerName\": \"an emby\"}",
        ),
        Reply::Text(404, html, "nothing here"),
        public_info("who knows"),
    ] {
        let reply = std::sync::Mutex::new(Some(reply));
        let fake = Fake::of(move |_, _| reply.lock().unwrap().take().unwrap()).await;
        let error = fake.client().version().await.unwrap_err();
        assert_code(&error, "jellyfin_not_jellyfin", false);
    }
}

#[tokio::test]
async fn an_old_server_is_refused_by_every_call() {
    for (version, old) in [("10.9.11", true), ("10.8.13", true), ("10.10.0", false)] {
        let fake = Fake::of(move |request, _| match request.path() {
            "/System/Info/Public" => public_info(version),
            _ => Reply::Json(200, json!([{"Id": "u1", "Name": "root"}])),
        })
        .await;
        let client = fake.client();
        let codes = [
            client.version().await.err().map(|e| e.code()),
            client.user().await.err().map(|e| e.code()),
        ];
        let expected = old.then_some("jellyfin_version_too_old");
        assert_eq!(codes, [expected; 2], "{version}");
    }
}

#[tokio::test]
async fn answers_are_bounded() {
    let (_, error) = asking(|_| Reply::Endless).await;
    assert_code(&error, "jellyfin_answer_too_large", false);
    let head =
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99999999\r\n\r\n";
    let (fake, error) = asking(|_| Reply::Raw(head.into())).await;
    assert_code(&error, "jellyfin_answer_too_large", false);
    assert_eq!(fake.count("/Items/a1"), 1);
}

#[tokio::test]
async fn another_origin_is_not_followed_and_never_gets_the_key() {
    let other = Fake::of(|_, _| movie("a1")).await;
    let target: &'static str = format!("Location: {}/Items/a1", other.origin).leak();
    for status in [301, 302, 307, 308] {
        let (_, error) = asking(move |_| Reply::Text(status, target, "")).await;
        assert_code(&error, "jellyfin_redirect_refused", false);
        assert!(error.to_string().contains(&other.origin), "{error}");
    }
    assert_eq!(other.requests().len(), 0);
}

#[tokio::test]
async fn its_own_redirects_are_followed_with_the_key() {
    let fake = Fake::jellyfin(|request, _| match request.path() {
        "/Items/a1" => Reply::Text(302, "Location: /jf/Items/a1", ""),
        "/jf/Items/a1" => movie("a1"),
        _ => Reply::Text(302, "Location: loop", ""),
    })
    .await;
    let client = fake.client();
    assert_eq!(client.item("a1").await.unwrap().id, "a1");
    let last = fake.requests().pop().unwrap();
    assert!(last.authorization.unwrap().contains(KEY));

    let error = client.item("a2").await.unwrap_err();
    assert_code(&error, "jellyfin_redirect_refused", false);
    assert!(fake.count("/Items/loop") <= 4);
}

#[tokio::test]
async fn a_wrong_base_url_is_found_at_start() {
    for url in [
        "",
        "jellyfin:8096",
        "ftp://h",
        "http://u:SECRET@h",
        "http://h?x=SECRET",
    ] {
        let error = JellyfinConfig::new(url, SecretString::from(KEY)).unwrap_err();
        assert_code(&error, "jellyfin_config_invalid", false);
        assert!(!error.to_string().contains("SECRET"));
    }
}
