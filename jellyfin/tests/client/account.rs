//! As whom the client asks, and with which header.

use orb_jellyfin::client::{ItemKind, ItemQuery, JellyfinClient, JellyfinConfig, PageRequest};
use secrecy::SecretString;
use serde_json::json;

use crate::fake::{Fake, KEY, Reply, Request, movie, movies, public_info};

/// A server with three users, one of them disabled.
async fn server() -> Fake {
    Fake::of(|request, _| match request.path() {
        "/System/Info/Public" => public_info("10.11.3"),
        "/Users" => Reply::Json(
            200,
            json!([
                {"Id": "u1", "Name": "anna", "Policy": {"IsDisabled": false}},
                {"Id": "u2", "Name": "bob", "Policy": {"IsAdministrator": true, "IsDisabled": true}},
                {"Id": "u3", "Name": "Cleo", "Policy": {"IsAdministrator": true}},
            ]),
        ),
        "/Items/a1" => movie("a1"),
        _ => movies(0, 1, 1),
    })
    .await
}

#[tokio::test]
async fn the_first_administrator_is_asked_for_unless_told_otherwise() {
    let fake = server().await;
    for (configured, user) in [
        (None, Some("u3")),
        (Some(" "), Some("u3")),
        (Some("Anna"), Some("u1")),
        (Some("u1"), Some("u1")),
        (Some("bob"), None),
        (Some("dave"), None),
    ] {
        let mut config = fake.config();
        config.user = configured.map(ToOwned::to_owned);
        let found = JellyfinClient::new(config).unwrap().user().await;
        match user {
            Some(id) => assert_eq!(found.unwrap().id, id),
            None => assert_eq!(found.unwrap_err().code(), "jellyfin_user_not_found"),
        }
    }
}

#[tokio::test]
async fn every_call_names_the_user_and_bears_the_key_in_the_header_alone() {
    let fake = server().await;
    let client = fake.client();
    let page = PageRequest::default();
    client.libraries().await.unwrap();
    client
        .items(&ItemQuery::of(&[ItemKind::Movie]))
        .await
        .unwrap();
    client.item("a1").await.unwrap();
    client.seasons("s1").await.unwrap();
    client.episodes("s1", Some("n1"), page).await.unwrap();
    client.next_up("s1").await.unwrap();
    client.continue_watching(page).await.unwrap();

    let requests = fake.requests();
    for request in &requests[2..] {
        assert_eq!(
            request.query("userId").as_deref(),
            Some("u3"),
            "{}",
            request.target
        );
    }
    let paths: Vec<_> = requests[2..].iter().map(Request::path).collect();
    assert_eq!(
        paths,
        [
            "/UserViews",
            "/Items",
            "/Items/a1",
            "/Shows/s1/Seasons",
            "/Shows/s1/Episodes",
            "/Shows/NextUp",
            "/UserItems/Resume"
        ]
    );
    let version = env!("CARGO_PKG_VERSION");
    for request in &requests {
        assert_eq!(
            request.authorization.as_deref().unwrap(),
            format!(
                "MediaBrowser Token=\"{KEY}\", Client=\"Orb Stream\", Device=\"Orb control plane\", \
                 DeviceId=\"orb-stream\", Version=\"{version}\""
            )
        );
        assert_eq!(request.head.matches(KEY).count(), 1, "{}", request.head);
        let head = request.head.to_ascii_lowercase();
        assert!(
            !head.contains("x-emby") && !head.contains("api_key"),
            "{head}"
        );
    }
    // What an API key gets too, and nobody can play.
    assert_eq!(requests[6].query("isMissing").as_deref(), Some("false"));
}

#[tokio::test]
async fn a_server_below_a_path_is_found_there() {
    let fake = Fake::of(|request, _| match request.path() {
        "/media/jf/System/Info/Public" => public_info("12.0.0"),
        _ => Reply::Text(404, "X: y", ""),
    })
    .await;
    for base in ["/media/jf", "/media/jf/"] {
        let url = format!("{}{base}", fake.origin);
        let config = JellyfinConfig::new(&url, SecretString::from(KEY)).unwrap();
        let client = JellyfinClient::new(config).unwrap();
        assert_eq!(client.version().await.unwrap().name, "home");
        let stream = client.stream_url("a1", Some("v2")).unwrap();
        assert_eq!(
            stream.as_str(),
            format!(
                "{}/media/jf/Videos/a1/stream?static=true&mediaSourceId=v2",
                fake.origin
            )
        );
        let download = client.download_url("a1").unwrap();
        assert_eq!(download.path(), "/media/jf/Items/a1/Download");
        assert!(!stream.as_str().contains(KEY) && download.query().is_none());
    }
}
