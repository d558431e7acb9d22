//! What the store says in the end, and a history of leases that it kept for us meanwhile.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde_json::Value;
use sqlx::postgres::PgPoolOptions;
use sqlx::{PgPool, Row};

/// Writes down each change of a lease in the transaction that makes it: independent of what the scheduler says of it.
const NOTE_LEASES: &str = r"
CREATE TABLE chaos_leases (
    n           BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    session     TEXT NOT NULL,
    guild       TEXT NOT NULL,
    token       BIGINT NOT NULL,
    worker      TEXT NOT NULL,
    incarnation TEXT NOT NULL,
    unix_ms     BIGINT NOT NULL
);

CREATE FUNCTION chaos_note_lease() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    lease JSONB := NEW.record::jsonb -> 'lease';
BEGIN
    IF jsonb_typeof(lease) = 'object'
        AND (TG_OP = 'INSERT' OR lease IS DISTINCT FROM OLD.record::jsonb -> 'lease') THEN
        INSERT INTO chaos_leases (session, guild, token, worker, incarnation, unix_ms)
        VALUES (NEW.id, NEW.guild_id, (lease ->> 'token')::bigint, lease ->> 'worker', lease ->> 'incarnation',
            (extract(epoch FROM clock_timestamp()) * 1000)::bigint);
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER chaos_note_lease AFTER INSERT OR UPDATE ON watch_party_sessions
    FOR EACH ROW EXECUTE FUNCTION chaos_note_lease();
";

/// Undoes what the store's connections ask for: commits of sessions are acknowledged before they are written, so a crash
/// loses up to half a second of them.
const FORGET: &str = r"
CREATE FUNCTION chaos_forget() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    RETURN NEW;
END $$;

CREATE TRIGGER chaos_forget BEFORE INSERT OR UPDATE ON watch_party_sessions
    FOR EACH ROW EXECUTE FUNCTION chaos_forget();
";

/// A lease as it was granted.
#[derive(Clone, Debug)]
pub struct Grant {
    /// Of which session.
    pub session: String,
    /// Its token.
    pub token: u64,
    /// To which worker id.
    pub worker: String,
    /// To which life of it.
    pub incarnation: String,
}

/// A command id with its first outcome.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Of which session.
    pub session: String,
    /// The generation that was accepted; `None`: it was refused.
    pub generation: Option<u64>,
}

/// An event row.
#[derive(Clone, Debug)]
pub struct Event {
    /// Such as `play`.
    pub kind: String,
    /// Its payload.
    pub payload: Value,
    /// Of the leader's wall clock.
    pub unix_ms: u64,
}

impl Event {
    /// The generation that it brought, where it says one.
    pub fn generation(&self) -> Option<u64> {
        self.payload["generation"].as_u64()
    }
}

/// A session's row.
#[derive(Clone, Debug)]
pub struct Session {
    /// Its guild.
    pub guild: String,
    /// The scheduler's record of it.
    pub record: Value,
}

impl Session {
    /// Whether it shall be in its channel.
    pub fn in_channel(&self) -> bool {
        self.record["desired"]["in_channel"] == true
    }

    /// Whether it shall be heard.
    pub fn shall_play(&self) -> bool {
        let desired = &self.record["desired"];
        self.in_channel() && !desired["current"].is_null() && desired["paused"] == false
    }

    /// The generation of its desired record.
    pub fn generation(&self) -> u64 {
        self.record["desired"]["generation"]
            .as_u64()
            .unwrap_or_default()
    }
}

/// All of it.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// By command id.
    pub commands: BTreeMap<String, Stored>,
    /// By session, in their order.
    pub events: BTreeMap<String, Vec<Event>>,
    /// By id.
    pub sessions: BTreeMap<String, Session>,
    /// In their order.
    pub grants: Vec<Grant>,
}

/// A connection to the store of a run.
pub struct Store(PgPool);

impl Store {
    /// Connects; the tables are there, for a scheduler leads.
    pub async fn connect(url: &str) -> Result<Self> {
        let pool = PgPoolOptions::new()
            .max_connections(1)
            // PostgreSQL was restarted meanwhile.
            .test_before_acquire(true)
            .connect(url)
            .await
            .context("connecting to the store")?;
        Ok(Self(pool))
    }

    /// From now on leases are written down.
    pub async fn note_leases(&self) -> Result<()> {
        sqlx::raw_sql(NOTE_LEASES)
            .execute(&self.0)
            .await
            .context("preparing the history of leases")?;
        Ok(())
    }

    /// From now on a crash loses what was acknowledged just before.
    pub async fn forget(&self) -> Result<()> {
        sqlx::raw_sql(FORGET)
            .execute(&self.0)
            .await
            .context("making the store forgetful")?;
        Ok(())
    }

    /// The sessions as they are now.
    pub async fn sessions(&self) -> Result<BTreeMap<String, Session>> {
        let rows = sqlx::query("SELECT id, guild_id, record FROM watch_party_sessions")
            .fetch_all(&self.0)
            .await?;
        rows.iter()
            .map(|row| {
                let record: &str = row.try_get("record")?;
                let session = Session {
                    guild: row.try_get("guild_id")?,
                    record: serde_json::from_str(record)?,
                };
                Ok((row.try_get("id")?, session))
            })
            .collect()
    }

    /// Everything.
    pub async fn history(&self) -> Result<History> {
        let mut history = History {
            sessions: self.sessions().await?,
            ..History::default()
        };
        let commands = sqlx::query("SELECT id, session_id, outcome FROM commands");
        for row in commands.fetch_all(&self.0).await? {
            let outcome: Value = serde_json::from_str(row.try_get("outcome")?)?;
            let stored = Stored {
                session: row.try_get("session_id")?,
                generation: outcome["accepted"]["generation"].as_u64(),
            };
            history.commands.insert(row.try_get("id")?, stored);
        }
        let events = sqlx::query(
            "SELECT session_id, event_type, payload_json, created_at FROM watch_party_events ORDER BY id",
        );
        for row in events.fetch_all(&self.0).await? {
            let event = Event {
                kind: row.try_get("event_type")?,
                payload: serde_json::from_str(row.try_get("payload_json")?)?,
                unix_ms: row.try_get::<i64, _>("created_at")?.cast_unsigned(),
            };
            let session: String = row.try_get("session_id")?;
            history.events.entry(session).or_default().push(event);
        }
        let grants =
            sqlx::query("SELECT session, token, worker, incarnation FROM chaos_leases ORDER BY n");
        for row in grants.fetch_all(&self.0).await? {
            history.grants.push(Grant {
                session: row.try_get("session")?,
                token: row.try_get::<i64, _>("token")?.cast_unsigned(),
                worker: row.try_get("worker")?,
                incarnation: row.try_get("incarnation")?,
            });
        }
        Ok(history)
    }
}
