//! From the state machine's records to rows and back.

use orb_scheduler_core::{SessionRecord, VoiceCredentials};

use crate::{Error, Seal};

const SESSIONS: &str = "watch_party_sessions";

/// The record as JSON, without the voice credentials, which go sealed into a column of their own.
pub(crate) fn record_json(record: &SessionRecord) -> Result<String, Error> {
    let clear = SessionRecord {
        voice: None,
        ..record.clone()
    };
    serde_json::to_string(&clear).map_err(|error| Error::corrupt(SESSIONS, error))
}

pub(crate) fn sealed_voice(
    seal: &Seal,
    nonce: [u8; 12],
    voice: Option<&VoiceCredentials>,
) -> Result<Option<Vec<u8>>, Error> {
    let Some(voice) = voice else { return Ok(None) };
    let json = serde_json::to_vec(voice).map_err(|error| Error::corrupt(SESSIONS, error))?;
    Ok(Some(seal.close(nonce, &json)))
}

pub(crate) fn record(
    seal: &Seal,
    json: &str,
    sealed: Option<&[u8]>,
    position_ms: Option<i64>,
) -> Result<SessionRecord, Error> {
    let mut record: SessionRecord =
        serde_json::from_str(json).map_err(|error| Error::corrupt(SESSIONS, error))?;
    // Credentials that do not open (the tokens were changed) are lost; Discord hands out new ones.
    record.voice = sealed
        .and_then(|sealed| seal.open(sealed))
        .and_then(|clear| serde_json::from_slice(&clear).ok());
    if record.desired.current.is_some()
        && let Some(position) = position_ms.and_then(|p| u64::try_from(p).ok())
    {
        record.position_ms = record.position_ms.max(position);
    }
    Ok(record)
}
