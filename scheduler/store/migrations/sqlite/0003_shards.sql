-- A gateway session a shard: an account in many guilds has several connections.
CREATE TABLE shard_sessions (
    account_id TEXT NOT NULL,
    shard      INTEGER NOT NULL,
    shards     INTEGER NOT NULL,
    sealed     BLOB NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (account_id, shard)
) STRICT;

INSERT INTO shard_sessions (account_id, shard, shards, sealed, updated_at)
    SELECT account_id, 0, 1, sealed, updated_at FROM account_sessions;

DROP TABLE account_sessions;
ALTER TABLE shard_sessions RENAME TO account_sessions;
