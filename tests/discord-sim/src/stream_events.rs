//! What clients are told of Go Live streams: `STREAM_CREATE`, `STREAM_SERVER_UPDATE`, `STREAM_UPDATE`,
//! `STREAM_DELETE`. The fields are those of userdoccers (July 2026).

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::UserId;
use crate::streams::{Seat, Stream};
use crate::world::State;

/// Which the stream is said to be in; nothing depends on it.
const REGION: &str = "local";

/// `reason` of `STREAM_DELETE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StreamDeleteReason {
    /// By the client's own op 19.
    UserRequested,
    /// The stream is over.
    StreamEnded,
    /// It has as many viewers as it may have.
    StreamFull,
    /// The client may not stream there, or not view it.
    Unauthorized,
    /// The guild may not stream for now.
    SafetyGuildRateLimited,
    /// The stream key could not be read.
    ParseFailed,
    /// The channel is none for this type of stream.
    InvalidChannel,
}

impl State {
    pub(crate) fn tell_created(&mut self, id: u64, user: UserId) {
        let Some((stream, seat)) = self.stream_and_seat(id, user) else {
            return;
        };
        let created = json!({
            "stream_key": stream.key(), "rtc_server_id": id.to_string(),
            "rtc_channel_id": (id + 1).to_string(), "region": REGION,
            "viewer_ids": stream.viewers(), "paused": stream.paused
        });
        let session = seat.gateway_session.clone();
        self.gateway.dispatch(&session, "STREAM_CREATE", &created);
    }

    pub(crate) fn tell_server(&mut self, id: u64, user: UserId) {
        if self.faults.streams.loses_server() {
            return;
        }
        let Some((stream, seat)) = self.stream_and_seat(id, user) else {
            return;
        };
        let Some(credentials) = &seat.credentials else {
            return;
        };
        let server = json!({
            "stream_key": stream.key(), "guild_id": null, "token": credentials.token,
            "endpoint": self.context.endpoints.voice_told[credentials.listener].to_string()
        });
        let session = seat.gateway_session.clone();
        self.gateway
            .dispatch(&session, "STREAM_SERVER_UPDATE", &server);
    }

    /// A server without an endpoint: there is none for now.
    pub(crate) fn tell_server_gone(&mut self, session: &str, key: &str) {
        let gone = json!({"stream_key": key, "guild_id": null, "token": "", "endpoint": null});
        self.gateway
            .dispatch(session, "STREAM_SERVER_UPDATE", &gone);
    }

    pub(crate) fn tell_updated(&mut self, id: u64) {
        let Some(stream) = self.streams.get(id) else {
            return;
        };
        let updated = json!({
            "stream_key": stream.key(), "region": REGION,
            "viewer_ids": stream.viewers(), "paused": stream.paused
        });
        let seats = stream.seats.values();
        let sessions: Vec<_> = seats.map(|seat| seat.gateway_session.clone()).collect();
        for session in sessions {
            self.gateway.dispatch(&session, "STREAM_UPDATE", &updated);
        }
    }

    pub(crate) fn tell_deleted(&mut self, session: &str, key: &str, reason: StreamDeleteReason) {
        let deleted = json!({"stream_key": key, "reason": reason});
        self.gateway.dispatch(session, "STREAM_DELETE", &deleted);
    }

    pub(crate) fn stream_and_seat(&self, id: u64, user: UserId) -> Option<(&Stream, &Seat)> {
        let stream = self.streams.get(id)?;
        Some((stream, stream.seats.get(&user)?))
    }
}
