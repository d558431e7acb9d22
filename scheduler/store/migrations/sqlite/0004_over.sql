-- Since when nobody holds anything of a session (unix milliseconds): a leader that begins reads only those that live
-- and those that ended a moment ago, however many there ever were.
ALTER TABLE watch_party_sessions ADD COLUMN over_since INTEGER;

UPDATE watch_party_sessions SET over_since = updated_at
WHERE record ->> '$.account' IS NULL
    AND record ->> '$.lease' IS NULL
    AND record ->> '$.handover' IS NULL
    AND record ->> '$.desired.in_channel' = 0;

CREATE INDEX watch_party_sessions_over_since ON watch_party_sessions (over_since);
