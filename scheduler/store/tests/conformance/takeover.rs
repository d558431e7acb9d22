//! Two leaders at once on one PostgreSQL: every order in which their transactions can meet.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use orb_scheduler_core::{Epoch, QueueStatus};
use orb_scheduler_store::{Error, PostgresStore, Store};
use tokio::task::JoinSet;

use crate::database::{Database, PostgresServer};
use crate::records::{ALL, NOW, event, queue, records, session, write};
use crate::server::BLOCKED;

/// The old leader's epoch and store, with a session stored, and a new scheduler's store.
async fn two(database: &PostgresServer) -> (Epoch, Arc<PostgresStore>, Arc<PostgresStore>) {
    let old = database.open().await;
    let epoch = old.lead(Epoch::default()).await.unwrap();
    let first = vec![write(session())];
    old.commit(epoch, first, NOW).await.unwrap();
    (epoch, Arc::new(old), Arc::new(database.open().await))
}

async fn events(database: &PostgresServer) -> usize {
    let events = database.texts("SELECT payload_json FROM watch_party_events");
    events.await.len()
}

#[tokio::test]
async fn a_transaction_under_way_is_waited_for_and_loaded() {
    let database = PostgresServer::new().await;
    let (epoch, old, new) = two(&database).await;
    let block = database.block("watch_party_worker_state").await;
    let writes = {
        let mut moved = session();
        moved.position_ms = 7_000;
        vec![write(moved), crate::records::worker_state(7_000)]
    };
    let commit = tokio::spawn({
        let old = old.clone();
        async move { old.commit(epoch, writes, NOW).await }
    });
    database.until(1, BLOCKED).await;
    let lead = tokio::spawn({
        let new = new.clone();
        async move { new.lead(Epoch::default()).await }
    });
    database.until(2, BLOCKED).await;
    assert!(!lead.is_finished());
    block.let_go().await;
    commit.await.unwrap().unwrap();
    assert!(lead.await.unwrap().unwrap() > epoch);
    assert_eq!(new.load(ALL).await.unwrap()[0].record.position_ms, 7_000);
    let late = old.commit(epoch, vec![event(1)], NOW).await;
    assert!(matches!(late, Err(Error::NotLeader { .. })));
}

/// The old leader stands still at `table` in the middle of a commit, until a new one has written. What it hears then.
async fn stopped_at(table: &str) -> Error {
    let database = PostgresServer::new().await;
    let (epoch, old, new) = two(&database).await;
    let writes = vec![queue(1, QueueStatus::Queued), event(1)];
    let mut commit = pin!(old.commit(epoch, writes, NOW));
    database.stop_at(commit.as_mut(), table).await;
    // It waits no longer than for a lock: the server ends the session that stands still.
    let newer = new.lead(Epoch::default()).await.unwrap();
    assert!(newer > epoch);
    assert_eq!(records(new.load(ALL).await.unwrap()), [session()]);
    new.commit(newer, vec![event(2)], NOW).await.unwrap();
    // It wakes up.
    let error = commit.await.unwrap_err();
    assert!(error.is_retryable(), "{error}");
    let again = old.commit(epoch, vec![event(1)], NOW).await;
    assert!(matches!(again, Err(Error::NotLeader { .. })));
    assert_eq!(events(&database).await, 1);
    error
}

#[tokio::test]
async fn a_leader_stopped_within_a_transaction_is_put_out_and_wakes_up_to_nothing() {
    let error = Box::pin(stopped_at("watch_party_queue")).await;
    assert_eq!(error.code(), "store_unavailable");
}

#[tokio::test]
async fn a_leader_stopped_before_its_commit_is_put_out_and_does_not_know_what_became_of_it() {
    // All that is left for it to say is COMMIT.
    let error = Box::pin(stopped_at("watch_party_events")).await;
    assert_eq!(error.code(), "store_in_doubt");
}

#[tokio::test]
async fn a_leader_that_wakes_up_while_another_takes_over_writes_nothing() {
    let database = PostgresServer::new().await;
    let (epoch, old, new) = two(&database).await;
    // The new one has the fence, and has not raised the epoch yet.
    let block = database.block("_sqlx_migrations").await;
    let lead = tokio::spawn(async move { new.lead(Epoch::default()).await });
    database.until(1, BLOCKED).await;
    let commit = tokio::spawn(async move { old.commit(epoch, vec![event(1)], NOW).await });
    database.until(2, BLOCKED).await;
    assert!(!commit.is_finished());
    block.let_go().await;
    assert!(lead.await.unwrap().unwrap() > epoch);
    let result = commit.await.unwrap();
    assert!(matches!(result, Err(Error::NotLeader { .. })));
    assert_eq!(events(&database).await, 0);
}

#[tokio::test]
async fn a_leader_that_failed_to_take_over_changes_nothing() {
    let database = PostgresServer::new().await;
    let (epoch, old, new) = two(&database).await;
    {
        let mut lead = pin!(new.lead(Epoch::default()));
        database.stop_at(lead.as_mut(), "_sqlx_migrations").await;
    }
    old.commit(epoch, vec![event(1)], NOW).await.unwrap();
    assert_eq!(events(&database).await, 1);
}

/// A row lock alone would let sharers overtake the one who waits to have it for itself.
#[tokio::test]
async fn transactions_that_overlap_without_end_do_not_keep_a_new_leader_out() {
    let database = PostgresServer::new().await;
    let (epoch, old, new) = two(&database).await;
    drop(old);
    database
        .execute(
            "CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS \
             'BEGIN PERFORM pg_sleep(0.1); RETURN NULL; END'; \
             CREATE TRIGGER dawdle AFTER INSERT ON watch_party_events \
             FOR EACH ROW EXECUTE FUNCTION dawdle()",
        )
        .await;
    let mut writers = JoinSet::new();
    for _ in 0..4 {
        let store = database.open().await;
        writers.spawn(async move {
            for _ in 0..100 {
                if let Err(error) = store.commit(epoch, vec![event(1)], NOW).await {
                    return error;
                }
            }
            panic!("they write on")
        });
    }
    database.until(4, "wait_event = 'PgSleep'").await;
    let began = Instant::now();
    assert!(new.lead(Epoch::default()).await.unwrap() > epoch);
    assert!(
        began.elapsed() < Duration::from_secs(2),
        "{:?}",
        began.elapsed()
    );
    for error in writers.join_all().await {
        assert!(matches!(error, Error::NotLeader { .. }), "{error}");
    }
}

#[tokio::test]
async fn two_that_lead_an_empty_database_at_once_get_two_epochs() {
    let database = PostgresServer::new().await;
    let (first, second) = (database.open().await, database.open().await);
    let none = "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'";
    assert!(
        database.texts(none).await.is_empty(),
        "a standby that only opens leaves the tables alone"
    );
    let (one, other) = tokio::join!(first.lead(Epoch::default()), second.lead(Epoch::default()));
    let (one, other) = (one.unwrap(), other.unwrap());
    let newer = if one > other { first } else { second };
    newer
        .commit(one.max(other), vec![write(session())], NOW)
        .await
        .unwrap();
    assert_eq!(one.get() + other.get(), 3);
}
