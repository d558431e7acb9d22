//! The queue, its edits, and two who edit it at once.

use std::sync::Arc;

use orb_proto::v1::{
    Clear, Item, Move, Queue, QueueEntry, QueueStatus, Remove, Reorder, edit_queue_request::Edit,
};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tonic::Code;

use crate::support::{Call, Films, Harness, TOKEN, json, problem, refusal};

const QUEUE: &str = "/api/v1/parties/456/queue";

fn entry(id: u64, status: QueueStatus) -> QueueEntry {
    QueueEntry {
        item: Some(Item {
            entry_id: id,
            // Never there; were it, it must not be told.
            stream_url: "http://jellyfin/secret".into(),
            poster_url: "http://jellyfin/secret.jpg".into(),
            ..Films::film(&format!("f{id}"))
        }),
        status: status.into(),
        actor: "anna".into(),
        ..QueueEntry::default()
    }
}

fn edits(harness: &Harness) -> Vec<(u64, Edit)> {
    let calls = harness.scheduler.calls().into_iter();
    let edits = calls.filter_map(|call| match call {
        Call::Edit(edit) => Some((edit.if_version, edit.edit.unwrap())),
        _ => None,
    });
    edits.collect()
}

#[tokio::test]
async fn shows_all_entries_and_no_url() {
    let harness = Harness::start().await;
    let failed = QueueEntry {
        error: "the file cannot be decoded".into(),
        ..entry(1, QueueStatus::Failed)
    };
    harness.scheduler.queue(Queue {
        version: 7,
        entries: vec![
            failed,
            entry(2, QueueStatus::Skipped),
            entry(3, QueueStatus::Played),
            entry(4, QueueStatus::Playing),
            entry(5, QueueStatus::Queued),
        ],
    });
    let answer = harness.get(QUEUE).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["etag"], "\"7\"");
    let text = answer.text().await.unwrap();
    assert!(!text.contains("http://"), "{text}");
    let queue: Value = serde_json::from_str(&text).unwrap();
    let entries = queue["entries"].as_array().unwrap();
    let shown: Vec<_> = entries
        .iter()
        .map(|entry| {
            (
                entry["entryId"].as_u64().unwrap(),
                entry["status"].as_str().unwrap(),
            )
        })
        .collect();
    let expected = [
        (1, "failed"),
        (2, "skipped"),
        (3, "played"),
        (4, "playing"),
        (5, "queued"),
    ];
    assert_eq!(shown, expected);
    assert_eq!(entries[0]["error"], "the file cannot be decoded");
    // Without a library there is nothing to show a picture of.
    assert_eq!(entries[0]["imageUrl"], Value::Null);
    assert_eq!(queue["version"], 7);
}

#[tokio::test]
async fn each_edit_is_one_change() {
    let harness = Harness::start().await;
    let order = format!("{QUEUE}/order");
    let entry = format!("{QUEUE}/4");
    let moving = format!("{QUEUE}/4/move");
    for (request, edit) in [
        (
            harness.delete(&entry),
            Edit::Remove(Remove { entry_ids: vec![4] }),
        ),
        (harness.delete(QUEUE), Edit::Clear(Clear {})),
        (
            harness.put(&order, r#"{"entryIds":[5,3,4]}"#),
            Edit::Reorder(Reorder {
                entry_ids: vec![5, 3, 4],
            }),
        ),
        (
            harness.put(&order, r#"{"entryIds":[]}"#),
            Edit::Reorder(Reorder::default()),
        ),
        (
            harness.post(&moving, r#"{"toIndex":0}"#),
            Edit::Move(Move {
                entry_id: 4,
                to_index: 0,
            }),
        ),
        (
            harness.post(&moving, r#"{"toIndex":99999999999}"#),
            Edit::Move(Move {
                entry_id: 4,
                to_index: u32::MAX,
            }),
        ),
    ] {
        let answer = request
            .header("Idempotency-Key", "k")
            .header("X-Orb-Actor", "anna")
            .header("If-Match", "*")
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 200);
        let tag = answer.headers()["etag"].to_str().unwrap().to_owned();
        let queue: Value = answer.json().await.unwrap();
        assert_eq!(tag, format!("\"{}\"", queue["version"]));
        let Some(Call::Edit(asked)) = harness.scheduler.calls().pop() else {
            panic!("an edit");
        };
        assert_eq!(
            (
                asked.session_id.as_str(),
                asked.command_id.as_str(),
                asked.actor.as_str()
            ),
            ("456", "k", "anna")
        );
        // Nothing was looked up: the request itself is compared.
        assert_eq!(asked.fingerprint, Vec::<u8>::new());
        assert_eq!((asked.if_version, asked.edit), (0, Some(edit)));
    }
}

#[tokio::test]
async fn of_two_editors_the_second_is_told() {
    let harness = Harness::with(|config| config.catalogue = Some(Arc::new(Films))).await;
    let tag = harness.get(QUEUE).send().await.unwrap().headers()["etag"].clone();
    let add = |film: &str| {
        let body = json!({"itemIds": [film]}).to_string();
        harness.post(QUEUE, body).header("If-Match", tag.clone())
    };
    let (anna, ben) = tokio::join!(add("f1").send(), add("f2").send());
    let mut statuses = [
        anna.unwrap().status().as_u16(),
        ben.unwrap().status().as_u16(),
    ];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 412]);
    let (_, queue) = json(harness.get(QUEUE)).await;
    assert_eq!(queue["entries"].as_array().unwrap().len(), 1);

    // Whoever was second reads it again, and its edit is no lost one.
    let tag = harness.get(QUEUE).send().await.unwrap().headers()["etag"].clone();
    let again = harness.post(QUEUE, r#"{"itemIds":["f2"]}"#);
    assert_eq!(json(again.header("If-Match", tag)).await.0, 201);
    let (_, queue) = json(harness.get(QUEUE)).await;
    assert_eq!(queue["entries"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn every_edit_honours_if_match() {
    let harness = Harness::with(|config| config.catalogue = Some(Arc::new(Films))).await;
    let edits_of = |tag: &'static str| -> Vec<RequestBuilder> {
        let bare = |method: Method, path: &str, body: &'static str| {
            let path = format!("{QUEUE}{path}");
            let request = harness.bare(method, &path).bearer_auth(TOKEN);
            request.header("If-Match", tag).body(body)
        };
        vec![
            bare(Method::POST, "", r#"{"itemIds":["f1"]}"#),
            bare(Method::DELETE, "", ""),
            bare(Method::DELETE, "/1", ""),
            bare(Method::PUT, "/order", r#"{"entryIds":[1]}"#),
            bare(Method::POST, "/1/move", r#"{"toIndex":1}"#),
        ]
    };
    // Never given out, weak, or of another version: the last the scheduler has to say.
    for (tag, asked) in [("\"abc\"", 0), ("W/\"1\"", 0), ("\"0\"", 0), ("\"99\"", 5)] {
        let before = edits(&harness).len();
        for request in edits_of(tag) {
            let (status, answer) = problem(request).await;
            assert_eq!(
                (status, &answer["code"]),
                (412, &json!("queue_changed")),
                "{tag}"
            );
        }
        assert_eq!(edits(&harness).len(), before + asked, "{tag}");
    }
    assert!(edits(&harness).iter().all(|(version, _)| *version == 99));
    for request in edits_of("1") {
        let (status, answer) = problem(request).await;
        assert_eq!((status, &answer["field"]), (422, &json!("If-Match")));
    }
    // Without the header it is a conflict: an order of entries that are not those that wait.
    harness
        .scheduler
        .answer(|_| Err(refusal(Code::Aborted, "queue_changed", None)));
    let order = harness.put(&format!("{QUEUE}/order"), r#"{"entryIds":[1]}"#);
    let (status, answer) = problem(order).await;
    assert_eq!((status, &answer["code"]), (409, &json!("queue_changed")));
}

#[tokio::test]
async fn wrong_fields_are_named_and_nothing_is_asked() {
    let harness = Harness::with(|config| config.catalogue = Some(Arc::new(Films))).await;
    let many: Vec<_> = (0..201).map(|n| format!("f{n}")).collect();
    for (method, path, body, field) in [
        (Method::POST, "", json!({}), "itemIds"),
        (Method::POST, "", json!({"itemIds": []}), "itemIds"),
        (Method::POST, "", json!({"itemIds": "f1"}), "itemIds"),
        (Method::POST, "", json!({"itemIds": ["f1", 2]}), "itemIds"),
        (Method::POST, "", json!({"itemIds": ["../x"]}), "itemIds"),
        (Method::POST, "", json!({"itemIds": many}), "itemIds"),
        (
            Method::POST,
            "",
            json!({"itemIds": ["f1"], "next": "yes"}),
            "next",
        ),
        (Method::PUT, "/order", json!({}), "entryIds"),
        (Method::PUT, "/order", json!({"entryIds": 1}), "entryIds"),
        (
            Method::PUT,
            "/order",
            json!({"entryIds": [1, -2]}),
            "entryIds",
        ),
        (Method::PUT, "/order", json!({"entryIds": [0]}), "entryIds"),
        (Method::POST, "/1/move", json!({}), "toIndex"),
        (Method::POST, "/1/move", json!({"toIndex": -1}), "toIndex"),
        (Method::POST, "/1/move", json!({"toIndex": 0.5}), "toIndex"),
    ] {
        let request = harness.bare(method, &format!("{QUEUE}{path}"));
        let request = request.bearer_auth(TOKEN).body(body.to_string());
        let (status, answer) = problem(request).await;
        assert_eq!((status, &answer["field"]), (422, &json!(field)), "{body}");
    }
    for id in ["0", "x", "-1", "99999999999999999999", "%ff"] {
        let entry = harness.delete(&format!("{QUEUE}/{id}"));
        let moving = harness.post(&format!("{QUEUE}/{id}/move"), r#"{"toIndex":0}"#);
        for request in [entry, moving] {
            let (status, answer) = problem(request).await;
            assert_eq!(status, 404, "{id}");
            let code = answer["code"].as_str().unwrap();
            assert!(
                ["entry_not_found", "session_not_found"].contains(&code),
                "{id}: {code}"
            );
        }
    }
    assert_eq!(harness.scheduler.calls(), Vec::<Call>::new());
}
