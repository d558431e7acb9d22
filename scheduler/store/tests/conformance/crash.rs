//! Connections that are cut and servers that die, at the moments that matter.

use std::pin::pin;
use std::sync::Arc;

use orb_cluster::Postgres;
use orb_scheduler_core::{CommandId, Epoch};
use orb_scheduler_store::{AnyStore, Error, PostgresStore, Store};

use crate::database::{Database, PostgresServer, seal};
use crate::records::{ALL, NOW, command, event, records, session, write, write_command};
use crate::server::{BLOCKED, COMMIT_UNANSWERED, COMMITS_SLOWLY, SLOW_COMMITS};

async fn leading(database: &PostgresServer) -> (Epoch, Arc<PostgresStore>) {
    let store = database.open().await;
    let epoch = store.lead(Epoch::default()).await.unwrap();
    let first = vec![write(session())];
    store.commit(epoch, first, NOW).await.unwrap();
    (epoch, Arc::new(store))
}

async fn events(database: &PostgresServer) -> usize {
    let events = database.texts("SELECT payload_json FROM watch_party_events");
    events.await.len()
}

#[tokio::test]
async fn cut_before_the_commit_nothing_is_written_and_the_next_one_is() {
    let database = PostgresServer::new().await;
    let (epoch, store) = leading(&database).await;
    let block = database.block("commands").await;
    let commit = tokio::spawn({
        let store = store.clone();
        async move {
            let writes = vec![event(1), write_command("c")];
            store.commit(epoch, writes, NOW).await
        }
    });
    database.until(1, BLOCKED).await;
    database.terminate(BLOCKED).await;
    let error = commit.await.unwrap().unwrap_err();
    assert_eq!(error.code(), "store_unavailable", "{error}");
    assert!(error.is_retryable());
    block.let_go().await;
    assert_eq!(events(&database).await, 0);
    let again = vec![event(1), write_command("c")];
    store.commit(epoch, again, NOW).await.unwrap();
    assert_eq!(events(&database).await, 1);
}

#[tokio::test]
async fn cut_after_the_commit_the_outcome_is_in_doubt_and_the_command_known() {
    let database = PostgresServer::new().await;
    let (epoch, store) = leading(&database).await;
    // Before long a commit is on disk, then waits for a replica that there is not: its answer never comes.
    for setting in [
        "ALTER SYSTEM SET synchronous_standby_names = 'nobody'",
        "SELECT pg_reload_conf()",
    ] {
        database.execute(setting).await;
    }
    let commits = tokio::spawn({
        let store = store.clone();
        async move {
            for number in 0.. {
                let writes = vec![event(number), write_command(&number.to_string())];
                if let Err(error) = store.commit(epoch, writes, NOW).await {
                    return (number, error);
                }
            }
            unreachable!("one of them is not answered")
        }
    });
    database.until(1, COMMIT_UNANSWERED).await;
    database.terminate(COMMIT_UNANSWERED).await;
    let (number, error) = commits.await.unwrap();
    assert_eq!(error.code(), "store_in_doubt", "{error}");
    assert!(error.is_retryable());
    for setting in [
        "ALTER SYSTEM RESET synchronous_standby_names",
        "SELECT pg_reload_conf()",
    ] {
        database.execute(setting).await;
    }
    assert_eq!(records(store.load(ALL).await.unwrap()), [session()]);
    let id = number.to_string();
    let known = store.command(&CommandId(id.clone())).await.unwrap();
    assert_eq!(known, Some(command(&id)), "a retry gets the first outcome");
    assert_eq!(events(&database).await as u64, number + 1);
}

#[tokio::test]
async fn a_commit_that_nobody_waits_for_any_more_is_in_the_next_load() {
    let database = PostgresServer::new().await;
    let (epoch, store) = leading(&database).await;
    database.execute(SLOW_COMMITS).await;
    let mut moved = session();
    moved.position_ms = 9_000;
    {
        let mut commit = pin!(store.commit(epoch, vec![write(moved.clone()), event(1)], NOW));
        database.run_until(commit.as_mut(), COMMITS_SLOWLY).await;
    }
    assert_eq!(
        database.stores(COMMITS_SLOWLY).await,
        1,
        "the server still carries it out"
    );
    assert_eq!(records(store.load(ALL).await.unwrap()), [moved]);
}

#[tokio::test]
async fn a_server_that_restarts_between_two_calls_is_not_noticed() {
    let mut database = PostgresServer::new().await;
    let (epoch, store) = leading(&database).await;
    let restart = async |server: &mut Postgres| {
        server.stop().await.unwrap();
        server.run().await.unwrap();
    };
    restart(&mut database.server).await;
    store.commit(epoch, vec![event(1)], NOW).await.unwrap();
    restart(&mut database.server).await;
    let known = store.command(&CommandId("c".to_owned())).await.unwrap();
    assert_eq!(known, None);
    restart(&mut database.server).await;
    assert_eq!(records(store.load(ALL).await.unwrap()), [session()]);
    restart(&mut database.server).await;
    assert!(store.account_sessions().await.unwrap().is_empty());
    // Also one that is away when it is asked, and comes back within the store's patience.
    database.server.stop().await.unwrap();
    let commit = tokio::spawn(async move { store.commit(epoch, vec![event(2)], NOW).await });
    database.server.run().await.unwrap();
    commit.await.unwrap().unwrap();
    assert_eq!(events(&database).await, 2);
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_crash_of_the_server() {
    let mut database = PostgresServer {
        server: Postgres::start_with(&[]).await.unwrap(),
    };
    let (epoch, store) = leading(&database).await;
    let writer = tokio::spawn({
        let store = store.clone();
        async move {
            for number in 0.. {
                if store.commit(epoch, vec![event(number)], NOW).await.is_err() {
                    return number;
                }
            }
            unreachable!("the server dies before")
        }
    });
    while events(&database).await < 50 {}
    database.server.crash().await.unwrap();
    // The store waits for the server as long as it is patient, and then says so.
    let acknowledged = writer.await.unwrap();
    assert!(acknowledged >= 50);
    database.server.run().await.unwrap();
    let stored = events(&database).await as u64;
    assert!(
        stored == acknowledged || stored == acknowledged + 1,
        "{acknowledged} acknowledged, {stored} stored"
    );
    store.commit(epoch, vec![event(1)], NOW).await.unwrap();
}

#[tokio::test]
async fn what_no_retry_mends_is_final_and_says_no_password() {
    let database = PostgresServer::new().await;
    let port = database.server.port();
    for (url, code, retryable) in [
        (
            format!("postgres://postgres:hunter2@127.0.0.1:{port}/nothing"),
            "store_refused",
            false,
        ),
        (
            format!("postgres://nobody:hunter2@127.0.0.1:{port}/postgres"),
            "store_refused",
            false,
        ),
        (
            format!("postgres://postgres:hunter2@127.0.0.1:{port}/postgres?sslmode=require"),
            "store_refused",
            false,
        ),
        (
            format!("postgres://postgres:hunter2@127.0.0.1:{port}x/postgres"),
            "store_refused",
            false,
        ),
        (
            "postgres://postgres:hunter2@127.0.0.1:9/postgres".to_owned(),
            "store_unavailable",
            true,
        ),
        (
            "mysql://root:hunter2@127.0.0.1/orb".to_owned(),
            "store_unknown_kind",
            false,
        ),
    ] {
        let error = AnyStore::open(&url, seal("token")).await.unwrap_err();
        assert_eq!(
            (error.code(), error.is_retryable()),
            (code, retryable),
            "{error}"
        );
        assert!(
            !format!("{error} {error:?}").contains("hunter2"),
            "{error:?}"
        );
    }
    let url = database
        .server
        .url()
        .replace("postgres@", "postgres:hunter2@");
    let store = AnyStore::open(&url, seal("token")).await.unwrap();
    assert!(!format!("{store:?}").contains("hunter2"), "{store:?}");
    store.lead(Epoch::default()).await.unwrap();
    assert!(store.load(ALL).await.unwrap().is_empty());
}

#[tokio::test]
async fn tables_of_a_newer_version_are_left_alone() {
    let database = PostgresServer::new().await;
    let (epoch, store) = leading(&database).await;
    database
        .execute(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
             VALUES (9999, 'of a newer version', true, '', 0)",
        )
        .await;
    let error = database
        .open()
        .await
        .lead(Epoch::default())
        .await
        .unwrap_err();
    assert_eq!(error.code(), "store_migration");
    assert!(matches!(error, Error::Migration(_)) && !error.is_retryable());
    // Whoever led still does.
    store.commit(epoch, vec![event(1)], NOW).await.unwrap();
}
