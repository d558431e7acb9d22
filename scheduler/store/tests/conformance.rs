//! What every store has to hold, run against SQLite.
#![allow(clippy::unwrap_used, missing_docs)]

use orb_scheduler_core::{
    AccountId, CommandId, CommandOutcome, CommandRecord, Desired, Epoch, EventRow, FencingToken,
    Generation, Incarnation, Item, Lease, QueueRow, QueueStatus, Refusal, SessionId, SessionRecord,
    SessionStatus, VoiceCredentials, WorkerId, Write,
};
use orb_scheduler_store::{AccountSession, Error, Seal, SqliteStore, Store};
use secrecy::SecretString;
use tempfile::TempDir;

const NOW: i64 = 1_795_000_000_000;

struct Database {
    folder: TempDir,
}

impl Database {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    async fn open(&self) -> SqliteStore {
        self.open_with("token").await
    }

    async fn open_with(&self, token: &str) -> SqliteStore {
        let url = format!("sqlite://{}", self.folder.path().join("orb.db").display());
        let tokens = [SecretString::from(token)];
        SqliteStore::open(&url, Seal::new(&tokens)).await.unwrap()
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for entry in std::fs::read_dir(self.folder.path()).unwrap() {
            bytes.extend(std::fs::read(entry.unwrap().path()).unwrap());
        }
        bytes
    }
}

fn item() -> Item {
    Item {
        queue_entry_id: 12,
        item_id: "item".to_owned(),
        source_id: "abc123".to_owned(),
        title: "Film".to_owned(),
        media_type: "movie".to_owned(),
        stream_url: "http://jellyfin:8096/Videos/1/stream?ApiKey=source-key-secret".to_owned(),
        download_url: None,
        duration_ms: Some(60_000),
        poster_url: None,
        year: Some("2024".to_owned()),
        tmdb_id: None,
        imdb_id: None,
        episode: None,
    }
}

fn session() -> SessionRecord {
    SessionRecord {
        id: SessionId::new("s"),
        worker_session_id: "w".to_owned(),
        guild_id: "123".to_owned(),
        voice_channel_id: "456".to_owned(),
        text_channel_id: "789".to_owned(),
        created_at: NOW,
        updated_at: NOW,
        desired: Desired {
            generation: Generation::new(3),
            current: Some(item()),
            in_channel: true,
            ..Desired::default()
        },
        lease: Some(Lease {
            worker: WorkerId::new("w1"),
            incarnation: Incarnation::new("i"),
            token: FencingToken::new(2),
        }),
        last_token: FencingToken::new(2),
        account: Some(AccountId::new(9)),
        voice: Some(VoiceCredentials {
            guild_id: 123,
            channel_id: 456,
            user_id: 9,
            voice_session_id: "voice-session-secret".to_owned(),
            endpoint: "voice.example:443".to_owned(),
            token: "voice-token-secret".to_owned(),
            revision: Generation::new(3),
        }),
        ended: None,
        stopped: false,
        last_error: None,
        position_ms: 1_000,
        duration_ms: Some(60_000),
    }
}

fn write(record: SessionRecord) -> Write {
    Write::Session(Box::new(record), SessionStatus::Playing)
}

fn command(id: &str) -> CommandRecord {
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

#[tokio::test]
async fn what_was_committed_is_loaded_by_the_next_process() {
    let database = Database::new();
    let store = database.open().await;
    let epoch = store.lead(Epoch::default()).await.unwrap();
    let queue = QueueRow {
        session: SessionId::new("s"),
        item: item(),
        status: QueueStatus::Playing,
    };
    let writes = vec![
        write(SessionRecord {
            desired: Desired::default(),
            ..session()
        }),
        Write::Queue(Box::new(queue)),
        write(session()),
        Write::Event(EventRow {
            session: SessionId::new("s"),
            event_type: "play",
            payload: serde_json::json!({ "queueEntryId": 12 }),
        }),
        Write::Command(Box::new(command("c1"))),
    ];
    store.commit(epoch, writes, NOW).await.unwrap();
    drop(store);
    let store = database.open().await;
    assert_eq!(store.load().await.unwrap(), [session()]);
    assert_eq!(
        store.command(&CommandId("c1".to_owned())).await.unwrap(),
        Some(command("c1"))
    );
    assert_eq!(
        store.command(&CommandId("c2".to_owned())).await.unwrap(),
        None
    );
}

#[tokio::test]
async fn a_leader_that_was_replaced_writes_nothing() {
    let database = Database::new();
    let old = database.open().await;
    let stale = old.lead(Epoch::default()).await.unwrap();
    let new = database.open().await;
    let epoch = new.lead(Epoch::default()).await.unwrap();
    assert!(epoch > stale);
    let refused = old.commit(stale, vec![write(session())], NOW).await;
    assert!(matches!(refused, Err(Error::NotLeader { epoch }) if epoch == stale));
    assert!(new.load().await.unwrap().is_empty());
    let refused = old.save_account_sessions(stale, vec![], NOW).await;
    assert!(matches!(refused, Err(Error::NotLeader { .. })));
    new.commit(epoch, vec![write(session())], NOW)
        .await
        .unwrap();
}

#[tokio::test]
async fn the_epoch_rises_above_what_was_asked_for_and_what_was_stored() {
    let database = Database::new();
    let store = database.open().await;
    assert_eq!(store.lead(Epoch::new(100)).await.unwrap(), Epoch::new(100));
    assert_eq!(store.lead(Epoch::new(5)).await.unwrap(), Epoch::new(101));
}

#[tokio::test]
async fn a_batch_is_committed_whole_or_not_at_all() {
    let database = Database::new();
    let store = database.open().await;
    let epoch = store.lead(Epoch::default()).await.unwrap();
    let twice = vec![
        write(session()),
        Write::Command(Box::new(command("c1"))),
        Write::Command(Box::new(command("c1"))),
    ];
    let error = store.commit(epoch, twice, NOW).await.unwrap_err();
    assert_eq!(error.code(), "store_unavailable");
    assert!(store.load().await.unwrap().is_empty());
}

#[tokio::test]
async fn voice_and_gateway_secrets_are_sealed_and_open_with_the_same_tokens_only() {
    let database = Database::new();
    let store = database.open().await;
    let epoch = store.lead(Epoch::default()).await.unwrap();
    store
        .commit(epoch, vec![write(session())], NOW)
        .await
        .unwrap();
    let gateway = AccountSession {
        account_id: 9,
        session: "gateway-session-secret".to_owned(),
    };
    store
        .save_account_sessions(epoch, vec![gateway], NOW)
        .await
        .unwrap();
    drop(store);
    let bytes = database.bytes();
    for secret in [
        "voice-token-secret",
        "voice-session-secret",
        "gateway-session-secret",
        "source-key-secret",
    ] {
        assert!(
            !bytes.windows(secret.len()).any(|w| w == secret.as_bytes()),
            "{secret} is in clear"
        );
    }
    let same = database.open().await;
    assert_eq!(
        same.account_sessions().await.unwrap()[0].session,
        "gateway-session-secret"
    );
    assert!(same.load().await.unwrap()[0].voice.is_some());
    let other = database.open_with("another token").await;
    assert!(other.account_sessions().await.unwrap().is_empty());
    assert_eq!(
        other.load().await.unwrap()[0].voice,
        None,
        "lost, not an error: Discord hands out new ones"
    );
}

#[tokio::test]
async fn a_queue_entry_is_one_row_however_often_it_is_written() {
    let database = Database::new();
    let store = database.open().await;
    let epoch = store.lead(Epoch::default()).await.unwrap();
    let row = |status| {
        Write::Queue(Box::new(QueueRow {
            session: SessionId::new("s"),
            item: item(),
            status,
        }))
    };
    store
        .commit(
            epoch,
            vec![
                write(session()),
                row(QueueStatus::Playing),
                row(QueueStatus::Played),
            ],
            NOW,
        )
        .await
        .unwrap();
    store
        .commit(
            epoch,
            vec![row(QueueStatus::Playing), write(session())],
            NOW,
        )
        .await
        .unwrap();
    drop(store);
    let url = format!(
        "sqlite://{}",
        database.folder.path().join("orb.db").display()
    );
    let pool = sqlx::SqlitePool::connect(&url).await.unwrap();
    let rows: Vec<(i64, i64, String)> =
        sqlx::query_as("SELECT external_id, position, status FROM watch_party_queue")
            .fetch_all(&pool)
            .await
            .unwrap();
    assert_eq!(rows, [(12, 1, "playing".to_owned())]);
    let current: Option<i64> =
        sqlx::query_scalar("SELECT current_queue_entry_id FROM watch_party_sessions")
            .fetch_one(&pool)
            .await
            .unwrap();
    assert_eq!(current, Some(1));
}

#[tokio::test]
async fn old_commands_are_forgotten() {
    let database = Database::new();
    let store = database.open().await;
    let epoch = store.lead(Epoch::default()).await.unwrap();
    store
        .commit(epoch, vec![Write::Command(Box::new(command("old")))], NOW)
        .await
        .unwrap();
    store
        .commit(
            epoch,
            vec![Write::Command(Box::new(command("new")))],
            NOW + 10,
        )
        .await
        .unwrap();
    store.forget_commands(epoch, NOW + 5).await.unwrap();
    assert_eq!(
        store.command(&CommandId("old".to_owned())).await.unwrap(),
        None
    );
    assert!(
        store
            .command(&CommandId("new".to_owned()))
            .await
            .unwrap()
            .is_some()
    );
}
