-- Every entry has an id of the scheduler's own, counted within its session, whoever added it. The caller's id
-- (external_id) is there for entries of the worker contract alone.
ALTER TABLE watch_party_queue
    ADD COLUMN entry_id BIGINT NOT NULL DEFAULT 0,
    -- Who added it.
    ADD COLUMN actor TEXT NOT NULL DEFAULT '',
    -- Why it failed: a code of docs/errors.md, and a sentence.
    ADD COLUMN error_code TEXT,
    ADD COLUMN error TEXT,
    -- The whole item as JSON, without the URLs of its sources.
    ADD COLUMN item TEXT NOT NULL DEFAULT '{}',
    -- The URLs of its sources, sealed like voice credentials; of an entry older than this column there are none.
    ADD COLUMN sealed BYTEA NOT NULL DEFAULT '';

UPDATE watch_party_queue q SET entry_id = n.place
FROM (
    SELECT id, row_number() OVER (PARTITION BY session_id ORDER BY position, id) AS place
    FROM watch_party_queue
) AS n
WHERE n.id = q.id;

UPDATE watch_party_queue SET item = json_build_object(
    'entry', entry_id, 'external_id', external_id, 'item_id', '', 'source_id', jellyfin_source_id,
    'title', title, 'media_type', media_type, 'stream_url', '', 'duration_ms', runtime * 1000,
    'poster_url', poster_url, 'year', year
)::text;

-- A table is indexed only when no check of its rows waits for the commit.
SET CONSTRAINTS ALL IMMEDIATE;

CREATE UNIQUE INDEX watch_party_queue_entries ON watch_party_queue (session_id, entry_id);
CREATE INDEX watch_party_queue_order ON watch_party_queue (session_id, position);

-- A queue entry that is deleted is looked for here. The column changes when another entry plays, so that most updates
-- of a session still touch no index.
CREATE INDEX watch_party_sessions_current ON watch_party_sessions (current_queue_entry_id)
WHERE current_queue_entry_id IS NOT NULL;

-- Checked at the commit: a batch removes entries before it writes the sessions, which pointed to them.
ALTER TABLE watch_party_sessions
    ALTER CONSTRAINT watch_party_sessions_current_queue_entry_id_fkey DEFERRABLE INITIALLY DEFERRED;
