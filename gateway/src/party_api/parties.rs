//! Create, list, get, end.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use orb_proto::v1::{ControlRequest, CreateRequest, End, GoLive, control_request::Action};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    caller::{Caller, CallerHeaders},
    fingerprint::party_id,
    party::{AtQueueEnd, Party, settled},
};
use crate::{
    app::Gateway,
    body::JsonBody,
    contract::present,
    json_fields::Fields,
    problem::Problem,
    session_id::{SessionId, SessionPath},
};

/// All parties.
#[derive(Serialize, ToSchema)]
pub(super) struct Parties {
    /// Ordered by id.
    parties: Vec<Party>,
}

/// All parties, ordered by id: those that the bot made as well.
#[utoipa::path(get, operation_id = "listParties", path = "/api/v1/parties", tag = "parties",
    responses((status = 200, description = "The parties.", body = Parties)))]
pub(super) async fn list(State(gateway): State<Arc<Gateway>>) -> Result<Json<Parties>, Problem> {
    let sessions = gateway.scheduler.list().await?;
    Ok(Json(Parties {
        parties: sessions.into_iter().map(Party::from).collect(),
    }))
}

/// Body of `POST /api/v1/parties`.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", examples(
    json!({"id": "friday", "guildId": "111", "voiceChannelId": "222", "textChannelId": "333", "title": "Film night",
        "ownerUserId": "80351110224678912", "atQueueEnd": "leave", "goLive": false}),
    json!({"guildId": "111", "voiceChannelId": "222", "textChannelId": "333"}),
))]
#[allow(dead_code, reason = "documents the body; it is read field by field")]
pub(super) struct CreateParty {
    /// The caller's id of the party. Where missing it is made from the `Idempotency-Key`, so that a retry finds it.
    #[schema(pattern = "^[A-Za-z0-9._:-]{1,128}$")]
    id: Option<String>,
    /// Discord snowflake.
    #[schema(pattern = "^[0-9]{1,20}$")]
    guild_id: String,
    /// Discord snowflake.
    #[schema(pattern = "^[0-9]{1,20}$")]
    voice_channel_id: String,
    /// Discord snowflake. May be another one when the same party is created again.
    #[schema(pattern = "^[0-9]{1,20}$")]
    text_channel_id: String,
    /// For people.
    #[schema(max_length = 200)]
    title: Option<String>,
    /// Discord snowflake of whoever made it.
    #[schema(pattern = "^[0-9]{1,20}$")]
    owner_user_id: Option<String>,
    /// As the installation is configured, where missing.
    at_queue_end: Option<AtQueueEnd>,
    /// Whether the picture goes into the voice channel, too; as the installation is configured, where missing. Off unless
    /// its operator turned it on: Discord lets no bot do it and forbids to automate any other account
    /// (`docs/golive.md`, and `GET /api/v1/capabilities`).
    go_live: Option<bool>,
}

fn read_create(fields: &Fields<'_>, caller: Caller) -> Result<CreateRequest, Problem> {
    let at_queue_end = fields
        .text("atQueueEnd")?
        .map(|text| {
            AtQueueEnd::parse(&text)
                .ok_or_else(|| fields.wrong("atQueueEnd", "must be wait or leave"))
        })
        .transpose()?;
    let go_live = match fields.boolean("goLive")? {
        None => GoLive::Unspecified,
        Some(false) => GoLive::Off,
        Some(true) => GoLive::On,
    };
    Ok(CreateRequest {
        session_id: fields
            .text("id")?
            .unwrap_or_else(|| party_id(&caller.command_id)),
        guild_id: fields.required_text("guildId")?,
        voice_channel_id: fields.required_text("voiceChannelId")?,
        text_channel_id: fields.required_text("textChannelId")?,
        title: fields.text("title")?.unwrap_or_default(),
        owner_user_id: fields.text("ownerUserId")?.unwrap_or_default(),
        at_queue_end: at_queue_end.unwrap_or_default().into(),
        command_id: caller.command_id,
        actor: caller.actor,
        go_live: go_live.into(),
    })
}

/// Creates a party.
///
/// Answers when it is durable, and waits for no worker. The same party again changes nothing.
#[utoipa::path(post, operation_id = "createParty", path = "/api/v1/parties", tag = "parties", request_body = CreateParty,
    params(CallerHeaders),
    responses(
    (status = 201, description = "The party is new, and durable.", body = Party,
        headers(("Location" = String, description = "Path of the party."))),
    (status = 200, description = "The same party exists already.", body = Party),
))]
pub(super) async fn create(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    let request = read_create(&Fields::of(&body), caller)?;
    let response = gateway.scheduler.create(request).await;
    let response = response.map_err(|status| Problem::of_party(&status))?;
    let session = present(response.session)?;
    if !response.created {
        return Ok(Json(Party::from(session)).into_response());
    }
    let location = format!("/api/v1/parties/{}", session.session_id);
    let location = HeaderValue::try_from(location).map_err(|_| Problem::internal())?;
    let party = Json(Party::from(session));
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], party).into_response())
}

/// The party as it is now.
#[utoipa::path(get, operation_id = "getParty", path = "/api/v1/parties/{id}", tag = "parties",
    params(SessionPath),
    responses((status = 200, description = "The party.", body = Party)))]
pub(super) async fn get(
    State(gateway): State<Arc<Gateway>>,
    id: SessionId,
) -> Result<Json<Party>, Problem> {
    Ok(Json(gateway.scheduler.get(&id).await?.into()))
}

/// Ends a party: playback stops, the bot leaves, what waits is removed. What was played stays to be seen.
#[utoipa::path(delete, operation_id = "endParty", path = "/api/v1/parties/{id}", tag = "parties",
    params(SessionPath, CallerHeaders),
    responses(
    (status = 200, description = "It has ended; ending it again changes nothing.", body = Party),
    (status = 202, description = "Durable, and the worker is not done yet.", body = Party),
))]
pub(super) async fn end(
    State(gateway): State<Arc<Gateway>>,
    id: SessionId,
    caller: Caller,
) -> Result<(StatusCode, Json<Party>), Problem> {
    let request = ControlRequest {
        session_id: id.into_string(),
        action: Some(Action::End(End {})),
        command_id: caller.command_id,
        actor: caller.actor,
    };
    let response = gateway.scheduler.control(request).await;
    let response = response.map_err(|status| Problem::of_party(&status))?;
    settled(response.session, response.settled)
}
