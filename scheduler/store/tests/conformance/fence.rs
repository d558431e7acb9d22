//! Epochs, and many writers at once: the same in every store.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use orb_scheduler_core::{Epoch, FencingToken, Incarnation, Lease, WorkerId};
use orb_scheduler_store::{AccountSession, Error, Store};
use tokio::task::JoinSet;

use crate::database::Database;
use crate::records::{ALL, NOW, event, records, session, session_named, write, write_command};

pub(crate) async fn a_leader_that_was_replaced_writes_nothing<D: Database>() {
    let database = D::new().await;
    let old = database.open().await;
    let stale = old.lead(Epoch::default()).await.unwrap();
    let before = vec![write_command("before")];
    old.commit(stale, before, NOW).await.unwrap();
    let new = database.open().await;
    let epoch = new.lead(Epoch::default()).await.unwrap();
    assert!(epoch > stale);
    let refused = |result: Result<(), Error>| {
        let error = result.unwrap_err();
        assert!(matches!(error, Error::NotLeader { epoch } if epoch == stale));
        assert_eq!(error.code(), "not_leader");
        assert!(!error.is_retryable());
    };
    refused(old.commit(stale, vec![write(session())], NOW).await);
    let gateway = AccountSession {
        account_id: 9,
        shard: 0,
        shards: 1,
        session: "stale".to_owned(),
    };
    refused(old.save_account_sessions(stale, vec![gateway], NOW).await);
    refused(old.forget_commands(stale, NOW + 1).await);
    refused(old.commit(stale, vec![], NOW).await);
    assert!(new.load(ALL).await.unwrap().is_empty());
    assert!(new.account_sessions().await.unwrap().is_empty());
    let commands = database.texts("SELECT id FROM commands").await;
    assert_eq!(commands, [[Some("before".to_owned())]]);
    // Nor does an epoch count that nobody was given yet.
    let ahead = Epoch::new(epoch.get() + 1);
    let result = new.commit(ahead, vec![write(session())], NOW).await;
    assert!(matches!(result, Err(Error::NotLeader { .. })));
    new.commit(epoch, vec![write(session())], NOW)
        .await
        .unwrap();
}

pub(crate) async fn a_leader_that_was_replaced_is_told_so_without_writing<D: Database>() {
    let database = D::new().await;
    let old = database.open().await;
    let stale = old.lead(Epoch::default()).await.unwrap();
    old.confirm(stale).await.unwrap();
    let new = database.open().await;
    let epoch = new.lead(Epoch::default()).await.unwrap();
    let refused = old.confirm(stale).await.unwrap_err();
    assert!(matches!(refused, Error::NotLeader { epoch } if epoch == stale));
    new.confirm(epoch).await.unwrap();
}

pub(crate) async fn the_epoch_rises_above_what_was_asked_for_and_what_was_stored<D: Database>() {
    let database = D::new().await;
    let store = database.open().await;
    assert_eq!(store.lead(Epoch::new(100)).await.unwrap(), Epoch::new(100));
    assert_eq!(store.lead(Epoch::new(5)).await.unwrap(), Epoch::new(101));
    let other = database.open().await;
    assert_eq!(other.lead(Epoch::default()).await.unwrap(), Epoch::new(102));
}

pub(crate) async fn many_tasks_write_at_once<D: Database>() {
    const TASKS: u64 = 8;
    const COMMITS: u64 = 12;
    let database = D::new().await;
    let store = Arc::new(database.open().await);
    let epoch = store.lead(Epoch::default()).await.unwrap();
    let first = vec![write(session())];
    store.commit(epoch, first, NOW).await.unwrap();
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let store = store.clone();
        tasks.spawn(async move {
            for commit in 0..COMMITS {
                let mut record = session_named(&format!("s{task}"));
                record.position_ms = commit;
                let number = task * COMMITS + commit;
                // All of them write to one row besides their own.
                let writes = vec![write(record), write(session()), event(number)];
                store.commit(epoch, writes, NOW).await.unwrap();
            }
        });
    }
    tasks.join_all().await;
    let loaded = store.load(ALL).await.unwrap();
    assert_eq!(loaded.len() as u64, TASKS + 1);
    let newest = loaded
        .iter()
        .filter(|s| s.record.position_ms == COMMITS - 1);
    assert_eq!(newest.count() as u64, TASKS);
    let events = numbers(&database).await;
    assert_eq!(events.len() as u64, TASKS * COMMITS);
    assert_eq!(
        events.into_iter().collect::<BTreeSet<_>>().len() as u64,
        TASKS * COMMITS
    );
}

/// Schedulers that each believe to lead from time to time: what is stored looks as if one had led after the
/// other, whatever they did at once, and what was acknowledged is there once.
pub(crate) async fn leaders_that_replace_each_other_never_interleave<D: Database>() {
    const SCHEDULERS: u64 = 4;
    const TERMS: u64 = 5;
    const BY_TERM: u64 = 6;
    const EPOCH: u64 = 1_000_000;
    let database = D::new().await;
    let store = database.open().await;
    let epoch = store.lead(Epoch::default()).await.unwrap();
    let first = vec![write(session())];
    store.commit(epoch, first, NOW).await.unwrap();
    let serial = Arc::new(AtomicU64::new(0));
    let mut schedulers = JoinSet::new();
    for _ in 0..SCHEDULERS {
        let store = database.open().await;
        let serial = serial.clone();
        schedulers.spawn(async move {
            let mut acknowledged = Vec::new();
            for _ in 0..TERMS {
                let epoch = store.lead(Epoch::default()).await.unwrap();
                for _ in 0..BY_TERM {
                    let number = epoch.get() * EPOCH + serial.fetch_add(1, Ordering::Relaxed);
                    match store.commit(epoch, vec![event(number)], NOW).await {
                        Ok(()) => acknowledged.push(number),
                        Err(Error::NotLeader { .. }) => break,
                        Err(error) => panic!("{error}"),
                    }
                    tokio::task::yield_now().await;
                }
            }
            acknowledged
        });
    }
    let mut acknowledged = schedulers.join_all().await.concat();
    let stored = numbers(&database).await;
    assert!(
        stored.is_sorted_by_key(|number| number / EPOCH),
        "an older epoch wrote after a newer one: {stored:?}"
    );
    acknowledged.sort_unstable();
    let mut stored = stored;
    stored.sort_unstable();
    assert_eq!(stored, acknowledged);
    assert!(stored.len() as u64 >= TERMS, "somebody led");
}

/// The events' numbers, in the order in which they were written.
async fn numbers<D: Database>(database: &D) -> Vec<u64> {
    database
        .texts("SELECT payload_json FROM watch_party_events ORDER BY id")
        .await
        .iter()
        .map(|row| row[0].as_deref().unwrap().parse().unwrap())
        .collect()
}

pub(crate) async fn a_stale_leaders_grant_and_its_process_are_not_stored<D: Database>() {
    let granted = |token, incarnation: &str| {
        let mut record = session();
        let token = FencingToken::new(token);
        record.last_token = token;
        record.lease = Some(Lease {
            worker: WorkerId::new("w1"),
            incarnation: Incarnation::new(incarnation),
            token,
        });
        record
    };
    let database = D::new().await;
    let old = database.open().await;
    let stale = old.lead(Epoch::default()).await.unwrap();
    old.commit(stale, vec![write(granted(1, "life-1"))], NOW)
        .await
        .unwrap();
    let new = database.open().await;
    let epoch = new.lead(Epoch::default()).await.unwrap();
    let newest = granted(2, "life-2");
    new.commit(epoch, vec![write(newest.clone())], NOW)
        .await
        .unwrap();
    // The stale leader would renew the first life's lease, or grant one that nobody has had.
    for token in [1, 2, 9] {
        let renewed = vec![write(granted(token, "life-1"))];
        let refused = old.commit(stale, renewed, NOW).await.unwrap_err();
        assert!(matches!(refused, Error::NotLeader { epoch } if epoch == stale));
    }
    assert_eq!(records(new.load(ALL).await.unwrap()), [newest]);
}
