//! What happened, as a page and as it happens.

use orb_proto::v1::PlaybackState;
use serde_json::json;
use tokio::{net::TcpListener, time::timeout};
use tonic::{Code, Status};

use crate::support::{
    Call, Events, Harness, PATIENCE, Reply, Scheduler, SseEvent, json, problem, refusal, session,
};

const EVENTS: &str = "/api/v1/parties/456/events";

fn ids(page: &serde_json::Value) -> Vec<i64> {
    let events = page["events"].as_array().unwrap();
    events
        .iter()
        .map(|event| event["id"].as_i64().unwrap())
        .collect()
}

async fn started() -> Harness {
    let harness = Harness::start().await;
    harness
        .scheduler
        .answer(|_| Ok(Reply(session("456"), true)));
    harness
}

/// Waits until the gateway follows the events of the scheduler.
async fn followed(scheduler: &Scheduler, listeners: usize) {
    let follows = async {
        while scheduler.event_watchers() != listeners {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, follows)
        .await
        .expect("the gateway follows");
}

#[tokio::test]
async fn a_page_at_a_time() {
    let harness = started().await;
    let payload = r#"{"cause":"call","actor":"anna","entryId":2}"#;
    let told: Vec<_> = (0..5)
        .map(|_| harness.scheduler.happen("pause", payload))
        .collect();
    let (status, page) = json(harness.get(EVENTS)).await;
    assert_eq!((status, &page["next"]), (200, &json!(null)));
    assert_eq!(ids(&page), told);
    assert_eq!(
        page["events"][0],
        json!({
            "id": told[0], "type": "pause", "at": "2023-11-14T22:13:20Z", "cause": "call", "actor": "anna",
            "payload": {"cause": "call", "actor": "anna", "entryId": 2},
        })
    );
    let (_, page) = json(harness.get(&format!("{EVENTS}?limit=2"))).await;
    assert_eq!(
        (ids(&page), &page["next"]),
        (told[..2].to_vec(), &json!(told[1]))
    );
    let (_, page) = json(harness.get(&format!("{EVENTS}?limit=500&after={}", told[1]))).await;
    assert_eq!(
        (ids(&page), &page["next"]),
        (told[2..].to_vec(), &json!(null))
    );
}

#[tokio::test]
async fn what_is_asked_must_make_sense() {
    let harness = started().await;
    for (query, field) in [
        ("after=-1", "after"),
        ("after=x", "after"),
        ("limit=0", "limit"),
        ("limit=501", "limit"),
        ("after=99999999999999999999", "after"),
    ] {
        let (status, answer) = problem(harness.get(&format!("{EVENTS}?{query}"))).await;
        assert_eq!((status, &answer["field"]), (422, &json!(field)), "{query}");
    }
    for id in ["x", "-5"] {
        let request = harness.get(EVENTS).header("Accept", "text/event-stream");
        let (status, answer) = problem(request.header("Last-Event-ID", id)).await;
        assert_eq!((status, &answer["field"]), (422, &json!("Last-Event-ID")));
    }
    assert_eq!(harness.scheduler.calls(), Vec::<Call>::new());
    harness
        .scheduler
        .answer(|_| Err(refusal(Code::NotFound, "session_not_found", None)));
    for accept in ["application/json", "text/event-stream"] {
        let request = harness.get(EVENTS).header("Accept", accept);
        assert_eq!(problem(request).await.0, 404, "{accept}");
    }
}

#[tokio::test]
async fn a_stream_has_the_state_and_each_event() {
    let harness = started().await;
    harness.scheduler.happen("create", "{}");
    let mut events = Events::open(harness.get(EVENTS)).await;
    let first = events.next_event().await.unwrap();
    assert_eq!((first.id, first.kind.as_str()), (None, "state"));
    assert_eq!(first.data["id"], "456");
    assert_eq!(first.data["status"], "draft");

    let id = harness
        .scheduler
        .happen("pause", r#"{"cause":"call","actor":"api"}"#);
    let data = json!({
        "id": id, "type": "pause", "at": "2023-11-14T22:13:20Z", "cause": "call", "actor": "api",
        "payload": {"cause": "call", "actor": "api"},
    });
    let expected = SseEvent {
        id: Some(id),
        kind: "pause".to_owned(),
        data,
    };
    assert_eq!(events.next_event().await, Some(expected));

    let mut playing = session("456");
    playing.playback_state = PlaybackState::Playing.into();
    harness.scheduler.change(Ok(playing));
    let state = events.next_event().await.unwrap();
    assert_eq!(
        (state.kind.as_str(), &state.data["playbackState"]),
        ("state", &json!("playing"))
    );
}

#[tokio::test]
async fn a_stream_resumes_behind_the_last_event() {
    let harness = started().await;
    // More than is read from the store at once, and more than is kept for those who listen.
    let told: Vec<_> = (0..600)
        .map(|_| harness.scheduler.happen("pause", "{}"))
        .collect();
    let last = told[99].to_string();
    for request in [
        harness.get(EVENTS).header("Last-Event-ID", &last),
        harness.get(&format!("{EVENTS}?after={last}")),
        // A browser that comes back asks the same address, with the header.
        harness
            .get(&format!("{EVENTS}?after=0"))
            .header("Last-Event-ID", &last),
    ] {
        let mut events = Events::open(request).await;
        for expected in &told[100..] {
            assert_eq!(events.next_row().await.unwrap().id, Some(*expected));
        }
        let now = harness.scheduler.happen("resume", "{}");
        // Those of the rounds before are behind it.
        loop {
            let row = events.next_row().await.unwrap();
            if row.id == Some(now) {
                break;
            }
            assert!(row.id < Some(now));
        }
    }
    let mut events = Events::open(harness.get(&format!("{EVENTS}?after=0"))).await;
    assert_eq!(events.next_row().await.unwrap().id, Some(told[0]));
}

#[tokio::test]
async fn all_listeners_share_one_stream_of_the_scheduler() {
    let harness = started().await;
    let mut listeners = Vec::new();
    for _ in 0..5 {
        listeners.push(Events::open(harness.get(EVENTS)).await);
    }
    followed(&harness.scheduler, 1).await;
    assert_eq!(harness.scheduler.watchers(), 1);
    let id = harness.scheduler.happen("pause", "{}");
    for listener in &mut listeners {
        assert_eq!(listener.next_row().await.unwrap().id, Some(id));
    }
    // One of five who leaves takes nothing with it.
    listeners.pop();
    let id = harness.scheduler.happen("resume", "{}");
    for listener in &mut listeners {
        assert_eq!(listener.next_row().await.unwrap().id, Some(id));
    }
    drop(listeners);
    followed(&harness.scheduler, 0).await;
    // The next one begins anew.
    let mut events = Events::open(harness.get(EVENTS)).await;
    let id = harness.scheduler.happen("pause", "{}");
    assert_eq!(events.next_row().await.unwrap().id, Some(id));
}

#[tokio::test]
async fn a_broken_stream_goes_on_without_a_hole() {
    let harness = started().await;
    let mut old = Events::open(harness.get(EVENTS)).await;
    let first = harness.scheduler.happen("pause", "{}");
    assert_eq!(old.next_row().await.unwrap().id, Some(first));
    followed(&harness.scheduler, 1).await;
    harness
        .scheduler
        .break_event_streams(Status::unavailable("restart"));
    // Happens while nobody follows.
    followed(&harness.scheduler, 0).await;
    let told: Vec<_> = (0..300)
        .map(|_| harness.scheduler.happen("resume", "{}"))
        .collect();
    for id in told {
        assert_eq!(old.next_row().await.unwrap().id, Some(id));
    }
    harness
        .scheduler
        .break_event_streams(refusal(Code::NotFound, "session_not_found", None));
    while old.next_event().await.is_some() {}
}

#[tokio::test]
async fn nothing_is_missed_while_the_scheduler_restarts() {
    let place = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = place.local_addr().unwrap();
    let scheduler = Scheduler::on(place);
    scheduler.answer(|_| Ok(Reply(session("456"), true)));
    scheduler.happen("create", "{}");
    let harness = Harness::in_front_of(scheduler.clone(), |_| {}).await;
    // It has heard no event yet: what it resumes from is where it began.
    let mut events = Events::open(harness.get(EVENTS)).await;
    followed(&scheduler, 1).await;
    scheduler.break_event_streams(Status::unavailable("stops"));
    scheduler.change(Err(Status::unavailable("stops")));
    timeout(PATIENCE, scheduler.stop()).await.unwrap();

    let again = Scheduler::absent_with_events_of(&scheduler, address);
    let missed = again.happen("voice_lost", "{}");
    again.serve(TcpListener::bind(address).await.unwrap());
    again.answer(|_| Ok(Reply(session("456"), true)));
    assert_eq!(events.next_row().await.unwrap().id, Some(missed));
    let id = again.happen("pause", "{}");
    assert_eq!(events.next_row().await.unwrap().id, Some(id));
}
