//! What the scheduler refuses, as a caller sees it.

use serde_json::json;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::support::{Harness, problem, refusal};

#[tokio::test]
async fn each_refusal_has_its_status_code_and_field() {
    let harness = Harness::start().await;
    for (code, reason, field, status, contract_field) in [
        (Code::NotFound, "session_not_found", None, 404, None),
        (
            Code::InvalidArgument,
            "invalid_argument",
            Some("guild_id"),
            422,
            Some("guildId"),
        ),
        (
            Code::InvalidArgument,
            "source_not_allowed",
            Some("item.stream_url"),
            422,
            Some("playback.streamUrl"),
        ),
        (
            Code::InvalidArgument,
            "seek_out_of_range",
            Some("position_ms"),
            422,
            Some("positionSeconds"),
        ),
        (Code::AlreadyExists, "session_exists", None, 409, None),
        (Code::FailedPrecondition, "nothing_playing", None, 409, None),
        (Code::Unauthenticated, "unauthenticated", None, 401, None),
        (Code::ResourceExhausted, "no_capacity", None, 503, None),
    ] {
        harness
            .scheduler
            .answer(move |_| Err(refusal(code, reason, field)));
        for (path, body) in [
            (
                "/sessions",
                r#"{"sessionId":"1","guildId":"2","voiceChannelId":"3","textChannelId":"4"}"#,
            ),
            (
                "/sessions/1/control",
                r#"{"action":"seek","positionSeconds":1}"#,
            ),
        ] {
            let (answered, answer) = problem(harness.post(path, body)).await;
            assert_eq!((answered, &answer["code"]), (status, &json!(reason)));
            assert_eq!(answer["detail"], format!("refused: {reason}"));
            assert_eq!(
                answer.get("field").and_then(|field| field.as_str()),
                contract_field
            );
        }
    }
}

#[tokio::test]
async fn failures_show_nothing_of_the_inside() {
    let harness = Harness::start().await;
    for status in [
        Status::internal("sqlite: disk I/O error at /var/lib/orb"),
        Status::unknown("panicked at store.rs:17"),
        Status::data_loss("x"),
        refusal(Code::Internal, "store_failed", None),
    ] {
        harness.scheduler.answer(move |_| Err(status.clone()));
        let (status, answer) = problem(harness.get("/sessions/456")).await;
        assert_eq!((status, &answer["code"]), (500, &json!("internal")));
        assert!(!answer.to_string().contains("sqlite") && !answer.to_string().contains("store"));
    }
}

#[tokio::test]
async fn retry_after_is_what_the_scheduler_asks_for() {
    let harness = Harness::start().await;
    harness.scheduler.answer(|_| {
        let mut details = ErrorDetails::new();
        details.set_error_info("no_account", "orb.v1", std::collections::HashMap::new());
        details.set_retry_info(Some(std::time::Duration::from_millis(41_200)));
        Err(Status::with_error_details(
            Code::Unavailable,
            "no account is free",
            details,
        ))
    });
    let response = harness.get("/sessions/456").send().await.unwrap();
    assert_eq!(
        (
            response.status().as_u16(),
            &response.headers()["retry-after"]
        ),
        (503, &"42".parse().unwrap())
    );
    // Asked to come so late, the gateway does not try again by itself.
    assert_eq!(harness.scheduler.calls().len(), 1);
}
