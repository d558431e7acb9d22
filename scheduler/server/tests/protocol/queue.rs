//! The queue: edits, retries, and what becomes of it when leaders change.

use std::time::{Duration, Instant};

use orb_cluster::Postgres;
use orb_coordinator::SingleCoordinator;
use orb_proto::v1;
use orb_proto::v1::control_request::Action;
use orb_proto::v1::edit_queue_request::Edit;
use orb_scheduler_store::{PostgresStore, Store};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::installation::{
    API, FakeWorker, SOURCE, Scheduler, Surroundings, create, playing, with_token,
};
use crate::reason;

mod races;

/// The goal for one reorder of two hundred, the whole call.
const REORDER: Duration = Duration::from_millis(50);

pub(crate) fn item(name: &str) -> v1::Item {
    v1::Item {
        item_id: format!("item-{name}"),
        title: name.to_owned(),
        stream_url: SOURCE.to_owned(),
        duration_ms: 60_000,
        ..v1::Item::default()
    }
}

pub(crate) fn add(names: &[&str]) -> Edit {
    Edit::Add(v1::Add {
        items: names.iter().map(|name| item(name)).collect(),
        next: false,
    })
}

fn reorder(entry_ids: &[u64]) -> Edit {
    Edit::Reorder(v1::Reorder {
        entry_ids: entry_ids.to_vec(),
    })
}

/// Of the session `s`.
fn request(edit: Edit) -> v1::EditQueueRequest {
    v1::EditQueueRequest {
        session_id: "s".to_owned(),
        actor: "alice".to_owned(),
        edit: Some(edit),
        ..v1::EditQueueRequest::default()
    }
}

async fn send(
    scheduler: &Scheduler,
    request: v1::EditQueueRequest,
) -> Result<v1::EditQueueResponse, Status> {
    let mut client = scheduler.parties();
    let answer = client.edit_queue(with_token(API, request));
    Ok(answer.await?.into_inner())
}

pub(crate) async fn edit(scheduler: &Scheduler, edit: Edit) -> v1::EditQueueResponse {
    send(scheduler, request(edit)).await.unwrap()
}

async fn queue(scheduler: &Scheduler) -> v1::Queue {
    let request = v1::GetQueueRequest {
        session_id: "s".to_owned(),
    };
    let mut client = scheduler.parties();
    let answer = client.get_queue(with_token(API, request));
    answer.await.unwrap().into_inner().queue.unwrap()
}

/// Titles and how they stand.
fn shown(queue: &v1::Queue) -> Vec<(&str, v1::QueueStatus)> {
    let entries = queue.entries.iter();
    entries
        .map(|entry| (entry.item.as_ref().unwrap().title.as_str(), entry.status()))
        .collect()
}

pub(crate) async fn control(
    scheduler: &Scheduler,
    action: Action,
) -> Result<v1::ControlResponse, Status> {
    let request = v1::ControlRequest {
        session_id: "s".to_owned(),
        action: Some(action),
        actor: "bob".to_owned(),
        ..v1::ControlRequest::default()
    };
    let mut client = scheduler.sessions();
    let answer = client.control(with_token(API, request));
    Ok(answer.await?.into_inner())
}

/// The session `s`, with nothing in it.
pub(crate) async fn party(scheduler: &Scheduler) {
    let mut sessions = scheduler.sessions();
    sessions.create(with_token(API, create("s"))).await.unwrap();
}

/// Plays the head of the queue on that worker.
pub(crate) async fn start(scheduler: &Scheduler, worker: &mut FakeWorker) -> v1::Lease {
    let starting = async {
        let start = Action::Start(v1::Start::default());
        control(scheduler, start).await.unwrap()
    };
    let carrying_out = async {
        let lease = worker
            .lease_where(|desired| desired.current.is_some() && desired.voice.is_some())
            .await;
        worker.report(playing(&lease, 20)).await;
        lease
    };
    tokio::join!(starting, carrying_out).1
}

fn titles(lease: &v1::Lease) -> (Option<&str>, Option<&str>) {
    let desired = lease.desired.as_ref().unwrap();
    (
        desired.current.as_ref().map(|item| item.title.as_str()),
        desired.next.as_ref().map(|item| item.title.as_str()),
    )
}

#[tokio::test]
async fn a_retried_edit_has_one_effect_and_the_first_answer() {
    let surroundings = Surroundings::new().await;
    let scheduler = surroundings.scheduler().await;
    party(&scheduler).await;
    let first = v1::EditQueueRequest {
        command_id: "e1".to_owned(),
        ..request(add(&["A", "B"]))
    };
    let answer = send(&scheduler, first.clone()).await.unwrap();
    assert_eq!(answer.added_entry_ids, [1, 2]);
    assert_eq!(answer.session.unwrap().queued, 2);
    // Whoever asks again need not be the same.
    let again = v1::EditQueueRequest {
        actor: "somebody else".to_owned(),
        ..first.clone()
    };
    let again = send(&scheduler, again).await.unwrap();
    assert_eq!(again.added_entry_ids, [1, 2]);
    assert_eq!(again.queue, answer.queue);
    let other = v1::EditQueueRequest {
        command_id: "e1".to_owned(),
        ..request(add(&["C"]))
    };
    let refused = send(&scheduler, other).await.unwrap_err();
    assert_eq!(reason(&refused), "command_id_reused");
    scheduler.stop().await;

    // Nor does the next leader do it again. A library may answer a retry's look-up differently: then the caller says
    // what it was asked for.
    let scheduler = surroundings.scheduler().await;
    let again = send(&scheduler, first).await.unwrap();
    assert_eq!(again.added_entry_ids, [1, 2]);
    let looked_up = |title: &str| v1::EditQueueRequest {
        command_id: "e2".to_owned(),
        fingerprint: b"add series 7".to_vec(),
        ..request(add(&[title]))
    };
    let answer = send(&scheduler, looked_up("Episode 1")).await.unwrap();
    assert_eq!(answer.added_entry_ids, [3]);
    let again = send(&scheduler, looked_up("Episode 2")).await.unwrap();
    assert_eq!(again.queue, answer.queue);
    let unlike = v1::EditQueueRequest {
        fingerprint: b"add series 8".to_vec(),
        ..looked_up("Episode 1")
    };
    let refused = send(&scheduler, unlike).await.unwrap_err();
    assert_eq!(reason(&refused), "command_id_reused");
    let waits = v1::QueueStatus::Queued;
    let expected = [("A", waits), ("B", waits), ("Episode 1", waits)];
    assert_eq!(shown(&queue(&scheduler).await), expected);
    scheduler.stop().await;
}

#[tokio::test]
async fn what_cannot_be_done_to_a_queue_is_refused_with_its_reason_and_changes_nothing() {
    let surroundings = Surroundings::new().await;
    let scheduler = surroundings.scheduler().await;
    party(&scheduler).await;
    let before = edit(&scheduler, add(&["A", "B", "C"])).await.queue.unwrap();
    let stale = v1::EditQueueRequest {
        if_version: before.version + 1,
        ..request(reorder(&[3, 2, 1]))
    };
    let foreign = Edit::Add(v1::Add {
        items: vec![
            item("D"),
            v1::Item {
                stream_url: "http://elsewhere/film".to_owned(),
                ..item("E")
            },
        ],
        next: false,
    });
    let remove = |ids: &[u64]| {
        Edit::Remove(v1::Remove {
            entry_ids: ids.to_vec(),
        })
    };
    let many: Vec<&str> = vec!["x"; 201];
    let long = "a".repeat(129);
    for (asked, code, why, field) in [
        (stale, Code::Aborted, "queue_changed", ""),
        (
            request(reorder(&[3, 1])),
            Code::Aborted,
            "queue_changed",
            "",
        ),
        (
            request(remove(&[1, 9])),
            Code::NotFound,
            "entry_not_found",
            "",
        ),
        (
            request(foreign),
            Code::InvalidArgument,
            "source_not_allowed",
            "items[1].stream_url",
        ),
        (
            request(add(&["fine", &"ä".repeat(1_500)])),
            Code::InvalidArgument,
            "too_long",
            "items[1]",
        ),
        (
            request(add(&many)),
            Code::ResourceExhausted,
            "queue_full",
            "",
        ),
        (
            v1::EditQueueRequest {
                actor: long,
                ..request(Edit::Clear(v1::Clear {}))
            },
            Code::InvalidArgument,
            "invalid_actor",
            "actor",
        ),
        (
            v1::EditQueueRequest {
                edit: None,
                ..request(Edit::Clear(v1::Clear {}))
            },
            Code::InvalidArgument,
            "missing_field",
            "edit",
        ),
        (
            v1::EditQueueRequest {
                session_id: "nobody's".to_owned(),
                ..request(Edit::Clear(v1::Clear {}))
            },
            Code::NotFound,
            "session_not_found",
            "",
        ),
    ] {
        let refused = send(&scheduler, asked).await.unwrap_err();
        assert_eq!((refused.code(), reason(&refused).as_str()), (code, why));
        let details = refused.get_error_details();
        let violations = details
            .bad_request()
            .map(|bad| bad.field_violations.clone());
        let named = violations.into_iter().flatten().next();
        assert_eq!(named.map(|one| one.field).unwrap_or_default(), field);
        assert!(
            details.retry_info().is_none(),
            "{why}: waiting does not help"
        );
    }
    assert_eq!(queue(&scheduler).await, before);
    let empty = control(&scheduler, Action::Previous(v1::Previous::default())).await;
    let empty = empty.unwrap_err();
    assert_eq!(
        (empty.code(), reason(&empty).as_str()),
        (Code::FailedPrecondition, "no_previous_entry")
    );
    let matching = v1::EditQueueRequest {
        if_version: before.version,
        ..request(reorder(&[3, 1, 2]))
    };
    let after = send(&scheduler, matching).await.unwrap().queue.unwrap();
    assert!(after.version > before.version);
    let waits = v1::QueueStatus::Queued;
    assert_eq!(shown(&after), [("C", waits), ("A", waits), ("B", waits)]);
    for entry in &after.entries {
        let item = entry.item.as_ref().unwrap();
        assert_eq!(
            (item.stream_url.as_str(), item.download_url.as_str()),
            ("", "")
        );
        assert_eq!(entry.actor, "alice");
        assert!(entry.created_at.is_some());
    }
    scheduler.stop().await;
}

#[tokio::test]
async fn a_queue_and_what_it_plays_survive_a_leader_in_sqlite() {
    let surroundings = Surroundings::new().await;
    let (one, other) = (surroundings.store().await, surroundings.store().await);
    survives_a_leader(&surroundings, one, other).await;
}

#[tokio::test]
async fn a_queue_and_what_it_plays_survive_a_leader_in_postgres() {
    let surroundings = Surroundings::new().await;
    let server = Postgres::start().await.unwrap();
    let url = server.url();
    let open = async || {
        PostgresStore::open(&url, surroundings.seal())
            .await
            .unwrap()
    };
    let (one, other) = (open().await, open().await);
    Box::pin(survives_a_leader(&surroundings, one, other)).await;
}

async fn survives_a_leader(surroundings: &Surroundings, one: impl Store, other: impl Store) {
    let scheduler = surroundings.candidate_with(SingleCoordinator::new(), one);
    scheduler.ready().await;
    let mut worker = scheduler.attach("w1", "life-1", vec![]).await.unwrap();
    party(&scheduler).await;
    edit(&scheduler, add(&["A", "B", "C", "D"])).await;
    let lease = start(&scheduler, &mut worker).await;
    assert_eq!(titles(&lease), (Some("A"), Some("B")));
    edit(&scheduler, reorder(&[4, 3, 2])).await;
    let lease = worker
        .lease_where(|desired| desired.next.as_ref().is_some_and(|next| next.title == "D"))
        .await;
    edit(&scheduler, Edit::Remove(v1::Remove { entry_ids: vec![3] })).await;
    let before = queue(&scheduler).await;
    let (plays, waits) = (v1::QueueStatus::Playing, v1::QueueStatus::Queued);
    assert_eq!(shown(&before), [("A", plays), ("D", waits), ("B", waits)]);
    drop(worker);
    scheduler.stop().await;

    let scheduler = surroundings.candidate_with(SingleCoordinator::new(), other);
    scheduler.ready().await;
    assert_eq!(queue(&scheduler).await, before);
    let holds = vec![playing(&lease, 5_000)];
    let mut worker = scheduler.attach("w1", "life-1", holds).await.unwrap();
    let again = worker
        .lease_where(|desired| desired.current.is_some())
        .await;
    assert_eq!(titles(&again), (Some("A"), Some("D")));
    let skipping = async {
        let skip = Action::Skip(v1::Skip::default());
        control(&scheduler, skip).await.unwrap()
    };
    let carrying_out = async {
        let is_d = |desired: &v1::DesiredState| {
            desired
                .current
                .as_ref()
                .is_some_and(|item| item.title == "D")
        };
        let lease = worker.lease_where(is_d).await;
        worker.report(playing(&lease, 20)).await;
        lease
    };
    let (skipped, lease) = tokio::join!(skipping, carrying_out);
    assert!(skipped.settled);
    let session = skipped.session.unwrap();
    assert_eq!((session.entry_id, session.current_title.as_str()), (4, "D"));
    let desired = lease.desired.clone().unwrap();
    for item in [desired.current.unwrap(), desired.next.unwrap()] {
        assert_eq!(item.stream_url, SOURCE, "what waited still has its source");
    }
    let answer = edit(&scheduler, add(&["E"])).await;
    assert_eq!(answer.added_entry_ids, [5], "no id is used twice");
    scheduler.stop().await;
}

#[tokio::test]
async fn a_session_says_what_party_it_is_and_how_its_queue_stands() {
    let surroundings = Surroundings::new().await;
    let scheduler = surroundings.scheduler().await;
    let mut worker = scheduler.attach("w1", "life-1", vec![]).await.unwrap();
    let mut request = v1::CreateRequest {
        title: "Movie night".to_owned(),
        owner_user_id: "42".to_owned(),
        ..create("s")
    };
    request.set_at_queue_end(v1::AtQueueEnd::Leave);
    let mut sessions = scheduler.sessions();
    let created = sessions.create(with_token(API, request)).await.unwrap();
    let session = created.into_inner().session.unwrap();
    assert_eq!(session.title, "Movie night");
    assert_eq!(session.owner_user_id, "42");
    assert_eq!(session.at_queue_end(), v1::AtQueueEnd::Leave);
    assert_eq!(session.status(), v1::SessionStatus::Draft);
    assert_eq!((session.queued, session.entry_id), (0, 0));
    assert!(session.created_at.is_some());
    let edited = edit(&scheduler, add(&["A", "B"])).await;
    let session = edited.session.unwrap();
    assert_eq!(session.queued, 2);
    assert_eq!(session.queue_version, edited.queue.unwrap().version);
    assert_eq!(session.status(), v1::SessionStatus::Draft);
    start(&scheduler, &mut worker).await;
    let forward = Action::SeekBy(v1::SeekBy { delta_ms: 30_000 });
    let seeking = async { control(&scheduler, forward).await.unwrap() };
    let carrying_out = async {
        let lease = worker
            .lease_where(|desired| desired.anchor.is_some_and(|at| at.position_ms >= 30_000))
            .await;
        let at = lease.desired.as_ref().unwrap().anchor.unwrap().position_ms;
        worker.report(playing(&lease, at)).await;
    };
    let (answer, ()) = tokio::join!(seeking, carrying_out);
    let session = answer.session.unwrap();
    assert_eq!((session.entry_id, session.queue_entry_id), (1, 0));
    assert_eq!(session.status(), v1::SessionStatus::Playing);
    assert!(session.position_ms >= 30_000);
    assert_eq!(session.queued, 1);
    let ended = control(&scheduler, Action::End(v1::End {})).await.unwrap();
    let session = ended.session.unwrap();
    assert_eq!(session.queued, 0);
    assert_eq!(session.status(), v1::SessionStatus::Stopped);
    let empty = control(&scheduler, Action::Start(v1::Start::default())).await;
    assert_eq!(reason(&empty.unwrap_err()), "queue_empty");
    scheduler.stop().await;
}

#[tokio::test]
async fn two_hundred_entries_are_reordered_in_time() {
    let surroundings = Surroundings::new().await;
    let scheduler = surroundings.scheduler().await;
    party(&scheduler).await;
    let names: Vec<String> = (0..200).map(|number| format!("Film {number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut order = edit(&scheduler, add(&names)).await.added_entry_ids;
    // The best of some: others may use this machine, too.
    let mut best = Duration::MAX;
    for _ in 0..10 {
        order.reverse();
        let began = Instant::now();
        let answer = edit(&scheduler, reorder(&order)).await;
        best = best.min(began.elapsed());
        let entries = answer.queue.unwrap().entries;
        let ids = entries
            .iter()
            .map(|entry| entry.item.as_ref().unwrap().entry_id);
        assert!(ids.eq(order.iter().copied()));
    }
    println!("the best of ten reorders of two hundred: {best:?}");
    assert!(best <= REORDER, "{best:?}");
    scheduler.stop().await;
}
