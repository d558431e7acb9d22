//! Records to write.

use orb_scheduler_core::{
    CommandId, CommandOutcome, CommandRecord, Desired, EntryId, EventRow, Generation, Item,
    PlaybackState, QueueEntry, QueueRow, QueueStatus, Refusal, SessionId, SessionRecord,
    SessionStatus, StoredSession, StreamCredentials, WorkerStateRow, WorkerStatus, Write,
};

pub(crate) const NOW: i64 = 1_795_000_000_000;

/// To load all sessions, however long they have been over.
pub(crate) const ALL: i64 = 0;

pub(crate) fn item() -> Item {
    Item {
        entry: EntryId::new(12),
        external_id: Some(12),
        item_id: "item".to_owned(),
        source_id: "abc123".to_owned(),
        title: "Film".to_owned(),
        media_type: "movie".to_owned(),
        stream_url: "http://jellyfin:8096/Videos/1/stream?ApiKey=source-key-secret".to_owned(),
        download_url: Some(
            "http://jellyfin:8096/Items/1/Download?ApiKey=download-key-secret".to_owned(),
        ),
        duration_ms: Some(60_000),
        poster_url: None,
        year: Some("2024".to_owned()),
        tmdb_id: None,
        imdb_id: None,
        episode: None,
        summary: None,
    }
}

/// A session that plays [`item`].
pub(crate) fn session() -> SessionRecord {
    session_named("s")
}

/// Made from JSON, as an earlier version may have stored it: fields that come later have defaults.
pub(crate) fn session_named(id: &str) -> SessionRecord {
    let record = serde_json::json!({
        "id": id,
        "worker_session_id": "w",
        "guild_id": "123",
        "voice_channel_id": "456",
        "text_channel_id": "789",
        "created_at": NOW,
        "updated_at": NOW,
        "desired": serde_json::to_value(Desired {
            generation: Generation::new(3),
            current: Some(item()),
            in_channel: true,
            ..Desired::default()
        }).unwrap(),
        "lease": { "worker": "w1", "incarnation": "i", "token": 2 },
        "last_token": 2,
        "account": 9,
        "voice": {
            "guild_id": 123,
            "channel_id": 456,
            "user_id": 9,
            "voice_session_id": "voice-session-secret",
            "endpoint": "voice.example:443",
            "token": "voice-token-secret",
            "revision": 3,
        },
        "ended": null,
        "stopped": false,
        "last_error": null,
        "position_ms": 1_000,
        "duration_ms": 60_000,
        "last_entry": 12,
    });
    serde_json::from_value(record).unwrap()
}

/// The same with a picture in the voice channel.
pub(crate) fn live_session() -> SessionRecord {
    let mut record = session();
    record.desired.go_live = true;
    if let Some(voice) = &mut record.voice {
        voice.stream = Some(Box::new(StreamCredentials {
            stream_key: "guild:123:456:9".to_owned(),
            rtc_server_id: 1_234_567_890_123_456_789,
            endpoint: "stream.example:443".to_owned(),
            token: "stream-token-secret".to_owned(),
        }));
    }
    record
}

/// What the bot sees of [`session`].
pub(crate) fn worker_state(position_ms: u64) -> Write {
    let stored = StoredSession {
        record: session(),
        queue: vec![entry(12, QueueStatus::Playing)],
    };
    let mut view = stored.view();
    view.worker_status = WorkerStatus::Connected;
    view.playback = PlaybackState::Playing;
    view.position.media_ms = position_ms;
    Write::WorkerState(Box::new(WorkerStateRow { view }))
}

pub(crate) fn write(record: SessionRecord) -> Write {
    Write::Session(Box::new(record), SessionStatus::Playing)
}

/// The entry of [`item`] under another id, of the caller's and of the scheduler's own, at the place of that number.
pub(crate) fn entry(id: u64, status: QueueStatus) -> QueueEntry {
    QueueEntry {
        item: Item {
            entry: EntryId::new(id),
            external_id: Some(id as i64),
            ..item()
        },
        status,
        position: id,
        created_at: NOW,
        actor: "contract".to_owned(),
        error: None,
    }
}

pub(crate) fn put(session: &str, entry: QueueEntry) -> Write {
    Write::Queue(Box::new(QueueRow {
        session: SessionId::new(session),
        entry,
    }))
}

pub(crate) fn queue(id: u64, status: QueueStatus) -> Write {
    put("s", entry(id, status))
}

/// Without their queues.
pub(crate) fn records(sessions: Vec<StoredSession>) -> Vec<SessionRecord> {
    sessions.into_iter().map(|stored| stored.record).collect()
}

/// An event of the session `s`, with a number that says which.
pub(crate) fn event(number: u64) -> Write {
    Write::Event(EventRow {
        session: SessionId::new("s"),
        event_type: "play",
        payload: serde_json::json!(number),
    })
}

pub(crate) fn command(id: &str) -> CommandRecord {
    CommandRecord {
        id: CommandId(id.to_owned()),
        session: SessionId::new("s"),
        request_hash: [7; 32],
        outcome: CommandOutcome::Refused(Refusal::invalid(
            "position_ms",
            "seek_out_of_range",
            "no",
        )),
    }
}

pub(crate) fn write_command(id: &str) -> Write {
    Write::Command(Box::new(command(id)))
}
