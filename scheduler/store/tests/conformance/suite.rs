//! Records, tables, commands, secrets: the same in every store.

use orb_scheduler_core::{
    CommandId, Desired, Epoch, Item, QueueEntry, QueueStatus, SessionId, SessionRecord,
    StoredSession,
};
use orb_scheduler_store::{AccountSession, Store};

use crate::database::Database;
use crate::records::{
    ALL, NOW, command, entry, event, item, live_session, put, queue, records, session,
    session_named, worker_state, write, write_command,
};

pub(crate) async fn what_was_committed_is_loaded_by_the_next_process<D: Database>() {
    let database = D::new().await;
    let store = database.open().await;
    let epoch = store.lead(Epoch::default()).await.unwrap();
    let writes = vec![
        write(SessionRecord {
            desired: Desired::default(),
            ..session()
        }),
        queue(12, QueueStatus::Playing),
        write(session()),
        event(1),
        write_command("c1"),
    ];
    store.commit(epoch, writes, NOW).await.unwrap();
    drop(store);
    let store = database.open().await;
    let stored = StoredSession {
        record: session(),
        queue: vec![entry(12, QueueStatus::Playing)],
    };
    let all = store.load(ALL).await.unwrap();
    assert_eq!(all.as_slice(), std::slice::from_ref(&stored));
    let one = store.session(&session().id).await.unwrap();
    assert_eq!(one, Some(stored));
    let none = store.session(&SessionId::new("another")).await.unwrap();
    assert_eq!(none, None);
}

pub(crate) async fn a_batch_is_committed_whole_or_not_at_all<D: Database>() {
    let database = D::new().await;
    let store = database.open().await;
    let epoch = store.lead(Epoch::default()).await.unwrap();
    let twice = vec![
        write(session()),
        event(1),
        write_command("c1"),
        write_command("c1"),
    ];
    let error = store.commit(epoch, twice, NOW).await.unwrap_err();
    assert_eq!(error.code(), "store_conflict");
    assert!(error.is_retryable());
    assert!(store.load(ALL).await.unwrap().is_empty());
    let known = store.command(&CommandId("c1".to_owned())).await.unwrap();
    assert_eq!(known, None);
    let once = vec![write(session()), write_command("c1")];
    store.commit(epoch, once, NOW).await.unwrap();
    assert_eq!(records(store.load(ALL).await.unwrap()), [session()]);
}

pub(crate) async fn of_many_writes_to_one_row_the_newest_stays<D: Database>() {
    let database = D::new().await;
    let store = database.open().await;
    let epoch = store.lead(Epoch::default()).await.unwrap();
    let at = |position_ms| SessionRecord {
        position_ms,
        ..session()
    };
    let writes = vec![
        write(at(1)),
        queue(12, QueueStatus::Playing),
        event(1),
        write(session_named("other")),
        write(at(2)),
        queue(12, QueueStatus::Played),
        event(2),
        write(at(3)),
    ];
    store.commit(epoch, writes, NOW).await.unwrap();
    let mut loaded = records(store.load(ALL).await.unwrap());
    loaded.sort_by(|a, b| b.id.cmp(&a.id));
    assert_eq!(loaded, [at(3), session_named("other")]);
    let events = database
        .texts("SELECT payload_json FROM watch_party_events ORDER BY id")
        .await;
    assert_eq!(events, [["1"], ["2"]].map(owned));
    let entries = database.texts("SELECT status FROM watch_party_queue").await;
    assert_eq!(entries, [["played"]].map(owned));
}

pub(crate) async fn what_has_long_been_over_is_not_loaded<D: Database>() {
    let database = D::new().await;
    let store = database.open().await;
    let epoch = store.lead(Epoch::default()).await.unwrap();
    let over = |id: &str, updated_at| SessionRecord {
        desired: Desired::default(),
        lease: None,
        account: None,
        updated_at,
        ..session_named(id)
    };
    let writes = vec![
        write(session_named("lives")),
        write(over("long ago", NOW - 2)),
        write(over("just now", NOW)),
        write(over("again", NOW - 2)),
        write(session_named("again")),
    ];
    store.commit(epoch, writes, NOW).await.unwrap();
    let ids = async |since| {
        let mut ids: Vec<String> = Vec::new();
        for stored in store.load(since).await.unwrap() {
            ids.push(stored.record.id.to_string());
        }
        ids.sort();
        ids
    };
    assert_eq!(ids(NOW - 1).await, ["again", "just now", "lives"]);
    assert_eq!(ids(ALL).await, ["again", "just now", "lives", "long ago"]);
    let one = store.session(&SessionId::new("long ago")).await.unwrap();
    assert!(one.is_some(), "it is there for whoever asks for it");
    let named = ["lives", "long ago", "nobody"].map(SessionId::new);
    assert_eq!(store.sessions(&named).await.unwrap().len(), 2);
}

pub(crate) async fn the_tables_hold_what_the_bot_reads<D: Database>() {
    let database = D::new().await;
    let store = database.open().await;
    let epoch = store.lead(Epoch::default()).await.unwrap();
    let writes = vec![
        write(session()),
        queue(12, QueueStatus::Playing),
        write(session()),
        worker_state(12_345),
        event(1),
    ];
    store.commit(epoch, writes, NOW).await.unwrap();
    let now = NOW.to_string();
    let sessions = database
        .texts(
            "SELECT s.id, guild_id, voice_channel_id, text_channel_id, owner_user_id, s.title, s.status, \
             worker_session_id, CAST(q.external_id AS TEXT), CAST(s.created_at AS TEXT), \
             CAST(updated_at AS TEXT) FROM watch_party_sessions s \
             JOIN watch_party_queue q ON q.id = s.current_queue_entry_id",
        )
        .await;
    let expected = [
        "s", "123", "456", "789", "-", "Film", "playing", "w", "12", &now, &now,
    ];
    assert_eq!(sessions, [owned(expected)]);
    let entries = database
        .texts(
            "SELECT CAST(id AS TEXT), session_id, CAST(position AS TEXT), media_type, jellyfin_source_id, \
             title, year, CAST(runtime AS TEXT), summary, poster_url, status, CAST(created_at AS TEXT) \
             FROM watch_party_queue",
        )
        .await;
    let expected = [
        "1", "s", "12", "movie", "abc123", "Film", "2024", "60", "-", "-", "playing", &now,
    ];
    assert_eq!(entries, [owned(expected)]);
    let states = database
        .texts(
            "SELECT session_id, worker_status, playback_state, current_title, \
             CAST(position_seconds AS TEXT), CAST(duration_seconds AS TEXT), last_error, \
             CAST(updated_at AS TEXT) FROM watch_party_worker_state",
        )
        .await;
    let expected = ["s", "connected", "playing", "Film", "12", "60", "-", &now];
    assert_eq!(states, [owned(expected)]);
    let events = database
        .texts(
            "SELECT CAST(id AS TEXT), session_id, event_type, payload_json, CAST(created_at AS TEXT) \
             FROM watch_party_events",
        )
        .await;
    assert_eq!(events, [owned(["1", "s", "play", "1", &now])]);
    // What is newer than the record counts.
    assert_eq!(store.load(ALL).await.unwrap()[0].record.position_ms, 12_345);
    store
        .commit(epoch, vec![worker_state(13_000)], NOW)
        .await
        .unwrap();
    assert_eq!(store.load(ALL).await.unwrap()[0].record.position_ms, 13_000);
}

pub(crate) async fn a_queue_entry_is_one_row_however_often_it_is_written<D: Database>() {
    let database = D::new().await;
    let store = database.open().await;
    let epoch = store.lead(Epoch::default()).await.unwrap();
    let first = vec![
        write(session()),
        queue(12, QueueStatus::Playing),
        queue(12, QueueStatus::Played),
    ];
    store.commit(epoch, first, NOW).await.unwrap();
    let again = vec![queue(12, QueueStatus::Playing), write(session())];
    store.commit(epoch, again, NOW).await.unwrap();
    let rows = database
        .texts(
            "SELECT CAST(external_id AS TEXT), CAST(position AS TEXT), status FROM watch_party_queue",
        )
        .await;
    assert_eq!(rows, [owned(["12", "12", "playing"])]);
    let current = database
        .texts("SELECT CAST(current_queue_entry_id AS TEXT) FROM watch_party_sessions")
        .await;
    assert_eq!(current, [owned(["1"])]);
    let nothing = SessionRecord {
        desired: Desired::default(),
        ..session()
    };
    store
        .commit(epoch, vec![write(nothing)], NOW)
        .await
        .unwrap();
    let current = database
        .texts("SELECT CAST(current_queue_entry_id AS TEXT) FROM watch_party_sessions")
        .await;
    assert_eq!(current, [owned(["-"])]);
}

pub(crate) async fn any_title_can_be_written<D: Database>() {
    let database = D::new().await;
    let store = database.open().await;
    let epoch = store.lead(Epoch::default()).await.unwrap();
    let mut odd = session();
    odd.desired.current = Some(Item {
        title: "nul \0, quote ' \", 🎬, {braces}, \\x00".to_owned(),
        year: Some("\0".to_owned()),
        ..item()
    });
    let plays = QueueEntry {
        item: odd.desired.current.clone().unwrap(),
        ..entry(12, QueueStatus::Playing)
    };
    store
        .commit(
            epoch,
            vec![write(odd.clone()), put("s", plays.clone())],
            NOW,
        )
        .await
        .unwrap();
    let stored = StoredSession {
        record: odd,
        queue: vec![plays],
    };
    assert_eq!(store.load(ALL).await.unwrap(), [stored]);
}

pub(crate) async fn secrets_are_sealed_and_open_with_the_same_tokens_only<D: Database>() {
    let database = D::new().await;
    let store = database.open().await;
    let epoch = store.lead(Epoch::default()).await.unwrap();
    let writes = vec![
        write(session()),
        queue(12, QueueStatus::Playing),
        queue(13, QueueStatus::Queued),
        worker_state(1),
        event(1),
        write_command("c1"),
    ];
    store.commit(epoch, writes, NOW).await.unwrap();
    let gateway = |shard, session: &str| AccountSession {
        account_id: 9,
        shard,
        shards: 2,
        session: session.to_owned(),
    };
    let saved = vec![
        gateway(1, "an older one"),
        gateway(0, "gateway-session-secret-0"),
        gateway(1, "gateway-session-secret-1"),
    ];
    store
        .save_account_sessions(epoch, saved, NOW)
        .await
        .unwrap();
    drop(store);
    let bytes = database.all_bytes().await;
    let stands_there = |text: &str| bytes.windows(text.len()).any(|w| w == text.as_bytes());
    assert!(stands_there("abc123"), "the search finds what is in clear");
    for secret in [
        "voice-token-secret",
        "voice-session-secret",
        "gateway-session-secret",
        "source-key-secret",
        "download-key-secret",
    ] {
        assert!(!stands_there(secret), "{secret} is in clear");
    }
    let same = database.open().await;
    let mut sessions = same.account_sessions().await.unwrap();
    sessions.sort_by_key(|session| session.shard);
    let sessions = sessions
        .iter()
        .map(|s| (s.account_id, s.shard, s.shards, s.session.as_str()));
    let stored = [
        (9, 0, 2, "gateway-session-secret-0"),
        (9, 1, 2, "gateway-session-secret-1"),
    ];
    assert_eq!(sessions.collect::<Vec<_>>(), stored, "one a shard");
    let loaded = same.load(ALL).await.unwrap();
    assert!(loaded[0].record.voice.is_some());
    let urls = |stored: &StoredSession| {
        let items = stored.queue.iter().map(|entry| &entry.item);
        let urls = items.map(|item| (item.stream_url.clone(), item.download_url.clone()));
        urls.collect::<Vec<_>>()
    };
    let sources = (item().stream_url, item().download_url);
    assert_eq!(urls(&loaded[0]), [sources.clone(), sources]);
    let other = database.open_with("another token").await;
    assert!(other.account_sessions().await.unwrap().is_empty());
    let loaded = other.load(ALL).await.unwrap();
    assert_eq!(
        loaded[0].record.voice, None,
        "lost, not an error: Discord hands out new ones"
    );
    let nothing = (String::new(), None);
    assert_eq!(urls(&loaded[0]), [nothing.clone(), nothing]);
}

pub(crate) async fn a_streams_credentials_are_sealed_and_come_back<D: Database>() {
    let database = D::new().await;
    let store = database.open().await;
    let epoch = store.lead(Epoch::default()).await.unwrap();
    // As an earlier version wrote it, and then with a picture.
    store
        .commit(epoch, vec![write(session())], NOW)
        .await
        .unwrap();
    let loaded = records(store.load(ALL).await.unwrap());
    assert!(loaded[0].voice.as_ref().unwrap().stream.is_none());
    assert!(!loaded[0].desired.go_live);
    store
        .commit(epoch, vec![write(live_session())], NOW)
        .await
        .unwrap();
    drop(store);
    let bytes = database.all_bytes().await;
    let stands_there = |text: &str| bytes.windows(text.len()).any(|w| w == text.as_bytes());
    assert!(stands_there("abc123"), "the search finds what is in clear");
    assert!(!stands_there("stream-token-secret"));
    let same = database.open().await;
    assert_eq!(records(same.load(ALL).await.unwrap()), [live_session()]);
}

pub(crate) async fn command_ids_are_found_one_by_one_and_together<D: Database>() {
    let database = D::new().await;
    let store = database.open().await;
    let epoch = store.lead(Epoch::default()).await.unwrap();
    let id = |id: &str| CommandId(id.to_owned());
    let writes = ["a", "b", "c"].map(write_command).into();
    store.commit(epoch, writes, NOW).await.unwrap();
    assert_eq!(store.command(&id("a")).await.unwrap(), Some(command("a")));
    assert_eq!(store.command(&id("x")).await.unwrap(), None);
    let mut found = store.commands(&["c", "x", "a", "c"].map(id)).await.unwrap();
    found.sort_by(|a, b| a.id.0.cmp(&b.id.0));
    assert_eq!(found, ["a", "c"].map(command));
    assert!(store.commands(&[]).await.unwrap().is_empty());
}

pub(crate) async fn old_commands_are_forgotten<D: Database>() {
    let database = D::new().await;
    let store = database.open().await;
    let epoch = store.lead(Epoch::default()).await.unwrap();
    for (id, wall_ms) in [("old", NOW), ("new", NOW + 10)] {
        let writes = vec![write_command(id)];
        store.commit(epoch, writes, wall_ms).await.unwrap();
    }
    store.forget_commands(epoch, NOW + 5).await.unwrap();
    let left = database.texts("SELECT id FROM commands").await;
    assert_eq!(left, [owned(["new"])]);
}

/// A row as [`Database::texts`] gives it; `-` stands for NULL.
fn owned<const N: usize>(texts: [&str; N]) -> Vec<Option<String>> {
    let text = |text: &str| (text != "-").then(|| text.to_owned());
    texts.map(text).into()
}
