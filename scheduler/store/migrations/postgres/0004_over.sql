-- Since when nobody holds anything of a session (unix milliseconds): a leader that begins reads only those that live
-- and those that ended a moment ago, however many there ever were.
ALTER TABLE watch_party_sessions ADD COLUMN over_since BIGINT;

UPDATE watch_party_sessions SET over_since = updated_at
WHERE record::json ->> 'account' IS NULL
    AND record::json ->> 'lease' IS NULL
    AND record::json ->> 'handover' IS NULL
    AND record::json #>> '{desired,in_channel}' = 'false';

CREATE INDEX watch_party_sessions_over_since ON watch_party_sessions (over_since);
