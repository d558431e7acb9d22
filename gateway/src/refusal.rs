//! A gRPC refusal as a [`Problem`].
//!
//! Refusals that the scheduler means for callers bear a `google.rpc.ErrorInfo` of domain `orb.v1`: their reason
//! is the problem's code, their message its detail. Anything else is a failure, and its text stays in the log.

use std::time::Duration;

use axum::http::StatusCode;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::problem::Problem;

const ERROR_DOMAIN: &str = "orb.v1";

/// Retry-After when there is no capacity or no free account: a party has to end first.
const NO_CAPACITY_RETRY: Duration = Duration::from_secs(10);

/// Retry-After while the scheduler restarts or elects.
const UNREACHABLE_RETRY: Duration = Duration::from_secs(2);

impl From<Status> for Problem {
    fn from(status: Status) -> Self {
        Self::of(&status, contract_name)
    }
}

impl Problem {
    /// A refusal, with its field named as the party API has it.
    pub(crate) fn of_party(status: &Status) -> Self {
        Self::of(status, party_name)
    }

    fn of(status: &Status, name: fn(&str) -> String) -> Self {
        let info = status
            .get_details_error_info()
            // Which scheduler leads is nothing to callers: for them, none can be reached.
            .filter(|info| info.domain == ERROR_DOMAIN && info.reason != "not_leading");
        let Some(info) = info else {
            tracing::warn!(code = ?status.code(), message = status.message(), "scheduler refused without a reason");
            return without_reason(http_status(status.code()));
        };
        let http = match info.reason.as_str() {
            // Of the same gRPC code as a pool without room, but no time makes it better.
            "queue_full" => StatusCode::CONFLICT,
            _ => http_status(status.code()),
        };
        if http == StatusCode::INTERNAL_SERVER_ERROR {
            tracing::error!(code = ?status.code(), reason = info.reason, message = status.message(), "scheduler failed");
            return Self::internal();
        }
        let mut problem = Self::new(http, info.reason, status.message().to_owned());
        let violations = status
            .get_details_bad_request()
            .map(|bad| bad.field_violations)
            .unwrap_or_default();
        if let Some(violation) = violations.into_iter().next() {
            problem = problem.with_field(name(&violation.field));
        }
        problem.with_retry_after(retry_after(status))
    }
}

fn http_status(code: Code) -> StatusCode {
    match code {
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::InvalidArgument | Code::OutOfRange => StatusCode::UNPROCESSABLE_ENTITY,
        Code::AlreadyExists | Code::FailedPrecondition | Code::Aborted => StatusCode::CONFLICT,
        // A deadline that passed leaves the outcome open; with the same command id it is safe to ask again.
        Code::ResourceExhausted | Code::Unavailable | Code::DeadlineExceeded => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::PermissionDenied => StatusCode::FORBIDDEN,
        Code::Ok
        | Code::Cancelled
        | Code::Unknown
        | Code::Unimplemented
        | Code::Internal
        | Code::DataLoss => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn without_reason(http: StatusCode) -> Problem {
    match http {
        StatusCode::NOT_FOUND => Problem::new(http, "not_found", "there is no such thing"),
        StatusCode::UNPROCESSABLE_ENTITY => Problem::new(
            http,
            "invalid_argument",
            "the scheduler refused an argument",
        ),
        StatusCode::CONFLICT => {
            Problem::new(http, "conflict", "the session's state does not allow this")
        }
        StatusCode::UNAUTHORIZED => Problem::unauthenticated(),
        StatusCode::FORBIDDEN => Problem::new(http, "forbidden", "this token may not do this"),
        StatusCode::SERVICE_UNAVAILABLE => {
            let detail = "the scheduler cannot be reached; send the same call again, with the same Idempotency-Key";
            Problem::new(http, "scheduler_unavailable", detail).with_retry_after(UNREACHABLE_RETRY)
        }
        _ => Problem::internal(),
    }
}

fn retry_after(status: &Status) -> Duration {
    let asked = status
        .get_details_retry_info()
        .and_then(|info| info.retry_delay);
    asked.unwrap_or(match status.code() {
        Code::ResourceExhausted => NO_CAPACITY_RETRY,
        _ => UNREACHABLE_RETRY,
    })
}

/// The contract's name of a field of `session.proto`. The names are unique enough to need no look at the call.
fn contract_name(field: &str) -> String {
    match field.strip_prefix("item.").unwrap_or(field) {
        "queue_entry_id" => "queueEntryId".to_owned(),
        "position_ms" | "seek.position_ms" => "positionSeconds".to_owned(),
        "duration_ms" => "playback.durationSeconds".to_owned(),
        "command_id" => "Idempotency-Key".to_owned(),
        name if field.starts_with("item.") => format!("playback.{}", camel_case(name)),
        name => camel_case(name),
    }
}

/// The party API's name of a field of `session.proto` or `party.proto`. What the gateway looked up is called as what the
/// caller sent for it.
fn party_name(field: &str) -> String {
    let name = field.rsplit('.').next().unwrap_or(field);
    match field
        .split(['.', '['])
        .find(|part| !["add", "edit"].contains(part))
    {
        Some("item") => return "itemId".to_owned(),
        Some("items") => return "itemIds".to_owned(),
        _ => {}
    }
    match name {
        "session_id" => "id".to_owned(),
        "position_ms" => "positionSeconds".to_owned(),
        "delta_ms" => "bySeconds".to_owned(),
        "command_id" => "Idempotency-Key".to_owned(),
        "actor" => "X-Orb-Actor".to_owned(),
        "if_version" => "If-Match".to_owned(),
        name => camel_case(name),
    }
}

fn camel_case(name: &str) -> String {
    let mut camel = String::with_capacity(name.len());
    let mut raise = false;
    for c in name.chars() {
        if c == '_' {
            raise = true;
        } else if std::mem::take(&mut raise) {
            camel.push(c.to_ascii_uppercase());
        } else {
            camel.push(c);
        }
    }
    camel
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fields_as_the_contract_does() {
        for (proto, contract) in [
            ("session_id", "sessionId"),
            ("guild_id", "guildId"),
            ("voice_channel_id", "voiceChannelId"),
            ("text_channel_id", "textChannelId"),
            ("item", "item"),
            ("item.queue_entry_id", "queueEntryId"),
            ("item.item_id", "playback.itemId"),
            ("item.stream_url", "playback.streamUrl"),
            ("item.download_url", "playback.downloadUrl"),
            ("item.duration_ms", "playback.durationSeconds"),
            ("item.tmdb_id", "playback.tmdbId"),
            ("position_ms", "positionSeconds"),
            ("seek.position_ms", "positionSeconds"),
            ("action", "action"),
            ("command_id", "Idempotency-Key"),
        ] {
            assert_eq!(contract_name(proto), contract);
        }
    }

    #[test]
    fn names_fields_as_the_party_api_does() {
        for (proto, party) in [
            ("session_id", "id"),
            ("at_queue_end", "atQueueEnd"),
            ("item.stream_url", "itemId"),
            ("add.items[3].stream_url", "itemIds"),
            ("items", "itemIds"),
            ("seek.position_ms", "positionSeconds"),
            ("seek_by.delta_ms", "bySeconds"),
            ("reorder.entry_ids", "entryIds"),
            ("to_index", "toIndex"),
            ("if_version", "If-Match"),
            ("actor", "X-Orb-Actor"),
        ] {
            assert_eq!(party_name(proto), party);
        }
    }

    #[test]
    fn a_full_queue_is_no_fault_of_the_pool() {
        let details = tonic_types::ErrorDetails::with_error_info(
            "queue_full",
            ERROR_DOMAIN,
            std::collections::HashMap::new(),
        );
        let status = Status::with_error_details(Code::ResourceExhausted, "it is full", details);
        assert_eq!(Problem::of_party(&status).status(), StatusCode::CONFLICT);
    }

    #[test]
    fn keeps_the_text_of_failures_to_itself() {
        let problem = Problem::from(Status::internal("sqlite: /var/lib/orb.db is locked"));
        assert_eq!(problem, Problem::internal());
        let problem = Problem::from(Status::not_found("row 17"));
        assert_eq!(
            (problem.status().as_u16(), problem.code()),
            (404, "not_found")
        );
        assert!(!format!("{problem:?}").contains("row 17"));
    }
}
