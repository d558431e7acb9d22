//! `POST /sessions` and `GET /sessions/{id}`.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use orb_proto::v1::CreateRequest;
use utoipa::ToSchema;

use super::{ACTOR, SessionStatus, present};
use crate::{
    app::Gateway,
    body::JsonBody,
    command_id::{CommandId, IdempotencyKey},
    json_fields::Fields,
    problem::{Problem, ProblemBody},
    session_id::{SessionId, SessionPath},
};

/// Body of `POST /sessions`. Ids are opaque strings.
#[derive(Debug, ToSchema)]
#[schema(as = CreateSession, rename_all = "camelCase", examples(json!({
    "sessionId": "456", "guildId": "111", "voiceChannelId": "222", "textChannelId": "333",
})))]
#[allow(clippy::struct_field_names, reason = "the contract's names")]
pub(super) struct CreateBody {
    /// The caller's id of the session.
    #[schema(pattern = "^[A-Za-z0-9._:-]{1,128}$")]
    session_id: String,
    /// Discord snowflake.
    #[schema(pattern = "^[0-9]{1,20}$")]
    guild_id: String,
    /// Discord snowflake.
    #[schema(pattern = "^[0-9]{1,20}$")]
    voice_channel_id: String,
    /// Discord snowflake. May be another one when the same session is created again.
    #[schema(pattern = "^[0-9]{1,20}$")]
    text_channel_id: String,
}

impl CreateBody {
    fn read(fields: &Fields<'_>) -> Result<Self, Problem> {
        Ok(Self {
            session_id: fields.required_text("sessionId")?,
            guild_id: fields.required_text("guildId")?,
            voice_channel_id: fields.required_text("voiceChannelId")?,
            text_channel_id: fields.required_text("textChannelId")?,
        })
    }

    fn into_request(self, command_id: CommandId) -> CreateRequest {
        CreateRequest {
            session_id: self.session_id,
            guild_id: self.guild_id,
            voice_channel_id: self.voice_channel_id,
            text_channel_id: self.text_channel_id,
            command_id: command_id.0,
            actor: ACTOR.to_owned(),
            ..CreateRequest::default()
        }
    }
}

/// Creates a session.
///
/// Answers when it is durable, and waits for no worker. The same session again changes nothing.
#[utoipa::path(post, operation_id = "createSession", path = "/sessions", tag = "worker contract", request_body = CreateBody,
    params(IdempotencyKey),
    responses(
    (status = 201, description = "The session is new, and durable.", body = SessionStatus),
    (status = 200, description = "The same session exists already.", body = SessionStatus),
    (status = 409, description = "The session exists with another guild or voice channel.",
        body = ProblemBody, content_type = "application/problem+json"),
))]
pub(super) async fn create(
    State(gateway): State<Arc<Gateway>>,
    command_id: CommandId,
    JsonBody(body): JsonBody,
) -> Result<(StatusCode, Json<SessionStatus>), Problem> {
    let request = CreateBody::read(&Fields::of(&body))?.into_request(command_id);
    let response = gateway.scheduler.create(request).await?;
    let code = if response.created {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok((code, Json(present(response.session)?.into())))
}

/// The session as it is now.
#[utoipa::path(get, operation_id = "getSession", path = "/sessions/{id}", tag = "worker contract",
    params(SessionPath),
    responses((status = 200, description = "The status.", body = SessionStatus)))]
pub(super) async fn get(
    State(gateway): State<Arc<Gateway>>,
    id: SessionId,
) -> Result<Json<SessionStatus>, Problem> {
    Ok(Json(gateway.scheduler.get(&id).await?.into()))
}
