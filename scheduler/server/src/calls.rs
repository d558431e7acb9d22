//! What all mutating calls have in common: ids, hashes, and the way to the leader and back.

use orb_proto::v1;
use orb_scheduler_core::{
    Answer, Call, CommandId, Refusal, Request as Wanted, SessionId, SessionView, TraceParent,
};
use prost::Message;
use sha2::{Digest, Sha256};
use tonic::Status;
use uuid::Uuid;

use crate::convert::session;
use crate::handle::CallError;
use crate::{LeaderHandle, Standing, refusals};

/// Longer ids are somebody's mistake, and would be stored for a day.
const MAX_COMMAND_ID: usize = 256;

/// It stands in every event row that the call leads to.
const MAX_ACTOR: usize = 128;

/// Of callers that do not say who asks.
const NAMELESS: &str = "grpc";

/// A call on its way to the leader.
pub(crate) struct Asked {
    pub(crate) session_id: String,
    pub(crate) command_id: String,
    pub(crate) actor: String,
    pub(crate) request_hash: [u8; 32],
    pub(crate) wanted: Wanted,
    pub(crate) trace: Option<TraceParent>,
}

/// Has the leader carry it out.
pub(crate) async fn call(
    standing: &Standing,
    asked: Asked,
) -> Result<(v1::Session, Answer), Status> {
    if asked.session_id.is_empty() {
        return Err(refusals::missing("session_id"));
    }
    if asked.command_id.len() > MAX_COMMAND_ID {
        let message = "must not be longer than 256 bytes";
        return Err(invalid("command_id", "invalid_id", message));
    }
    let leader = standing.leader()?;
    let call = Call {
        id: leader.call_id(),
        command: CommandId(if asked.command_id.is_empty() {
            Uuid::new_v4().to_string()
        } else {
            asked.command_id
        }),
        request_hash: asked.request_hash,
        known: None,
        stored: None,
        session: SessionId::new(asked.session_id),
        request: asked.wanted,
        actor: actor(asked.actor)?,
        trace: asked.trace,
    };
    match leader.call(call).await {
        Ok(answer) => Ok((message(&leader, &answer.view), *answer)),
        Err(CallError::Refused(refusal)) => Err(refusals::status(&refusal)),
        Err(CallError::Unavailable) if leader.gone.is_cancelled() => Err(standing.refusal()),
        Err(CallError::Unavailable) => Err(refusals::unavailable()),
    }
}

/// The session as it is now.
pub(crate) fn message(leader: &LeaderHandle, view: &SessionView) -> v1::Session {
    session::session(view, leader.clock.now())
}

/// Of what the caller asked, and of what kind it is: of the request without its command id and actor; or of the
/// caller's own fingerprint of it, when there is one.
pub(crate) fn request_hash(kind: &str, request: &impl Message, fingerprint: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new_with_prefix(kind);
    if fingerprint.is_empty() {
        hash.update(request.encode_to_vec());
    } else {
        hash.update(" by fingerprint ");
        hash.update(fingerprint);
    }
    hash.finalize().into()
}

fn actor(actor: String) -> Result<String, Status> {
    if actor.is_empty() {
        return Ok(NAMELESS.to_owned());
    }
    if actor.len() > MAX_ACTOR || actor.chars().any(char::is_control) {
        let message = "must be at most 128 bytes, without control characters";
        return Err(invalid("actor", "invalid_actor", message));
    }
    Ok(actor)
}

fn invalid(field: &str, code: &str, message: &str) -> Status {
    refusals::status(&Refusal::invalid(field, code, message))
}
