//! Errors of the store.

use orb_scheduler_core::Epoch;

/// Why the store could not do it. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another leader has taken over; step down.
    #[error("epoch {epoch} is no longer the leader's; this scheduler must step down")]
    NotLeader {
        /// The epoch that tried to write.
        epoch: Epoch,
    },
    /// The database answered with an error or not at all.
    #[error("the database did not carry it out: {0}; check that its disk is writable and not full")]
    Database(#[from] sqlx::Error),
    /// The migrations could not be applied.
    #[error(
        "the database's tables could not be brought up to date: {0}; restore the backup or use the newer orb"
    )]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// A row does not read as what this version writes.
    #[error("a stored row of {table} is not readable: {reason}; it was written by another version")]
    Corrupt {
        /// Where.
        table: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}

impl Error {
    /// Stable, of `docs/errors.md`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotLeader { .. } => "not_leader",
            Self::Database(_) => "store_unavailable",
            Self::Migration(_) => "store_migration",
            Self::Corrupt { .. } => "store_corrupt",
        }
    }

    /// Whether the same may succeed later, here.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Database(_))
    }

    pub(crate) fn corrupt(table: &'static str, reason: impl std::fmt::Display) -> Self {
        Self::Corrupt {
            table,
            reason: format!("{reason}"),
        }
    }
}
