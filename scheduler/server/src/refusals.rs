//! Refusals as gRPC statuses with `google.rpc` details: reason = stable code, field, retry delay.

use std::collections::HashMap;
use std::time::Duration;

use orb_coordinator::LEADER_METADATA;
use orb_scheduler_core::{Refusal, RefusalKind, SessionId, WorkerId};
use tonic::metadata::MetadataMap;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

const DOMAIN: &str = "orb.v1";

/// Capacity comes back when somebody stops a party or a worker attaches: seconds, not minutes.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// An election takes seconds, a planned hand-over a tenth of one.
const ELECTION_RETRY: Duration = Duration::from_millis(100);

pub(crate) fn status(refusal: &Refusal) -> Status {
    let code = match refusal.kind {
        RefusalKind::Invalid => Code::InvalidArgument,
        RefusalKind::NotFound => Code::NotFound,
        RefusalKind::Conflict => Code::AlreadyExists,
        RefusalKind::Precondition => Code::FailedPrecondition,
        RefusalKind::Capacity | RefusalKind::Full => Code::ResourceExhausted,
        RefusalKind::Changed => Code::Aborted,
    };
    let mut details = ErrorDetails::new();
    details.set_error_info(&refusal.code, DOMAIN, HashMap::new());
    if let Some(field) = &refusal.field {
        details.add_bad_request_violation(field, &refusal.message);
    }
    if refusal.is_retryable() {
        let hint = refusal.retry_after_ms.map(Duration::from_millis);
        details.set_retry_info(Some(hint.unwrap_or(RETRY_AFTER)));
    }
    Status::with_error_details(code, refusal.message.clone(), details)
}

pub(crate) fn unauthenticated() -> Status {
    with_code(
        Code::Unauthenticated,
        "unauthenticated",
        "send `authorization: Bearer <token>` with a valid token",
    )
}

/// This scheduler does not lead; the metadata say who does, where that is known.
pub(crate) fn not_leading(leader: Option<&str>) -> Status {
    let mut details = ErrorDetails::new();
    details.set_error_info("not_leading", DOMAIN, HashMap::new());
    details.set_retry_info(Some(ELECTION_RETRY));
    let mut metadata = MetadataMap::new();
    if let Some(address) = leader.and_then(|address| address.parse().ok()) {
        metadata.insert(LEADER_METADATA, address);
    }
    Status::with_error_details_and_metadata(
        Code::Unavailable,
        "this scheduler does not lead and changed nothing; ask the leader, or try again",
        details,
        metadata,
    )
}

/// The leader could not commit, or is shutting down: nothing was changed.
pub(crate) fn unavailable() -> Status {
    let mut details = ErrorDetails::new();
    details.set_error_info("scheduler_unavailable", DOMAIN, HashMap::new());
    details.set_retry_info(Some(Duration::from_secs(1)));
    Status::with_error_details(
        Code::Unavailable,
        "the scheduler cannot take the call now and changed nothing; try again",
        details,
    )
}

pub(crate) fn missing(field: &str) -> Status {
    status(&Refusal::invalid(field, "missing_field", "is required"))
}

fn with_code(code: Code, reason: &str, message: &str) -> Status {
    let mut details = ErrorDetails::new();
    details.set_error_info(reason, DOMAIN, HashMap::new());
    Status::with_error_details(code, message, details)
}

pub(crate) fn worker_id_taken(worker: &str) -> Status {
    with_code(
        Code::AlreadyExists,
        "worker_id_taken",
        &format!("another process is attached as worker {worker}; set a different ORB_WORKER_ID"),
    )
}

pub(crate) fn worker_not_found(worker: &WorkerId) -> Status {
    let message = format!("no worker {worker} is attached; look at ORB_WORKER_ID");
    with_code(Code::NotFound, "worker_not_found", &message)
}

pub(crate) fn no_watch_output() -> Status {
    with_code(
        Code::NotFound,
        "no_watch_output",
        "there is nothing to watch in this session now",
    )
}

pub(crate) fn session_not_found(id: &SessionId) -> Status {
    let message = format!("there is no session {id}; create it first");
    with_code(Code::NotFound, "session_not_found", &message)
}
