//! What is asked once, and what is asked again.

use std::time::Duration;

use futures::future::join_all;
use orb_jellyfin::client::{ImageRequest, ItemKind, ItemQuery, PlaybackEnd, PlaybackReport};
use serde_json::json;

use crate::fake::{Fake, Reply, movie, movies};

#[tokio::test]
async fn five_hundred_viewers_of_one_search_make_one_request() {
    let fake = Fake::jellyfin(|_, _| movies(0, 20, 20)).await;
    let client = fake.client();
    let query = ItemQuery::search("sintel");
    let asks = (0..500).map(|_| client.items(&query));
    for page in join_all(asks).await {
        assert_eq!(page.unwrap().items.len(), 20);
    }
    client.clone().items(&query).await.unwrap();
    client.items(&ItemQuery::search(" sintel ")).await.unwrap();
    let asked = ["/System/Info/Public", "/Users", "/Items"].map(|path| fake.count(path));
    assert_eq!(asked, [1, 1, 1]);
    client.items(&ItemQuery::search("elephants")).await.unwrap();
    assert_eq!(fake.count("/Items"), 2);
}

#[tokio::test]
async fn a_crowd_with_different_wishes_waits_in_line() {
    let pause = Duration::from_millis(20);
    let fake = Fake::jellyfin(move |request, _| {
        let id = request.path().trim_start_matches("/Items/");
        Reply::After(pause, Box::new(movie(id)))
    })
    .await;
    let client = fake.client();
    let ids: Vec<_> = (0..100).map(|i| format!("a{i}")).collect();
    for item in join_all(ids.iter().map(|id| client.item(id))).await {
        assert_eq!(item.unwrap().kind, ItemKind::Movie);
    }
    assert_eq!(fake.requests().len(), 100 + 2);
    let most = fake.most_under_way();
    assert!((2..=16).contains(&most), "{most} at once");
}

#[tokio::test]
async fn an_error_is_told_to_all_and_kept_for_nobody() {
    let fake = Fake::jellyfin(|_, number| match number {
        0 => Reply::Text(404, "X: y", ""),
        _ => movie("a1"),
    })
    .await;
    let client = fake.client();
    client.user().await.unwrap();
    let answers = join_all((0..100).map(|_| client.item("a1"))).await;
    let told = answers.iter().filter(|answer| answer.is_err()).count();
    assert_eq!((told, fake.count("/Items/a1")), (100, 1));
    assert!(client.item("a1").await.is_ok());
}

#[tokio::test]
async fn a_report_forgets_what_it_changed() {
    let fake = Fake::jellyfin(|request, number| match request.path() {
        "/Items/a1" => {
            let ticks = [0, 6_000_000_000_i64][number.min(1)];
            Reply::Json(
                200,
                json!({"Id": "a1", "Type": "Movie", "Name": "Film",
                                    "UserData": {"PlaybackPositionTicks": ticks}}),
            )
        }
        "/Shows/NextUp" => movies(number, 1, 1),
        _ => Reply::Json(200, json!({})),
    })
    .await;
    let client = fake.client();
    let report = PlaybackReport {
        party: "p1".into(),
        item_id: "a1".into(),
        source_id: None,
        play_session_id: None,
        position_ms: 600_000,
        runtime_ms: Some(6_000_000),
        paused: false,
    };
    assert_eq!(client.item("a1").await.unwrap().resume_ms, None);
    assert_eq!(client.next_up("s1").await.unwrap().unwrap().id, "m0");
    client.report_progress(&report).await.unwrap();
    assert_eq!(client.item("a1").await.unwrap().resume_ms, Some(600_000));
    assert_eq!(
        client.next_up("s1").await.unwrap().unwrap().id,
        "m0",
        "kept while it plays"
    );
    client
        .report_stopped(&report, PlaybackEnd::Ended)
        .await
        .unwrap();
    assert_eq!(client.next_up("s1").await.unwrap().unwrap().id, "m1");
}

#[tokio::test]
async fn a_library_of_twenty_thousand_does_not_fill_the_memory() {
    const TOTAL: usize = 20_000;
    let fake = Fake::jellyfin(|request, _| match request.query("startIndex") {
        Some(start) => {
            let start: usize = start.parse().unwrap();
            movies(start, 200.min(TOTAL - start), TOTAL)
        }
        None => movie(request.path().trim_start_matches("/Items/")),
    })
    .await;
    let client = fake.client();
    let query = ItemQuery::of(&[ItemKind::Movie]);
    let mut seen = 0;
    while seen < TOTAL {
        let page = client
            .items(&query.clone().page(seen as u32, 200))
            .await
            .unwrap();
        assert_eq!((page.total, page.start_index), (20_000, seen as u32));
        seen += page.items.len();
    }
    for i in 0..2000 {
        client.item(&format!("m{i}")).await.unwrap();
    }
    let usage = client.cache_usage();
    assert!(usage.entries <= 1000 + 100 + 1, "{usage:?}");
    assert!(usage.bytes <= 25 << 20, "{usage:?}");
    assert!(usage.entries >= 1000, "{usage:?}");
}

#[tokio::test]
async fn pictures_are_fetched_once_and_judged() {
    let fake = Fake::jellyfin(|request, _| match request.path() {
        "/Items/a1/Images/Primary" => {
            Reply::Text(200, "Content-Type: image/png\r\nETag: \"t1\"", "PNG")
        }
        "/Items/a2/Images/Primary" => Reply::Text(200, "Content-Type: text/html", "<script>"),
        _ => Reply::Text(404, "X: y", ""),
    })
    .await;
    let client = fake.client();
    let request = ImageRequest {
        tag: Some("t1".into()),
        max_width: Some(300),
        ..ImageRequest::default()
    };
    for image in join_all((0..100).map(|_| client.image("a1", &request))).await {
        let image = image.unwrap();
        assert_eq!(image.bytes, "PNG");
        assert_eq!(image.content_type, "image/png");
        assert_eq!(image.etag.as_deref(), Some("\"t1\""));
    }
    let asked = fake.requests();
    assert_eq!(asked.len(), 1);
    assert_eq!(
        asked[0].target,
        "/Items/a1/Images/Primary?tag=t1&maxWidth=300&quality=90"
    );

    let plain = ImageRequest::default();
    let code = |answer: Result<_, orb_jellyfin::Error>| answer.err().map(|e| e.code());
    assert_eq!(
        code(client.image("a2", &plain).await),
        Some("jellyfin_not_jellyfin")
    );
    assert_eq!(
        code(client.image("a3", &plain).await),
        Some("jellyfin_item_not_found")
    );
}
