//! Play, pause, resume, seek, skip, previous, stop. Each waits at most 5 s for the worker.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use orb_proto::v1::{
    ControlRequest, Pause, PlayRequest, Previous, Resume, Seek, SeekBy, Skip, Start, Stop,
    control_request::Action,
};
use serde_json::json;
use utoipa::ToSchema;

use super::{
    caller::{Caller, CallerHeaders},
    fingerprint::fingerprint,
    party::{Party, settled},
};
use crate::{
    app::Gateway,
    body::{JsonBody, OptionalJsonBody},
    catalogue::ItemId,
    json_fields::Fields,
    problem::Problem,
    session_id::{SessionId, SessionPath},
};

type Answer = Result<(StatusCode, Json<Party>), Problem>;

async fn control(gateway: &Gateway, id: SessionId, caller: Caller, action: Action) -> Answer {
    let request = ControlRequest {
        session_id: id.into_string(),
        action: Some(action),
        command_id: caller.command_id,
        actor: caller.actor,
    };
    let response = gateway.scheduler.control(request).await;
    let response = response.map_err(|status| Problem::of_party(&status))?;
    settled(response.session, response.settled)
}

/// Body of `POST /api/v1/parties/{id}/play`; may be left out. At most one of its fields.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", examples(json!({}), json!({"itemId": "abc123"}), json!({"entryId": 4})))]
#[allow(dead_code, reason = "documents the body; it is read field by field")]
pub(super) struct PlayFromParty {
    /// An item of the library, at once, in place of what plays. A series: its next or first playable episode.
    #[schema(pattern = "^[A-Za-z0-9-]{1,64}$")]
    item_id: Option<String>,
    /// A waiting entry of the queue, at once, in place of what plays.
    #[schema(minimum = 1)]
    entry_id: Option<u64>,
}

/// Plays: what is paused, else the head of the queue; or an item or an entry that is named.
///
/// While something plays, a call that names nothing changes nothing.
#[utoipa::path(post, operation_id = "playInParty", path = "/api/v1/parties/{id}/play", tag = "playback", request_body = Option<PlayFromParty>,
    params(SessionPath, CallerHeaders),
    responses(
    (status = 200, description = "It plays.", body = Party),
    (status = 202, description = "Durable, and still under way.", body = Party),
))]
pub(super) async fn play(
    State(gateway): State<Arc<Gateway>>,
    id: SessionId,
    caller: Caller,
    OptionalJsonBody(body): OptionalJsonBody,
) -> Answer {
    let fields = Fields::of(&body);
    let item_id = fields.text("itemId")?;
    let entry_id = fields.id("entryId")?;
    let Some(item_id) = item_id else {
        let entry_id = entry_id.unwrap_or_default();
        return control(&gateway, id, caller, Action::Start(Start { entry_id })).await;
    };
    if entry_id.is_some() {
        return Err(fields.wrong("entryId", "must be left out where itemId is given"));
    }
    let item_id = ItemId::parse(&item_id)
        .ok_or_else(|| fields.wrong("itemId", "must be 1 to 64 letters, digits or dashes"))?;
    let asked = json!({"call": "play", "party": id.as_str(), "itemId": item_id.as_str()});
    let request = PlayRequest {
        item: Some(gateway.catalogue()?.item(&item_id).await?),
        session_id: id.into_string(),
        command_id: caller.command_id,
        actor: caller.actor,
        fingerprint: fingerprint(&asked),
    };
    let response = gateway.scheduler.play(request).await;
    let response = response.map_err(|status| Problem::of_party(&status))?;
    settled(response.session, response.settled)
}

/// Pauses what plays; paused already: no change.
#[utoipa::path(post, operation_id = "pauseParty", path = "/api/v1/parties/{id}/pause", tag = "playback",
    params(SessionPath, CallerHeaders),
    responses(
    (status = 200, description = "It is paused.", body = Party),
    (status = 202, description = "Durable, and still under way.", body = Party),
))]
pub(super) async fn pause(
    State(gateway): State<Arc<Gateway>>,
    id: SessionId,
    caller: Caller,
) -> Answer {
    control(&gateway, id, caller, Action::Pause(Pause {})).await
}

/// Resumes what is paused; not paused: no change.
#[utoipa::path(post, operation_id = "resumeParty", path = "/api/v1/parties/{id}/resume", tag = "playback",
    params(SessionPath, CallerHeaders),
    responses(
    (status = 200, description = "It plays.", body = Party),
    (status = 202, description = "Durable, and still under way.", body = Party),
))]
pub(super) async fn resume(
    State(gateway): State<Arc<Gateway>>,
    id: SessionId,
    caller: Caller,
) -> Answer {
    control(&gateway, id, caller, Action::Resume(Resume {})).await
}

/// Body of `POST /api/v1/parties/{id}/seek`: exactly one of its fields.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", examples(json!({"positionSeconds": 42.5}), json!({"bySeconds": -30})))]
#[allow(dead_code, reason = "documents the body; it is read field by field")]
pub(super) struct SeekInParty {
    /// From the start of the item; below zero or beyond its end is refused.
    #[schema(minimum = 0)]
    position_seconds: Option<f64>,
    /// From where playback is; what lies before the start or beyond the end is cut off.
    by_seconds: Option<f64>,
}

fn read_seek(fields: &Fields<'_>) -> Result<Action, Problem> {
    match (
        fields.seconds("positionSeconds")?,
        fields.seconds("bySeconds")?,
    ) {
        (Some(position_ms), None) => Ok(Action::Seek(Seek { position_ms })),
        (None, Some(delta_ms)) => Ok(Action::SeekBy(SeekBy { delta_ms })),
        (None, None) => {
            Err(fields.wrong("positionSeconds", "is required, or bySeconds in its place"))
        }
        (Some(_), Some(_)) => Err(fields.wrong(
            "bySeconds",
            "must be left out where positionSeconds is given",
        )),
    }
}

/// Seeks in what plays or is paused.
#[utoipa::path(post, operation_id = "seekInParty", path = "/api/v1/parties/{id}/seek", tag = "playback", request_body = SeekInParty,
    params(SessionPath, CallerHeaders),
    responses(
    (status = 200, description = "It is there.", body = Party),
    (status = 202, description = "Durable, and still under way.", body = Party),
))]
pub(super) async fn seek(
    State(gateway): State<Arc<Gateway>>,
    id: SessionId,
    caller: Caller,
    JsonBody(body): JsonBody,
) -> Answer {
    let action = read_seek(&Fields::of(&body))?;
    control(&gateway, id, caller, action).await
}

/// Body of `skip` and `previous`; may be left out.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", examples(json!({"entryId": 2}), json!({})))]
#[allow(dead_code, reason = "documents the body; it is read field by field")]
pub(super) struct SeenEntry {
    /// The entry that the caller saw playing: when another one plays by now, nothing is changed. Of two who skip the
    /// same entry, so one does.
    #[schema(minimum = 1)]
    entry_id: Option<u64>,
}

/// Ends what plays; the head of the queue, if there is one, plays.
#[utoipa::path(post, operation_id = "skipInParty", path = "/api/v1/parties/{id}/skip", tag = "playback", request_body = Option<SeenEntry>,
    params(SessionPath, CallerHeaders),
    responses(
    (status = 200, description = "It was skipped, or something else plays by now.", body = Party),
    (status = 202, description = "Durable, and still under way.", body = Party),
))]
pub(super) async fn skip(
    State(gateway): State<Arc<Gateway>>,
    id: SessionId,
    caller: Caller,
    OptionalJsonBody(body): OptionalJsonBody,
) -> Answer {
    let entry_id = Fields::of(&body).id("entryId")?.unwrap_or_default();
    control(&gateway, id, caller, Action::Skip(Skip { entry_id })).await
}

/// Plays the entry before the current one from its start; the current one waits again, as the first.
#[utoipa::path(post, operation_id = "goBackInParty", path = "/api/v1/parties/{id}/previous", tag = "playback", request_body = Option<SeenEntry>,
    params(SessionPath, CallerHeaders),
    responses(
    (status = 200, description = "It plays, or something else plays by now.", body = Party),
    (status = 202, description = "Durable, and still under way.", body = Party),
))]
pub(super) async fn previous(
    State(gateway): State<Arc<Gateway>>,
    id: SessionId,
    caller: Caller,
    OptionalJsonBody(body): OptionalJsonBody,
) -> Answer {
    let entry_id = Fields::of(&body).id("entryId")?.unwrap_or_default();
    control(
        &gateway,
        id,
        caller,
        Action::Previous(Previous { entry_id }),
    )
    .await
}

/// Ends playback and leaves the channel; the queue stays. Stopped already: no change.
#[utoipa::path(post, operation_id = "stopParty", path = "/api/v1/parties/{id}/stop", tag = "playback",
    params(SessionPath, CallerHeaders),
    responses(
    (status = 200, description = "It is stopped.", body = Party),
    (status = 202, description = "Durable, and still under way.", body = Party),
))]
pub(super) async fn stop(
    State(gateway): State<Arc<Gateway>>,
    id: SessionId,
    caller: Caller,
) -> Answer {
    control(&gateway, id, caller, Action::Stop(Stop {})).await
}
