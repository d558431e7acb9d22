//! Streams without a main gateway: a test lets somebody go live, or watch, by itself.
//!
//! As [`guests`](crate::guests) for voice channels: what `STREAM_CREATE` and `STREAM_SERVER_UPDATE` would have told.

use std::fmt;
use std::sync::Arc;

use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{self, Query};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::control::refused;
use crate::world::{State, World};
use crate::{ChannelId, DiscordSim, Error, GuildId, StreamInfo, UserId};

/// What a voice client identifies with for a stream.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct StreamCredentials {
    /// The guild.
    #[serde(rename = "guild_id")]
    pub guild: GuildId,
    /// The voice channel that the stream is shown in.
    #[serde(rename = "channel_id")]
    pub channel: ChannelId,
    /// Who connects.
    #[serde(rename = "user_id")]
    pub user: UserId,
    /// Host and port of the stream's server: dial `wss://{endpoint}/?v=8`.
    pub endpoint: String,
    /// `session_id` of voice op 0: that of the user's voice state.
    #[serde(rename = "session_id")]
    pub session: String,
    /// `token` of voice op 0.
    pub token: String,
    /// `server_id` of voice op 0. The DAVE group's id is one less.
    pub rtc_server_id: u64,
    /// `guild:<guild>:<channel>:<owner>`.
    pub stream_key: String,
}

impl fmt::Debug for StreamCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamCredentials")
            .field("stream_key", &self.stream_key)
            .field("rtc_server_id", &self.rtc_server_id)
            .field("user", &self.user)
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

impl State {
    /// Lets `user` into `channel` and has it stream there.
    pub(crate) fn stream_as_guest(
        &mut self,
        guild: GuildId,
        channel: ChannelId,
        user: UserId,
    ) -> Result<StreamCredentials, Error> {
        self.admit_guest(guild, channel, user)?;
        let before = self.streams.of_owner(guild, user);
        let id = before.unwrap_or_else(|| self.begin_stream(guild, channel, user));
        self.announce_voice_state(guild, user);
        self.stream_credentials(id, user)
    }

    /// Lets `user` into the channel of what `owner` streams, and has it watch that.
    pub(crate) fn watch_as_guest(
        &mut self,
        guild: GuildId,
        owner: UserId,
        user: UserId,
    ) -> Result<StreamCredentials, Error> {
        let found = self.streams.of_owner(guild, owner);
        let found = found.and_then(|id| Some((id, self.streams.get(id)?.channel)));
        let Some((id, channel)) = found else {
            let text = format!("user {owner} streams nothing in guild {guild}");
            return Err(Error::Fault(text));
        };
        self.admit_guest(guild, channel, user)?;
        self.seat_viewer(id, user);
        self.stream_credentials(id, user)
    }

    fn stream_credentials(&self, id: u64, user: UserId) -> Result<StreamCredentials, Error> {
        let stream = self.streams.get(id);
        let seat = stream.and_then(|stream| {
            let seat = stream.seats.get(&user)?;
            Some((stream, seat, seat.credentials.as_ref()?))
        });
        let Some((stream, seat, credentials)) = seat else {
            return Err(Error::Fault("the guest was not let in".to_owned()));
        };
        Ok(StreamCredentials {
            guild: stream.guild,
            channel: stream.channel,
            user,
            endpoint: self.context.endpoints.voice_told[credentials.listener].to_string(),
            session: seat.voice_session.clone(),
            token: credentials.token.clone(),
            rtc_server_id: id,
            stream_key: stream.key(),
        })
    }
}

impl DiscordSim {
    /// Lets `user` into a voice channel without a main gateway connection, has it go live there, and returns the
    /// credentials of its stream; asked again, those in force. Its voice credentials are those of
    /// [`DiscordSim::voice_credentials`]. Over HTTP: `POST /_sim/stream` with `{"guild": "1", "channel": "2",
    /// "user": "3"}`.
    pub fn stream_credentials(
        &self,
        guild: impl Into<GuildId>,
        channel: impl Into<ChannelId>,
        user: impl Into<UserId>,
    ) -> Result<StreamCredentials, Error> {
        let mut state = self.world().state();
        state.stream_as_guest(guild.into(), channel.into(), user.into())
    }

    /// The same for a viewer of what `owner` streams in the guild. Over HTTP: `POST /_sim/watch` with
    /// `{"guild": "1", "owner": "3", "user": "4"}`.
    pub fn watch_stream(
        &self,
        guild: impl Into<GuildId>,
        owner: impl Into<UserId>,
        viewer: impl Into<UserId>,
    ) -> Result<StreamCredentials, Error> {
        let mut state = self.world().state();
        state.watch_as_guest(guild.into(), owner.into(), viewer.into())
    }

    /// The streams that are going on in the guild. Over HTTP: `GET /_sim/streams?guild=1`.
    pub fn streams(&self, guild: impl Into<GuildId>) -> Vec<StreamInfo> {
        self.world().state().streams.infos(guild.into())
    }
}

/// The part of the control API that is about streams.
pub(crate) fn routes() -> Router<Arc<World>> {
    Router::new()
        .route("/_sim/stream", post(stream))
        .route("/_sim/watch", post(watch))
        .route("/_sim/streams", get(streams))
}

/// Body of `POST /_sim/stream`.
#[derive(Deserialize)]
struct GoLive {
    guild: GuildId,
    channel: ChannelId,
    user: UserId,
}

async fn stream(
    extract::State(world): extract::State<Arc<World>>,
    body: Result<Json<GoLive>, JsonRejection>,
) -> Response {
    match body {
        Ok(Json(live)) => {
            let mut state = world.state();
            answer(state.stream_as_guest(live.guild, live.channel, live.user))
        }
        Err(rejection) => refused("bad_stream", &rejection.body_text()),
    }
}

/// Body of `POST /_sim/watch`.
#[derive(Deserialize)]
struct Watch {
    guild: GuildId,
    owner: UserId,
    user: UserId,
}

async fn watch(
    extract::State(world): extract::State<Arc<World>>,
    body: Result<Json<Watch>, JsonRejection>,
) -> Response {
    match body {
        Ok(Json(watch)) => {
            let mut state = world.state();
            answer(state.watch_as_guest(watch.guild, watch.owner, watch.user))
        }
        Err(rejection) => refused("bad_stream", &rejection.body_text()),
    }
}

/// Query of `GET /_sim/streams`.
#[derive(Deserialize)]
struct OfGuild {
    guild: GuildId,
}

async fn streams(
    extract::State(world): extract::State<Arc<World>>,
    query: Result<Query<OfGuild>, QueryRejection>,
) -> Response {
    match query {
        Ok(Query(of)) => {
            Json(json!({"streams": world.state().streams.infos(of.guild)})).into_response()
        }
        Err(rejection) => refused("bad_query", &rejection.body_text()),
    }
}

fn answer(credentials: Result<StreamCredentials, Error>) -> Response {
    match credentials {
        Ok(credentials) => Json(credentials).into_response(),
        Err(error) => refused(error.code(), &error.to_string()),
    }
}
