-- The bot's tables: names and values are fixed. Columns beyond the bot's stand at the end.
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
    current_queue_entry_id INTEGER REFERENCES watch_party_queue (id),
    created_at             INTEGER NOT NULL,
    updated_at             INTEGER NOT NULL,
    -- The scheduler's durable record of the session (desired state, lease, last end), as JSON.
    record                 TEXT NOT NULL,
    -- Voice credentials and the URLs of sources, sealed with a key derived from the accounts' tokens.
    sealed                 BLOB NOT NULL
) STRICT;

CREATE TABLE watch_party_queue (
    id                 INTEGER PRIMARY KEY AUTOINCREMENT,
    session_id         TEXT NOT NULL REFERENCES watch_party_sessions (id),
    position           INTEGER NOT NULL,
    media_type         TEXT NOT NULL,
    jellyfin_source_id TEXT NOT NULL,
    title              TEXT NOT NULL,
    year               TEXT,
    runtime            INTEGER,
    summary            TEXT,
    poster_url         TEXT,
    status             TEXT NOT NULL
        CHECK (status IN ('queued', 'playing', 'played', 'skipped', 'failed')),
    created_at         INTEGER NOT NULL,
    -- The caller's queueEntryId.
    external_id        INTEGER,
    UNIQUE (session_id, external_id)
) STRICT;

CREATE TABLE watch_party_events (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    session_id   TEXT NOT NULL REFERENCES watch_party_sessions (id),
    event_type   TEXT NOT NULL,
    payload_json TEXT NOT NULL,
    created_at   INTEGER NOT NULL
) STRICT;

CREATE INDEX watch_party_events_by_session ON watch_party_events (session_id, id);

CREATE TABLE watch_party_worker_state (
    session_id       TEXT PRIMARY KEY REFERENCES watch_party_sessions (id),
    worker_status    TEXT NOT NULL,
    playback_state   TEXT NOT NULL,
    current_title    TEXT,
    position_seconds INTEGER NOT NULL,
    duration_seconds INTEGER,
    last_error       TEXT,
    updated_at       INTEGER NOT NULL,
    position_ms      INTEGER NOT NULL
) STRICT;
