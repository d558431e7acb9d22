//! `POST /sessions/{id}/control`.
//!
//! The document that the contract comes from names no field for the action or the seek target, so several names
//! are taken, at the top level or one level down. The first of each is the documented one.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use orb_proto::v1::{ControlRequest, Pause, Resume, Seek, Skip, Stop, control_request::Action};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{ACTOR, SessionStatus, present, settled_code};
use crate::{
    app::Gateway,
    body::JsonBody,
    command_id::{CommandId, IdempotencyKey},
    json_fields::{Fields, milliseconds},
    problem::{Problem, ProblemBody},
    session_id::{SessionId, SessionPath},
};

const ACTION_NAMES: [&str; 2] = ["action", "command"];
const TARGET_NAMES: [&str; 4] = ["positionSeconds", "position", "seconds", "seekSeconds"];
const NESTS: [&str; 3] = ["payload", "params", "value"];

/// Body of `POST /sessions/{id}/control`.
#[derive(ToSchema)]
#[schema(as = Control, rename_all = "camelCase", examples(
    json!({"action": "pause"}),
    json!({"action": "seek", "positionSeconds": 42.5}),
))]
#[allow(
    dead_code,
    reason = "documents the body; it is read field by field, since fields have several names"
)]
pub(super) struct ControlBody {
    /// What to do. Also taken: `command`; either may stand inside `payload`, `params` or `value`.
    action: ActionName,
    /// Where to seek to, from the start of the item; required for `seek`. Also taken: `position`, `seconds`,
    /// `seekSeconds`, a numeric string, and each inside `payload`, `params` or `value`.
    #[schema(minimum = 0, maximum = 1_000_000_000, required, nullable = false)]
    position_seconds: Option<f64>,
}

/// What can be done to a session.
#[derive(ToSchema)]
#[schema(as = ControlAction, rename_all = "lowercase")]
#[allow(dead_code, reason = "documents the values of `action`")]
enum ActionName {
    Pause,
    Resume,
    Seek,
    Skip,
    Stop,
}

fn read(body: &Map<String, Value>) -> Result<Action, Problem> {
    let action = first(body, &ACTION_NAMES).ok_or_else(|| {
        Problem::invalid_field(
            "action",
            "action is required: pause, resume, seek, skip or stop",
        )
    })?;
    match action.value.as_str() {
        Some("pause") => Ok(Action::Pause(Pause {})),
        Some("resume") => Ok(Action::Resume(Resume {})),
        Some("skip") => Ok(Action::Skip(Skip::default())),
        Some("stop") => Ok(Action::Stop(Stop {})),
        Some("seek") => Ok(Action::Seek(Seek {
            position_ms: target_ms(body)?,
        })),
        _ => Err(action.wrong("must be pause, resume, seek, skip or stop")),
    }
}

fn target_ms(body: &Map<String, Value>) -> Result<i64, Problem> {
    // `{"action":"seek","value":90}`: the nest itself may be the target.
    let bare = || {
        body.get("value")
            .filter(|value| is_scalar(value))
            .map(|value| Found::at("value", value))
    };
    let target = first(body, &TARGET_NAMES).or_else(bare).ok_or_else(|| {
        Problem::invalid_field("positionSeconds", "positionSeconds is required for a seek")
    })?;
    let seconds = match target.value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    // A negative one is passed on: whether there is a session to seek in at all is said first, by the scheduler.
    seconds
        .and_then(milliseconds)
        .ok_or_else(|| target.wrong("must be a number of seconds"))
}

fn is_scalar(value: &Value) -> bool {
    value.is_number() || value.is_string()
}

/// A field that was found, and the name that it was found under.
struct Found<'a> {
    path: String,
    value: &'a Value,
}

impl<'a> Found<'a> {
    fn at(path: impl Into<String>, value: &'a Value) -> Self {
        Self {
            path: path.into(),
            value,
        }
    }

    fn wrong(&self, rule: &str) -> Problem {
        Problem::invalid_field(self.path.clone(), format!("{} {rule}", self.path))
    }
}

/// The first of these names that is there: the top level before the nests, a name before the next.
fn first<'a>(body: &'a Map<String, Value>, names: &[&str]) -> Option<Found<'a>> {
    let top = Fields::of(body);
    let nests = NESTS
        .iter()
        .filter_map(|nest| top.object(nest).ok().flatten());
    std::iter::once(top.clone())
        .chain(nests)
        .find_map(|fields| {
            names
                .iter()
                .find_map(|name| Some(Found::at(fields.path(name), fields.value(name)?)))
        })
}

/// Pauses, resumes, seeks, skips or stops.
///
/// Waits at most 5 s for the worker. With nothing to act on: 409 `nothing_playing`. A seek below zero or beyond
/// the end: 422.
#[utoipa::path(post, operation_id = "controlSession", path = "/sessions/{id}/control", tag = "worker contract", request_body = ControlBody,
    params(SessionPath, IdempotencyKey),
    responses(
    (status = 200, description = "The worker has done it.", body = SessionStatus),
    (status = 202, description = "Durable, and still under way.", body = SessionStatus),
    (status = 409, description = "Nothing plays that could be acted on.",
        body = ProblemBody, content_type = "application/problem+json"),
))]
pub(super) async fn control(
    State(gateway): State<Arc<Gateway>>,
    id: SessionId,
    command_id: CommandId,
    JsonBody(body): JsonBody,
) -> Result<(StatusCode, Json<SessionStatus>), Problem> {
    let action = Some(read(&body)?);
    let request = ControlRequest {
        session_id: id.into_string(),
        action,
        command_id: command_id.0,
        actor: ACTOR.to_owned(),
    };
    let response = gateway.scheduler.control(request).await?;
    Ok((
        settled_code(response.settled),
        Json(present(response.session)?.into()),
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn parsed(body: &Value) -> Result<Action, Problem> {
        read(body.as_object().unwrap())
    }

    #[test]
    fn takes_every_name_at_every_place() {
        for action in ACTION_NAMES {
            for target in TARGET_NAMES {
                let flat = json!({action: "seek", target: 1.5});
                assert_eq!(
                    parsed(&flat),
                    Ok(Action::Seek(Seek { position_ms: 1500 })),
                    "{flat}"
                );
                for nest in NESTS {
                    for body in [
                        json!({action: "seek", nest: {target: "1.5"}}),
                        json!({nest: {action: "seek", target: 1.5}}),
                    ] {
                        assert_eq!(
                            parsed(&body),
                            Ok(Action::Seek(Seek { position_ms: 1500 })),
                            "{body}"
                        );
                    }
                }
            }
        }
        let bare = json!({"action": "seek", "value": 90});
        assert_eq!(
            parsed(&bare),
            Ok(Action::Seek(Seek {
                position_ms: 90_000
            }))
        );
    }

    #[test]
    fn a_target_beyond_everything_is_for_the_scheduler_to_refuse() {
        for (seconds, ms) in [
            (1e300, 10_i64.pow(15)),
            (-1e300, -10_i64.pow(15)),
            (-0.001, -1),
        ] {
            let body = json!({"action": "seek", "positionSeconds": seconds});
            assert_eq!(
                parsed(&body),
                Ok(Action::Seek(Seek { position_ms: ms })),
                "{body}"
            );
        }
    }

    #[test]
    fn documented_names_and_the_top_level_win() {
        let body = json!({"command": "stop", "action": "seek", "seconds": 9, "positionSeconds": 1, "payload": {"positionSeconds": 2}});
        assert_eq!(parsed(&body), Ok(Action::Seek(Seek { position_ms: 1000 })));
        let body = json!({"action": null, "payload": {"action": "skip"}, "value": 3});
        assert_eq!(parsed(&body), Ok(Action::Skip(Skip::default())));
    }

    #[test]
    fn names_what_is_wrong() {
        for (body, field) in [
            (json!({}), "action"),
            (json!({"action": "explode"}), "action"),
            (json!({"action": 1}), "action"),
            (json!({"payload": {"command": []}}), "payload.command"),
            (json!({"action": "seek"}), "positionSeconds"),
            (json!({"action": "seek", "position": true}), "position"),
            (
                json!({"action": "seek", "params": {"seconds": "NaN"}}),
                "params.seconds",
            ),
            (
                json!({"action": "seek", "positionSeconds": "inf"}),
                "positionSeconds",
            ),
            (json!({"action": "seek", "value": "soon"}), "value"),
        ] {
            let problem = parsed(&body).unwrap_err();
            assert_eq!(problem.status().as_u16(), 422);
            assert_eq!(
                serde_json::to_value(&problem).unwrap()["field"],
                field,
                "{body}"
            );
        }
    }
}
