-- A gateway session a shard: an account in many guilds has several connections.
ALTER TABLE account_sessions
    ADD COLUMN shard BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN shards BIGINT NOT NULL DEFAULT 1,
    DROP CONSTRAINT account_sessions_pkey,
    ADD PRIMARY KEY (account_id, shard);
