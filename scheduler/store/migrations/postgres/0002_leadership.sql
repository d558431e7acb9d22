-- One row: the fence of everything that a leader writes.
CREATE TABLE leader (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    epoch    BIGINT NOT NULL
);

INSERT INTO leader (only_row, epoch) VALUES (1, 0);

-- Command ids with their first outcome.
CREATE TABLE commands (
    id           TEXT PRIMARY KEY,
    session_id   TEXT NOT NULL,
    request_hash BYTEA NOT NULL,
    outcome      TEXT NOT NULL,
    created_at   BIGINT NOT NULL
);

CREATE INDEX commands_by_age ON commands (created_at);

-- Gateway sessions of the accounts, sealed like voice credentials.
CREATE TABLE account_sessions (
    account_id TEXT PRIMARY KEY,
    sealed     BYTEA NOT NULL,
    updated_at BIGINT NOT NULL
);
