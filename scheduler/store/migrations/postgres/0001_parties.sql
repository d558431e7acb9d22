-- The bot's tables: names and values are fixed, and the same as in SQLite. Columns beyond the bot's stand
-- at the end. Times are unix milliseconds.
--
-- Rows of sessions and of worker states are rewritten at every change; the room left on their pages keeps
-- a new version beside the old one, with no index to touch.
CREATE TABLE watch_party_sessions (
    id                     TEXT PRIMARY KEY,
    guild_id               TEXT NOT NULL,
    voice_channel_id       TEXT NOT NULL,
    text_channel_id        TEXT NOT NULL,
    owner_user_id          TEXT,
    title                  TEXT,
    status                 TEXT NOT NULL
        CHECK (status IN ('draft', 'queued', 'connecting', 'playing', 'paused', 'stopped', 'error')),
    worker_session_id      TEXT NOT NULL,
    current_queue_entry_id BIGINT,
    created_at             BIGINT NOT NULL,
    updated_at             BIGINT NOT NULL,
    -- The scheduler's durable record of the session (desired state, lease, last end), as JSON.
    record                 TEXT NOT NULL,
    -- Voice credentials and the URLs of sources, sealed with a key derived from the accounts' tokens.
    sealed                 BYTEA NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE watch_party_queue (
    id                 BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- Checked at the commit: a batch writes its queue before its sessions, which point into it.
    session_id         TEXT NOT NULL REFERENCES watch_party_sessions (id) DEFERRABLE INITIALLY DEFERRED,
    position           BIGINT NOT NULL,
    media_type         TEXT NOT NULL,
    jellyfin_source_id TEXT NOT NULL,
    title              TEXT NOT NULL,
    year               TEXT,
    runtime            BIGINT,
    summary            TEXT,
    poster_url         TEXT,
    status             TEXT NOT NULL
        CHECK (status IN ('queued', 'playing', 'played', 'skipped', 'failed')),
    created_at         BIGINT NOT NULL,
    -- The caller's queueEntryId.
    external_id        BIGINT,
    UNIQUE (session_id, external_id)
);

ALTER TABLE watch_party_sessions
    ADD FOREIGN KEY (current_queue_entry_id) REFERENCES watch_party_queue (id);

CREATE TABLE watch_party_events (
    id           BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    session_id   TEXT NOT NULL REFERENCES watch_party_sessions (id),
    event_type   TEXT NOT NULL,
    payload_json TEXT NOT NULL,
    created_at   BIGINT NOT NULL
);

CREATE INDEX watch_party_events_by_session ON watch_party_events (session_id, id);

CREATE TABLE watch_party_worker_state (
    session_id       TEXT PRIMARY KEY REFERENCES watch_party_sessions (id),
    worker_status    TEXT NOT NULL,
    playback_state   TEXT NOT NULL,
    current_title    TEXT,
    position_seconds BIGINT NOT NULL,
    duration_seconds BIGINT,
    last_error       TEXT,
    updated_at       BIGINT NOT NULL,
    position_ms      BIGINT NOT NULL
) WITH (fillfactor = 50);
