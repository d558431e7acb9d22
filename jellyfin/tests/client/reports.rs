//! What Jellyfin is told of playback.

use orb_jellyfin::client::{PlaybackEnd, PlaybackReport};
use serde_json::{Value, json};

use crate::fake::{Fake, Reply, Request};

fn report(position_ms: u64) -> PlaybackReport {
    PlaybackReport {
        party: "party-7".into(),
        item_id: "a1".into(),
        source_id: Some("v1".into()),
        play_session_id: Some("ps1".into()),
        position_ms,
        runtime_ms: Some(3_600_000),
        paused: false,
    }
}

async fn server() -> Fake {
    Fake::jellyfin(|request, _| {
        if request.path().starts_with("/Sessions") {
            Reply::Raw(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n".to_vec())
        } else {
            Reply::Json(200, json!({"Played": false}))
        }
    })
    .await
}

/// The calls that change something.
fn posts(fake: &Fake) -> Vec<Request> {
    let mut requests = fake.requests();
    requests.retain(|request| request.method == "POST");
    requests
}

#[tokio::test]
async fn an_evening_is_told() {
    let fake = server().await;
    let client = fake.client();
    client.report_start(&report(0)).await.unwrap();
    client.report_progress(&report(1_000_000)).await.unwrap();
    client
        .report_stopped(&report(3_500_000), PlaybackEnd::Ended)
        .await
        .unwrap();

    let posts = posts(&fake);
    let targets: Vec<_> = posts.iter().map(|post| post.target.as_str()).collect();
    assert_eq!(
        targets,
        [
            "/Sessions/Playing",
            "/Sessions/Playing/Progress",
            "/UserItems/a1/UserData?userId=u1",
            "/Sessions/Playing/Stopped",
            "/UserPlayedItems/a1?userId=u1",
        ]
    );
    let ticks: Vec<_> = posts
        .iter()
        .map(|post| &post.body["PositionTicks"])
        .collect();
    assert_eq!(
        ticks,
        [
            &json!(0),
            &json!(10_000_000_000_u64),
            &Value::Null,
            &json!(35_000_000_000_u64),
            &Value::Null
        ]
    );
    let kept = &posts[2].body;
    assert_eq!(kept["PlaybackPositionTicks"], json!(10_000_000_000_u64));
    assert!(
        kept["LastPlayedDate"].as_str().unwrap().ends_with('Z'),
        "{kept}"
    );
    assert_eq!(kept.get("Played"), None, "what was seen once stays seen");
    // A session of its own for each party; the user's data is nobody's session.
    let session = |post: &Request| {
        post.authorization
            .clone()
            .unwrap()
            .contains("DeviceId=\"orb-stream-party-7\"")
    };
    assert_eq!(
        posts.iter().map(session).collect::<Vec<_>>(),
        [true, true, false, true, false]
    );
}

#[tokio::test]
async fn what_failed_is_not_counted() {
    let fake = server().await;
    let client = fake.client();
    client
        .report_stopped(&report(3_500_000), PlaybackEnd::Failed)
        .await
        .unwrap();
    let posts = posts(&fake);
    assert_eq!(posts.len(), 1);
    assert_eq!(posts[0].body["Failed"], json!(true));
}

#[tokio::test]
async fn one_half_that_fails_does_not_stop_the_other() {
    let fake = Fake::jellyfin(|request, _| match request.path() {
        "/Sessions/Playing/Progress" => Reply::Text(500, "X: y", ""),
        _ => Reply::Json(200, json!({})),
    })
    .await;
    let error = fake
        .client()
        .report_progress(&report(1_000_000))
        .await
        .unwrap_err();
    assert_eq!(error.code(), "jellyfin_server_error");
    assert_eq!(
        fake.count("/Sessions/Playing/Progress"),
        1,
        "the next report says more"
    );
    assert_eq!(fake.count("/UserItems/a1/UserData"), 1);
}

#[tokio::test]
async fn user_data_is_written_again_when_it_failed() {
    let fake = Fake::jellyfin(|request, number| match request.path() {
        "/UserItems/a1/UserData" if number == 0 => Reply::Text(503, "X: y", ""),
        _ => Reply::Json(200, json!({})),
    })
    .await;
    fake.client()
        .report_progress(&report(1_000_000))
        .await
        .unwrap();
    assert_eq!(fake.count("/UserItems/a1/UserData"), 2);
}
