//! Looking at a store's sessions from the server's side, and stopping them where it matters.

use std::pin::Pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::database::PostgresServer;

const DEADLINE: Duration = Duration::from_secs(10);

/// A table that nobody else can use until this is let go.
pub(crate) struct Blocked(PgConnection);

impl Blocked {
    pub(crate) async fn let_go(mut self) {
        sqlx::raw_sql("COMMIT").execute(&mut self.0).await.unwrap();
        self.0.close().await.unwrap();
    }
}

impl PostgresServer {
    pub(crate) async fn block(&self, table: &str) -> Blocked {
        let mut connection = self.connect().await;
        let sql = format!("BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE");
        sqlx::raw_sql(AssertSqlSafe(sql))
            .execute(&mut connection)
            .await
            .unwrap();
        Blocked(connection)
    }

    /// How many sessions of stores look like this.
    pub(crate) async fn stores(&self, condition: &str) -> i64 {
        let sql = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'orb-scheduler' AND ({condition})"
        );
        let mut connection = self.connect().await;
        sqlx::query_scalar(AssertSqlSafe(sql))
            .fetch_one(&mut connection)
            .await
            .unwrap()
    }

    pub(crate) async fn until(&self, count: i64, condition: &str) {
        let deadline = Instant::now() + DEADLINE;
        while self.stores(condition).await != count {
            assert!(Instant::now() < deadline, "never {count} with {condition}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Ends the sessions of stores that look like this, as an administrator does.
    pub(crate) async fn terminate(&self, condition: &str) {
        let sql = format!(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
             WHERE application_name = 'orb-scheduler' AND ({condition})"
        );
        let mut connection = self.connect().await;
        let ended: i64 = sqlx::query_scalar(AssertSqlSafe(sql))
            .fetch_one(&mut connection)
            .await
            .unwrap();
        assert_eq!(ended, 1, "no session with {condition}");
    }

    /// Runs a store's call until its session looks like this, and then no further, as if its process had been
    /// stopped there. It has to look like this for longer than a look takes.
    pub(crate) async fn run_until<F: Future>(&self, mut call: Pin<&mut F>, condition: &str) {
        let deadline = Instant::now() + DEADLINE;
        while self.stores(condition).await != 1 {
            let Poll::Pending = futures::poll!(call.as_mut()) else {
                panic!("the call ended before {condition}");
            };
            assert!(Instant::now() < deadline, "never {condition}");
        }
    }

    /// Runs a store's call until it has begun a transaction and come to this table, and then no further: the server
    /// waits for its next word.
    pub(crate) async fn stop_at<F: Future>(&self, call: Pin<&mut F>, table: &str) {
        let block = self.block(table).await;
        self.run_until(call, BLOCKED).await;
        block.let_go().await;
        self.until(1, STANDS_IN_TRANSACTION).await;
    }
}

/// Waits for a lock.
pub(crate) const BLOCKED: &str = "wait_event_type = 'Lock'";
/// In a transaction, and it is the client's turn.
pub(crate) const STANDS_IN_TRANSACTION: &str = "state = 'idle in transaction'";
/// `COMMIT` waits for a replica that does not exist: it is on disk here, and not answered.
pub(crate) const COMMIT_UNANSWERED: &str = "wait_event = 'SyncRep'";
/// `COMMIT` is carried out; see [`SLOW_COMMITS`].
pub(crate) const COMMITS_SLOWLY: &str = "wait_event = 'PgSleep'";

/// Every commit that writes an event takes more than a second.
pub(crate) const SLOW_COMMITS: &str = "
    CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN PERFORM pg_sleep(1.5); RETURN NULL; END';
    CREATE CONSTRAINT TRIGGER dawdle AFTER INSERT ON watch_party_events
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION dawdle()";
