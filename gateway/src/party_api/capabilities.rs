//! By what ways a new party could be sent now.

use std::sync::Arc;

use axum::{Json, extract::State};
use orb_proto::v1;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{app::Gateway, problem::Problem};

/// What this installation can do now.
#[derive(Debug, Serialize, ToSchema)]
#[schema(examples(json!({"outputs": [
    {"name": "voice", "available": true, "reason": null},
    {"name": "watch", "available": true, "reason": null},
    {"name": "golive", "available": false,
        "reason": "bots cannot send video and Discord's terms forbid to automate any other account: it is off unless the \
            operator sets ORB_GOLIVE"},
]})))]
pub(super) struct Capabilities {
    /// `voice`, `watch`, `golive`.
    outputs: Vec<Output>,
}

/// A way by which viewers get a party.
#[derive(Debug, Serialize, ToSchema)]
struct Output {
    /// As in a party's `capabilities`: `voice` is sound in the voice channel, `watch` the watch page, `golive` the picture
    /// in the voice channel.
    name: String,
    /// Whether a new party could have it now, if there is room.
    available: bool,
    /// One sentence: what is missing. Null when it is available.
    #[schema(required)]
    reason: Option<String>,
}

impl From<v1::Output> for Output {
    fn from(output: v1::Output) -> Self {
        Self {
            name: output.name,
            available: output.available,
            reason: Some(output.reason).filter(|reason| !reason.is_empty()),
        }
    }
}

/// By what ways a new party could be sent now, and why not by the others.
#[utoipa::path(get, operation_id = "getCapabilities", path = "/api/v1/capabilities", tag = "parties",
    responses((status = 200, description = "The outputs.", body = Capabilities)))]
pub(super) async fn get(
    State(gateway): State<Arc<Gateway>>,
) -> Result<Json<Capabilities>, Problem> {
    let outputs = gateway.scheduler.outputs().await?;
    Ok(Json(Capabilities {
        outputs: outputs.into_iter().map(Output::from).collect(),
    }))
}
