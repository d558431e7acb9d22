//! What happened: as pages, and for those who follow.

use std::sync::Arc;
use std::time::Duration;

use orb_coordinator::SingleCoordinator;
use orb_proto::v1;
use orb_proto::v1::control_request::Action;
use orb_proto::v1::edit_queue_request::Edit;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_stream::StreamExt;
use tonic::{Code, Status, Streaming};

use crate::batches::Gated;
use crate::installation::{API, Scheduler, Surroundings, with_token};
use crate::queue::{add, control, edit, party, start};
use crate::reason;

const SOON: Duration = Duration::from_secs(20);

type Follower = Streaming<v1::WatchEventsResponse>;

async fn page(scheduler: &Scheduler, after_id: i64, limit: u32) -> v1::ListEventsResponse {
    let request = v1::ListEventsRequest {
        session_id: "s".to_owned(),
        after_id,
        limit,
    };
    let mut client = scheduler.parties();
    let answer = client.list_events(with_token(API, request));
    answer.await.unwrap().into_inner()
}

async fn all(scheduler: &Scheduler) -> Vec<v1::Event> {
    let page = page(scheduler, 0, 500).await;
    assert!(!page.more);
    page.events
}

async fn watch(scheduler: &Scheduler, session: &str, after_id: i64) -> Result<Follower, Status> {
    let request = v1::WatchEventsRequest {
        session_id: session.to_owned(),
        after_id,
    };
    let mut client = scheduler.parties();
    let answer = client.watch_events(with_token(API, request));
    Ok(answer.await?.into_inner())
}

/// Reads on until it has so many.
async fn read(follower: &mut Follower, events: &mut Vec<v1::Event>, count: usize) {
    while events.len() < count {
        let answer = timeout(SOON, follower.next()).await.expect("in time");
        let answer = answer.expect("the stream goes on").unwrap();
        assert!(!answer.events.is_empty());
        events.extend(answer.events);
    }
}

fn types(events: &[v1::Event]) -> Vec<&str> {
    let events = events.iter();
    events.map(|event| event.event_type.as_str()).collect()
}

#[tokio::test]
async fn what_happened_is_read_in_pages_with_its_cause_and_actor() {
    let surroundings = Surroundings::new().await;
    let scheduler = surroundings.scheduler().await;
    let mut worker = scheduler.attach("w1", "life-1", vec![]).await.unwrap();
    party(&scheduler).await;
    edit(&scheduler, add(&["A", "B"])).await;
    start(&scheduler, &mut worker).await;
    let stopped = control(&scheduler, Action::Stop(v1::Stop {}))
        .await
        .unwrap();
    let events = all(&scheduler).await;
    assert!(events.windows(2).all(|two| two[0].id < two[1].id));
    let payload = |event: &v1::Event| {
        let payload: serde_json::Value = serde_json::from_str(&event.payload_json).unwrap();
        payload
    };
    for event in &events {
        let payload = payload(event);
        assert!(
            payload["cause"].is_string() && payload["actor"].is_string(),
            "{event:?}"
        );
        assert_eq!(event.session_id, "s");
        assert!(!event.payload_json.contains("http"), "no URL: {event:?}");
    }
    let one = |event_type: &str| {
        let found = events.iter().find(|event| event.event_type == event_type);
        payload(found.unwrap_or_else(|| panic!("{event_type} of {:?}", types(&events))))
    };
    let added = one("queue_added");
    assert_eq!(
        (&added["actor"], &added["cause"]),
        (&"alice".into(), &"call".into())
    );
    let ended = one("ended");
    assert_eq!(
        (&ended["actor"], &ended["entryId"]),
        (&"bob".into(), &1.into())
    );
    let generation = stopped.session.unwrap().generation;
    assert_eq!(ended["generation"], generation);

    let first = page(&scheduler, 0, 2).await;
    assert_eq!((first.events.len(), first.more), (2, true));
    let rest = page(&scheduler, first.events[1].id, 0).await;
    assert!(!rest.more);
    assert_eq!([first.events, rest.events].concat(), events);
    let end = page(&scheduler, events.last().unwrap().id, 10).await;
    assert_eq!((end.events.len(), end.more), (0, false));
    let unknown = v1::ListEventsRequest {
        session_id: "nobody's".to_owned(),
        ..v1::ListEventsRequest::default()
    };
    let mut client = scheduler.parties();
    let unknown = client.list_events(with_token(API, unknown));
    assert_eq!(reason(&unknown.await.unwrap_err()), "session_not_found");
    scheduler.stop().await;
}

#[tokio::test]
async fn a_follower_goes_on_where_it_was_when_the_leader_changes() {
    let surroundings = Surroundings::new().await;
    let scheduler = surroundings.scheduler().await;
    let unknown = watch(&scheduler, "nobody's", 0).await.err().unwrap();
    assert_eq!(unknown.code(), Code::NotFound);
    party(&scheduler).await;
    let mut seen = Vec::new();
    let mut follower = watch(&scheduler, "s", 0).await.unwrap();
    for name in ["A", "B", "C"] {
        edit(&scheduler, add(&[name])).await;
    }
    let count = all(&scheduler).await.len();
    read(&mut follower, &mut seen, count).await;
    // Some that it does not read any more.
    edit(&scheduler, add(&["D"])).await;
    scheduler.stop().await;
    let last = timeout(SOON, async {
        while let Some(answer) = follower.next().await {
            match answer {
                Ok(answer) => seen.extend(answer.events),
                Err(status) => return Some(status),
            }
        }
        None
    });
    let last = last.await.expect("the stream ends with its leader");
    assert!(last.is_none_or(|status| status.code() == Code::Unavailable));

    let scheduler = surroundings.scheduler().await;
    edit(&scheduler, add(&["E"])).await;
    let newest = seen.last().unwrap().id;
    let mut follower = watch(&scheduler, "s", newest).await.unwrap();
    let mut from_now_on = watch(&scheduler, "s", -1).await.unwrap();
    let so_far = all(&scheduler).await.len();
    edit(&scheduler, Edit::Clear(v1::Clear {})).await;
    let events = all(&scheduler).await;
    read(&mut follower, &mut seen, events.len()).await;
    assert_eq!(seen, events, "each once, in order");
    let mut newer = Vec::new();
    read(&mut from_now_on, &mut newer, events.len() - so_far).await;
    assert_eq!(newer, events[so_far..]);
    scheduler.stop().await;
}

#[tokio::test]
async fn many_who_follow_cost_one_read_a_commit_and_one_who_does_not_read_misses_nothing() {
    const FOLLOWERS: usize = 50;
    const EDITS: usize = 40;
    let surroundings = Surroundings::new().await;
    let store = Gated::of(&surroundings).await;
    let alone = SingleCoordinator::new();
    let scheduler = Arc::new(surroundings.candidate_with(alone, store.clone()));
    scheduler.ready().await;
    party(&scheduler).await;
    let mut idle = watch(&scheduler, "s", 0).await.unwrap();
    let mut followers = JoinSet::new();
    let before = all(&scheduler).await.len();
    for _ in 0..FOLLOWERS {
        let mut follower = watch(&scheduler, "s", -1).await.unwrap();
        followers.spawn(async move {
            let mut seen = Vec::new();
            read(&mut follower, &mut seen, EDITS).await;
            seen
        });
    }
    let reads = store.event_reads();
    for number in 0..EDITS {
        edit(&scheduler, add(&[&number.to_string()])).await;
    }
    let seen = followers.join_all().await;
    let reads = store.event_reads() - reads;
    // One that reads nothing has no read of its own either, once its few places are full.
    assert!(reads <= EDITS + 8, "{reads} reads of {EDITS} edits");
    let events = all(&scheduler).await;
    assert_eq!(events.len(), before + EDITS);
    for seen in seen {
        assert_eq!(seen, events[before..]);
    }
    let mut late = Vec::new();
    read(&mut idle, &mut late, events.len()).await;
    assert_eq!(late, events);
}
