//! From the state machine's records to rows and back.

use orb_scheduler_core::{
    CommandId, CommandRecord, Item, SessionId, SessionRecord, VoiceCredentials,
};
use serde::{Deserialize, Serialize};

use crate::{AccountSession, Error, Seal, StoredEvent};

const COMMANDS: &str = "commands";
const ACCOUNT_SESSIONS: &str = "account_sessions";
const SESSIONS: &str = "watch_party_sessions";

/// What of a record is nobody's business who reads the database: it goes sealed into a column of its own.
#[derive(Default, Serialize, Deserialize)]
struct Secrets {
    voice: Option<VoiceCredentials>,
    /// Keys may stand in their queries.
    current: Option<Sources>,
    next: Option<Sources>,
}

/// Of one item.
#[derive(Serialize, Deserialize)]
pub(crate) struct Sources {
    stream: String,
    download: Option<String>,
}

impl Sources {
    /// Out of the item.
    pub(crate) fn take(item: &mut Item) -> Self {
        Self {
            stream: std::mem::take(&mut item.stream_url),
            download: item.download_url.take(),
        }
    }

    /// Back into the item.
    pub(crate) fn put(self, item: &mut Item) {
        item.stream_url = self.stream;
        item.download_url = self.download;
    }
}

/// The record as JSON, and its secrets, sealed: they are taken out of it.
pub(crate) fn split(seal: &Seal, record: &mut SessionRecord) -> Result<(String, Vec<u8>), Error> {
    let secrets = Secrets {
        voice: record.voice.take(),
        current: record.desired.current.as_mut().map(Sources::take),
        next: record.desired.next.as_mut().map(Sources::take),
    };
    let corrupt = |error| Error::corrupt(SESSIONS, error);
    let json = serde_json::to_string(record).map_err(corrupt)?;
    let secrets = serde_json::to_vec(&secrets).map_err(corrupt)?;
    Ok((json, seal.close(&secrets)))
}

pub(crate) fn join(
    seal: &Seal,
    json: &str,
    sealed: &[u8],
    position_ms: Option<i64>,
) -> Result<SessionRecord, Error> {
    let mut record: SessionRecord =
        serde_json::from_str(json).map_err(|error| Error::corrupt(SESSIONS, error))?;
    // What does not open (the tokens were changed) is lost: Discord hands out new credentials, and an item
    // without a source ends with a reason.
    let secrets: Secrets = seal
        .open(sealed)
        .and_then(|clear| serde_json::from_slice(&clear).ok())
        .unwrap_or_default();
    record.voice = secrets.voice;
    for (item, sources) in [
        (&mut record.desired.current, secrets.current),
        (&mut record.desired.next, secrets.next),
    ] {
        if let Some((item, sources)) = item.as_mut().zip(sources) {
            sources.put(item);
        }
    }
    if record.desired.current.is_some()
        && let Some(position) = position_ms.and_then(|p| u64::try_from(p).ok())
    {
        record.position_ms = record.position_ms.max(position);
    }
    Ok(record)
}

/// `watch_party_sessions.title`: the party's, else that of what plays.
pub(crate) fn title(record: &SessionRecord) -> Option<&str> {
    let current = record.desired.current.as_ref();
    some(&record.title).or(current.map(|item| item.title.as_str()))
}

/// NULL for what is empty.
pub(crate) fn some(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

/// Ids (and what goes with them) as one JSON array, for databases without arrays.
pub(crate) fn json_list<T: Serialize>(ids: &[T]) -> Result<String, Error> {
    serde_json::to_string(ids).map_err(|error| Error::corrupt("ids", error))
}

/// The outcome of a command as JSON.
pub(crate) fn outcome(command: &CommandRecord) -> Result<String, Error> {
    serde_json::to_string(&command.outcome).map_err(|error| Error::corrupt(COMMANDS, error))
}

pub(crate) fn command(
    (id, session, request_hash, outcome): (String, String, Vec<u8>, String),
) -> Result<CommandRecord, Error> {
    Ok(CommandRecord {
        id: CommandId(id),
        session: SessionId::new(session),
        request_hash: request_hash
            .try_into()
            .map_err(|_| Error::corrupt(COMMANDS, "the hash has another length"))?,
        outcome: serde_json::from_str(&outcome).map_err(|error| Error::corrupt(COMMANDS, error))?,
    })
}

pub(crate) fn event(
    (id, session, event_type, payload_json, created_at): (i64, String, String, String, i64),
) -> StoredEvent {
    StoredEvent {
        id,
        session: SessionId::new(session),
        event_type,
        payload_json,
        created_at,
    }
}

/// None when it was sealed with other tokens: that account identifies anew.
pub(crate) fn account_session(
    seal: &Seal,
    (id, shard, shards, sealed): (String, i64, i64, Vec<u8>),
) -> Result<Option<AccountSession>, Error> {
    let corrupt = |error: &dyn std::fmt::Display| Error::corrupt(ACCOUNT_SESSIONS, error);
    let account_id = id.parse().map_err(|error| corrupt(&error))?;
    let shard = u32::try_from(shard).map_err(|error| corrupt(&error))?;
    let shards = u32::try_from(shards).map_err(|error| corrupt(&error))?;
    let session = seal
        .open(&sealed)
        .and_then(|clear| String::from_utf8(clear).ok());
    Ok(session.map(|session| AccountSession {
        account_id,
        shard,
        shards,
        session,
    }))
}
