//! A connection: its time-outs, and how it is made anew.

use std::io::ErrorKind;
use std::str::FromStr;
use std::time::{Duration, Instant};

use orb_scheduler_core::Epoch;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{Connection, Row};
use tokio::sync::{Mutex, MutexGuard};

use crate::Error;
use crate::error::is_lost;

/// What `pg_stat_activity` shows.
const APPLICATION_NAME: &str = "orb-scheduler";

/// A leader that stands still (SIGSTOP, a cut network) in the middle of a transaction holds the fence for so
/// long at most, then the server ends its session. Between two statements of a batch a running leader needs
/// microseconds.
const IDLE_IN_TRANSACTION: Duration = Duration::from_secs(1);

/// Waiting for the fence: outlasts a predecessor that stands still, with room for its rollback. Shorter
/// than [`STATEMENT`], so that the error says which of them it was.
const LOCK: Duration = Duration::from_secs(3);

/// A statement of a batch takes milliseconds; one that takes longer than this hangs on a sick disk, and the
/// fence with it.
const STATEMENT: Duration = Duration::from_secs(5);

/// The client's own patience, for a network that swallows packets: over [`STATEMENT`], because a server that
/// still speaks names the reason.
const ANSWER: Duration = Duration::from_secs(8);

/// One attempt to connect, TLS and password included.
const CONNECT: Duration = Duration::from_secs(3);

/// A server that restarts takes connections again within a second or two; callers wait so long before they
/// are told that the store is away.
const RECONNECT: Duration = Duration::from_secs(5);

/// Between two attempts to connect.
const RECONNECT_EVERY: Duration = Duration::from_millis(50);

/// Begins a transaction and takes the fence, in one round trip.
const BEGIN: &str = "BEGIN; SELECT epoch FROM leader WHERE only_row = 1 FOR SHARE";

/// Ends once every transaction that held the fence has: each of them waits for, and is waited for by, this lock.
const SETTLE: &str = "BEGIN; LOCK TABLE leader IN EXCLUSIVE MODE; COMMIT";

/// Makes connections, and keeps the one that rests between two calls.
///
/// One is enough for all that is written: a leader commits one batch after the other. It also makes the fence fair,
/// because a leader's transactions do not overlap, and keeps the order of commits the order of calls.
pub(super) struct Link {
    options: PgConnectOptions,
    resting: Mutex<Option<PgConnection>>,
}

/// A connection in use. Whoever drops it without [`Held::rest`] closes it, whatever state it is in: the server
/// rolls back what was open. So neither an error nor a dropped future leaves half a conversation behind.
pub(super) struct Held<'a> {
    pub(super) connection: PgConnection,
    place: MutexGuard<'a, Option<PgConnection>>,
    has_rested: bool,
}

impl Link {
    /// `url` is `postgres://user:password@host:port/database`, with libpq's parameters, such as `sslmode`.
    pub(super) fn new(url: &str) -> Result<Self, Error> {
        let options = PgConnectOptions::from_str(url)?
            .application_name(APPLICATION_NAME)
            .options([
                (
                    "idle_in_transaction_session_timeout",
                    ms(IDLE_IN_TRANSACTION),
                ),
                ("lock_timeout", ms(LOCK)),
                ("statement_timeout", ms(STATEMENT)),
                // What is acknowledged is durable, whatever the server's default.
                ("synchronous_commit", "on".to_owned()),
                // The server's side of a connection whose host has vanished goes away by itself.
                ("tcp_keepalives_idle", "10".to_owned()),
                ("tcp_keepalives_interval", "5".to_owned()),
                ("tcp_keepalives_count", "3".to_owned()),
                ("tcp_user_timeout", ms(ANSWER)),
                // Statements find their rows by key. A plan that was kept from when a table was small must
                // not go on reading all of it when it has grown.
                ("enable_seqscan", "off".to_owned()),
                // Nor is a plan made anew for every batch, whatever the number of its rows: that costs as much as to
                // carry out a small one.
                ("plan_cache_mode", "force_generic_plan".to_owned()),
                ("jit", "off".to_owned()),
                // Not every "already exists" of the migrations.
                ("client_min_messages", "warning".to_owned()),
            ]);
        Ok(Self {
            options,
            resting: Mutex::new(None),
        })
    }

    /// The server and the database, without the password.
    pub(super) fn place(&self) -> String {
        let (host, port) = (self.options.get_host(), self.options.get_port());
        let database = self.options.get_database().unwrap_or("of the user's name");
        format!("PostgreSQL at {host}:{port}, database {database}")
    }

    /// The connection that rests, or a new one.
    pub(super) async fn hold(&self) -> Result<Held<'_>, Error> {
        let mut place = self.resting.lock().await;
        let rested = place.take();
        let has_rested = rested.is_some();
        let connection = match rested {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        Ok(Held {
            connection,
            place,
            has_rested,
        })
    }

    /// A transaction that holds the fence for `epoch`.
    pub(super) async fn begin(&self, epoch: Epoch) -> Result<Held<'_>, Error> {
        loop {
            let mut held = self.hold().await?;
            let begun = held
                .answer(async |connection: &mut PgConnection| {
                    sqlx::raw_sql(BEGIN).fetch_one(connection).await
                })
                .await;
            match begun {
                Ok(row) if row.try_get::<i64, _>(0)? == epoch.get() as i64 => return Ok(held),
                Ok(_) => {
                    held.roll_back().await;
                    return Err(Error::NotLeader { epoch });
                }
                // Nothing was written yet: once more, with a new connection.
                Err(error) if held.died_at_rest(&error) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// A connection that sees the outcome of every transaction that was ever fenced before now.
    pub(super) async fn settle(&self) -> Result<Held<'_>, Error> {
        loop {
            let mut held = self.hold().await?;
            let settled = held
                .answer(async |connection: &mut PgConnection| {
                    sqlx::raw_sql(SETTLE).execute(connection).await
                })
                .await;
            match settled {
                Ok(_) => return Ok(held),
                Err(error) if held.died_at_rest(&error) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// A new connection; waits for a server that restarts.
    pub(super) async fn connect(&self) -> Result<PgConnection, Error> {
        let give_up = Instant::now() + RECONNECT;
        loop {
            let error = match within(CONNECT, PgConnection::connect_with(&self.options)).await {
                Ok(connection) => return Ok(connection),
                // So rustls says that it does not trust the certificate.
                Err(sqlx::Error::Io(error)) if error.kind() == ErrorKind::InvalidData => {
                    return Err(Error::Refused(sqlx::Error::Io(error)));
                }
                Err(error) => Error::from(error),
            };
            if !error.is_retryable() || Instant::now() > give_up {
                return Err(error);
            }
            tracing::debug!(%error, "cannot connect to the database yet");
            tokio::time::sleep(RECONNECT_EVERY).await;
        }
    }
}

impl std::fmt::Debug for Link {
    /// The options hold a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link")
            .field("host", &self.options.get_host())
            .finish_non_exhaustive()
    }
}

impl Held<'_> {
    /// One exchange with the server, or [`sqlx::Error::Io`] when it does not answer.
    pub(super) async fn answer<T>(
        &mut self,
        exchange: impl AsyncFnOnce(&mut PgConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, sqlx::Error> {
        within(ANSWER, exchange(&mut self.connection)).await
    }

    /// Whether a failure only shows that the server closed the connection since its last use.
    pub(super) fn died_at_rest(&self, error: &sqlx::Error) -> bool {
        self.has_rested && is_lost(error)
    }

    /// Commits, and gives the connection back.
    pub(super) async fn commit(mut self) -> Result<(), Error> {
        let committed = self
            .answer(async |connection: &mut PgConnection| {
                sqlx::raw_sql("COMMIT").execute(connection).await
            })
            .await;
        match committed {
            Ok(_) => {
                self.rest();
                Ok(())
            }
            Err(error) if is_lost(&error) => Err(Error::InDoubt(error)),
            // A check that was deferred to the commit: rolled back.
            Err(error) => Err(error.into()),
        }
    }

    /// Nothing was written; a failure costs the connection only.
    async fn roll_back(mut self) {
        let rolled_back = self
            .answer(async |connection: &mut PgConnection| {
                sqlx::raw_sql("ROLLBACK").execute(connection).await
            })
            .await;
        if rolled_back.is_ok() {
            self.rest();
        }
    }

    /// Gives the connection back: it is in no transaction.
    pub(super) fn rest(mut self) {
        *self.place = Some(self.connection);
    }
}

/// The outcome of the work, or [`sqlx::Error::Io`] when it takes longer.
pub(super) async fn within<T, E: From<sqlx::Error>>(
    limit: Duration,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    tokio::time::timeout(limit, work).await.unwrap_or_else(|_| {
        let error = std::io::Error::new(ErrorKind::TimedOut, "no answer in time");
        Err(sqlx::Error::Io(error).into())
    })
}

fn ms(duration: Duration) -> String {
    duration.as_millis().to_string()
}
