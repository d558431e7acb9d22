//! What the scheduler refuses, as a caller of the party API sees it.

use std::sync::Arc;

use serde_json::json;
use tonic::Code;

use crate::support::{Films, Harness, problem, refusal};

#[tokio::test]
async fn each_refusal_has_its_status_code_and_field() {
    let harness = Harness::with(|config| config.catalogue = Some(Arc::new(Films))).await;
    let party = "/api/v1/parties/456";
    let create = r#"{"guildId":"1","voiceChannelId":"2","textChannelId":"3"}"#;
    let add = r#"{"itemIds":["f1"]}"#;
    for (path, body, code, reason, proto_field, status, field) in [
        ("", "", Code::NotFound, "session_not_found", None, 404, None),
        (
            "/play",
            "",
            Code::FailedPrecondition,
            "queue_empty",
            None,
            409,
            None,
        ),
        (
            "/play",
            r#"{"entryId":4}"#,
            Code::NotFound,
            "entry_not_found",
            None,
            404,
            None,
        ),
        (
            "/play",
            r#"{"itemId":"f1"}"#,
            Code::InvalidArgument,
            "source_not_allowed",
            Some("item.stream_url"),
            422,
            Some("itemId"),
        ),
        (
            "/play",
            "",
            Code::ResourceExhausted,
            "no_capacity",
            None,
            503,
            None,
        ),
        (
            "/pause",
            "",
            Code::FailedPrecondition,
            "nothing_playing",
            None,
            409,
            None,
        ),
        (
            "/seek",
            r#"{"positionSeconds":-1}"#,
            Code::InvalidArgument,
            "seek_out_of_range",
            Some("position_ms"),
            422,
            Some("positionSeconds"),
        ),
        (
            "/previous",
            "",
            Code::FailedPrecondition,
            "no_previous_entry",
            None,
            409,
            None,
        ),
        (
            "/stop",
            "",
            Code::AlreadyExists,
            "command_id_reused",
            None,
            409,
            None,
        ),
        (
            "/queue",
            add,
            Code::ResourceExhausted,
            "queue_full",
            None,
            409,
            None,
        ),
        (
            "/queue",
            add,
            Code::Aborted,
            "queue_changed",
            None,
            409,
            None,
        ),
        (
            "/queue",
            add,
            Code::InvalidArgument,
            "source_invalid",
            Some("items[0].stream_url"),
            422,
            Some("itemIds"),
        ),
        (
            "new",
            create,
            Code::AlreadyExists,
            "session_conflict",
            None,
            409,
            None,
        ),
        (
            "new",
            create,
            Code::InvalidArgument,
            "invalid_id",
            Some("guild_id"),
            422,
            Some("guildId"),
        ),
        (
            "new",
            create,
            Code::InvalidArgument,
            "invalid_id",
            Some("session_id"),
            422,
            Some("id"),
        ),
    ] {
        harness
            .scheduler
            .answer(move |_| Err(refusal(code, reason, proto_field)));
        let request = match path {
            "" => harness.get(party),
            "new" => harness.post("/api/v1/parties", body),
            path => harness.post(&format!("{party}{path}"), body),
        };
        let (answered, answer) = problem(request).await;
        assert_eq!(
            (answered, &answer["code"]),
            (status, &json!(reason)),
            "{path} {body}"
        );
        let named = answer.get("field").and_then(|field| field.as_str());
        assert_eq!(named, field, "{path} {body}");
    }
}
