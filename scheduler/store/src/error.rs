//! Errors of the store.

use orb_scheduler_core::Epoch;
use sqlx::error::{DatabaseError, ErrorKind};
use sqlx::postgres::PgDatabaseError;

/// Why the store could not do it. But for [`Error::InDoubt`], nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another leader has taken over; step down.
    #[error("epoch {epoch} is no longer the leader's; this scheduler must step down")]
    NotLeader {
        /// The epoch that tried to write.
        epoch: Epoch,
    },
    /// The database did not answer, or has no room or no time just now.
    #[error(
        "the database did not carry it out: {0}; check that it runs and that its disk is writable and not full"
    )]
    Unavailable(#[source] sqlx::Error),
    /// `COMMIT` was sent and no answer came. [`crate::Store::load`] shows what became of it.
    #[error("whether the database carried it out is not known: {0}; load the state anew")]
    InDoubt(#[source] sqlx::Error),
    /// What was to be written contradicts what is stored.
    #[error("what is stored contradicts what was to be written: {0}; load the state anew")]
    Conflict(#[source] sqlx::Error),
    /// The database refuses for good: password, rights, certificate, another version's tables.
    #[error("the database refuses: {0}; check ORB_DATABASE_URL and the rights of its user")]
    Refused(#[source] sqlx::Error),
    /// The migrations could not be applied.
    #[error(
        "the database's tables could not be brought up to date: {0}; restore the backup or use the newer orb"
    )]
    Migration(#[source] sqlx::migrate::MigrateError),
    /// A row does not read as what this version writes.
    #[error("a stored row of {table} is not readable: {reason}; it was written by another version")]
    Corrupt {
        /// Where.
        table: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// No store speaks this kind of URL.
    #[error(
        "the database's URL is of no known kind; give sqlite://<path> or postgres://<server>/<name>"
    )]
    UnknownKind,
}

impl Error {
    /// Stable, of `docs/errors.md`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotLeader { .. } => "not_leader",
            Self::Unavailable(_) => "store_unavailable",
            Self::InDoubt(_) => "store_in_doubt",
            Self::Conflict(_) => "store_conflict",
            Self::Refused(_) => "store_refused",
            Self::Migration(_) => "store_migration",
            Self::Corrupt { .. } => "store_corrupt",
            Self::UnknownKind => "store_unknown_kind",
        }
    }

    /// Whether it may go better after loading the state anew. Otherwise this process cannot lead with this
    /// database.
    pub fn is_retryable(&self) -> bool {
        matches!(
            self,
            Self::Unavailable(_) | Self::InDoubt(_) | Self::Conflict(_)
        )
    }

    pub(crate) fn corrupt(table: &'static str, reason: impl std::fmt::Display) -> Self {
        Self::Corrupt {
            table,
            reason: format!("{reason}"),
        }
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(answer) => match judge(answer.as_ref()) {
                Verdict::Unavailable => Self::Unavailable(error),
                Verdict::Conflict => Self::Conflict(error),
                Verdict::Refused => Self::Refused(error),
            },
            sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => {
                Self::Unavailable(error)
            }
            // Configuration, certificates, columns of another type than this version writes.
            _ => Self::Refused(error),
        }
    }
}

impl From<sqlx::migrate::MigrateError> for Error {
    fn from(error: sqlx::migrate::MigrateError) -> Self {
        use sqlx::migrate::MigrateError;
        match error {
            // The database went away meanwhile: that says nothing about the tables.
            MigrateError::Execute(cause) | MigrateError::ExecuteMigration(cause, _)
                if is_lost(&cause) =>
            {
                Self::Unavailable(cause)
            }
            other => Self::Migration(other),
        }
    }
}

/// Whether the connection is gone, so that nobody knows what became of a statement in flight.
pub(crate) fn is_lost(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Protocol(_) => true,
        // 08: connection exception; 57P: the server shuts down or starts, or an administrator ended the session;
        // 25P03: the session stood still within a transaction for too long.
        sqlx::Error::Database(answer) => answer.code().is_some_and(|code| {
            code.starts_with("08") || code.starts_with("57P") || code == "25P03"
        }),
        _ => false,
    }
}

enum Verdict {
    Unavailable,
    Conflict,
    Refused,
}

fn judge(answer: &dyn DatabaseError) -> Verdict {
    match answer.kind() {
        ErrorKind::Other => {}
        _ => return Verdict::Conflict,
    }
    // SQLite's other errors are about its file: busy, full, not writable.
    let Some(answer) = answer.try_downcast_ref::<PgDatabaseError>() else {
        return Verdict::Unavailable;
    };
    // https://www.postgresql.org/docs/current/errcodes-appendix.html, by class.
    match &answer.code()[..2] {
        // Data that the types cannot hold (such as a NUL in a text); integrity.
        "22" | "23" => Verdict::Conflict,
        // Not supported; authentication; no such database or schema; syntax, rights, no such table;
        // a session parameter that the server does not know.
        "0A" | "28" | "3D" | "3F" | "42" | "F0" => Verdict::Refused,
        // Connections, resources, locks, time-outs, shutdown, a server that is read-only after a fail-over.
        _ => Verdict::Unavailable,
    }
}
