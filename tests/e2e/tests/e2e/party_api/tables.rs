//! The bot's tables as they stand in the file: their columns are fixed, whoever made the party.

use orb_e2e::Surroundings;
use serde_json::Value;
use sqlx::Connection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};

/// A row of `watch_party_sessions`, and of the queue which entry it names.
#[derive(Debug, PartialEq, Eq, sqlx::FromRow)]
pub(crate) struct SessionRow {
    pub(crate) guild_id: String,
    pub(crate) voice_channel_id: String,
    pub(crate) owner_user_id: Option<String>,
    pub(crate) title: Option<String>,
    pub(crate) status: String,
    pub(crate) current_entry: Option<i64>,
}

/// A row of `watch_party_worker_state`.
#[derive(Debug, PartialEq, Eq, sqlx::FromRow)]
pub(crate) struct WorkerRow {
    pub(crate) worker_status: String,
    pub(crate) playback_state: String,
    pub(crate) current_title: Option<String>,
    pub(crate) duration_seconds: Option<i64>,
    pub(crate) last_error: Option<String>,
}

/// The database of an installation, only read.
pub(crate) struct Tables(SqliteConnection);

impl Tables {
    pub(crate) async fn of(surroundings: &Surroundings) -> Self {
        let options = SqliteConnectOptions::new()
            .filename(surroundings.database())
            .read_only(true);
        Self(SqliteConnection::connect_with(&options).await.unwrap())
    }

    pub(crate) async fn session(&mut self, id: &str) -> SessionRow {
        sqlx::query_as(
            "SELECT guild_id, voice_channel_id, owner_user_id, s.title, s.status, q.entry_id AS current_entry \
             FROM watch_party_sessions AS s LEFT JOIN watch_party_queue AS q ON q.id = s.current_queue_entry_id \
             WHERE s.id = ?",
        )
        .bind(id)
        .fetch_one(&mut self.0)
        .await
        .unwrap()
    }

    pub(crate) async fn worker_state(&mut self, id: &str) -> WorkerRow {
        sqlx::query_as(
            "SELECT worker_status, playback_state, current_title, duration_seconds, last_error \
             FROM watch_party_worker_state WHERE session_id = ?",
        )
        .bind(id)
        .fetch_one(&mut self.0)
        .await
        .unwrap()
    }

    /// In the queue's order, each row as `"<entry> <caller's id, or -> <status> <title>"`.
    pub(crate) async fn queue(&mut self, id: &str) -> Vec<String> {
        let rows: Vec<(i64, Option<i64>, String, String)> = sqlx::query_as(
            "SELECT entry_id, external_id, status, title FROM watch_party_queue \
             WHERE session_id = ? ORDER BY position",
        )
        .bind(id)
        .fetch_all(&mut self.0)
        .await
        .unwrap();
        rows.into_iter()
            .map(|(entry, external, status, title)| {
                let external = external.map_or_else(|| "-".to_owned(), |id| id.to_string());
                format!("{entry} {external} {status} {title}")
            })
            .collect()
    }

    /// Ids and types, and whether each payload says its cause and its actor.
    pub(crate) async fn events(&mut self, id: &str) -> Vec<(i64, String)> {
        let rows: Vec<(i64, String, String)> = sqlx::query_as(
            "SELECT id, event_type, payload_json FROM watch_party_events WHERE session_id = ? ORDER BY id",
        )
        .bind(id)
        .fetch_all(&mut self.0)
        .await
        .unwrap();
        rows.into_iter()
            .map(|(id, kind, payload)| {
                let payload: Value = serde_json::from_str(&payload).unwrap();
                for signed in ["cause", "actor"] {
                    assert!(payload[signed].is_string(), "{kind}: {payload}");
                }
                (id, kind)
            })
            .collect()
    }
}
