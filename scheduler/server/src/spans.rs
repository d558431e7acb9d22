//! Spans: a call, the command that it becomes in the leader's loop, and what is decided in its wake.
//!
//! ```text
//!  rpc ─▶ command ─┬─▶ placement                    the decision, explained
//!                  ├─▶ grant ─▶ (the worker's)      a new token, until the word is in the worker's stream
//!                  └─▶ take-over ─┬─▶ placement     its worker was lost
//!                                 └─▶ grant ─▶ (the next worker's)
//! ```
//!
//! What comes later, under this leader or another, follows from the [`TraceParent`] that the session's desired record
//! bears.

use std::collections::HashMap;

use orb_scheduler_core::{
    Call, Effect, Explanation, FencingToken, Grant, GrantCause, Request, SessionId, TraceParent,
};
use orb_telemetry::{TRACEPARENT, attribute, continue_trace, failed, traceparent};
use tonic::codegen::http;
use tonic::metadata::MetadataMap;
use tracing::Span;

/// What changes something is traced from here on when nobody traced it before.
const CHANGES: [&str; 4] = [
    "orb.v1.SessionService/Create",
    "orb.v1.SessionService/Play",
    "orb.v1.SessionService/Control",
    "orb.v1.AdminService/DrainWorker",
];

/// What is asked again and again is traced for those who trace it themselves.
const READS: [&str; 4] = [
    "orb.v1.SessionService/Get",
    "orb.v1.SessionService/List",
    "orb.v1.SessionService/Watch",
    "orb.v1.GatewayService/LocateWatch",
];

/// The server's span of a call; none of what nobody looks at.
pub(crate) fn rpc(request: &http::Request<()>) -> Span {
    let path = request.uri().path();
    let parent = request.headers().get(TRACEPARENT);
    let parent = parent.and_then(|value| value.to_str().ok());
    let find = |known: &[&'static str]| {
        known
            .iter()
            .copied()
            .find(|name| path.strip_prefix('/') == Some(*name))
    };
    let reads = parent.and_then(|_| find(&READS));
    let Some(name) = find(&CHANGES).or(reads) else {
        return Span::none();
    };
    let span = tracing::info_span!(
        "rpc",
        otel.name = name,
        otel.kind = "server",
        rpc.system = "grpc"
    );
    if let Some(parent) = parent {
        continue_trace(&span, parent);
    }
    span
}

/// From where a call comes, as the state machine keeps it: the present span, or, where nothing is exported, the
/// caller's.
pub(crate) fn origin(metadata: &MetadataMap) -> Option<TraceParent> {
    let here = traceparent(&Span::current());
    let callers = || metadata.get(TRACEPARENT)?.to_str().ok();
    TraceParent::parse(here.as_deref().or_else(callers)?)
}

/// The command in the leader's loop, from when it is taken to its answer. What it sets in motion follows from it.
pub(crate) fn command(call: &mut Call) -> Span {
    let kind = match &call.request {
        Request::Create { .. } => "create",
        Request::Play(_) => "play",
        Request::Control(_) => "control",
        Request::Edit(_) => "edit",
    };
    let span = tracing::info_span!(parent: None, "command", session = %call.session, kind);
    follow(&span, call.trace.as_ref());
    if let Some(here) = traceparent(&span) {
        call.trace = TraceParent::parse(&here);
    }
    span
}

/// Spans of one batch: from a decision, before its commit, to the word that the worker is sent.
#[derive(Default)]
pub(crate) struct Decisions {
    grants: HashMap<(SessionId, FencingToken), Granted>,
    take_overs: HashMap<SessionId, Span>,
    placements: Vec<Span>,
}

struct Granted {
    span: Span,
    /// From which span it follows.
    trace: Option<TraceParent>,
}

impl Decisions {
    /// Begins spans for what the state machine has just decided.
    pub(crate) fn note(&mut self, effects: &[Effect]) {
        for effect in effects {
            match effect {
                Effect::Granted {
                    session,
                    grant,
                    trace,
                } => self.granted(session, grant, trace.as_ref()),
                Effect::Placed {
                    session,
                    explanation,
                    trace,
                } => self.placed(session, explanation, trace.as_ref()),
                _ => {}
            }
        }
    }

    fn granted(&mut self, session: &SessionId, grant: &Grant, trace: Option<&TraceParent>) {
        let from = grant.from.as_ref().map_or("", |worker| worker.as_str());
        let cause = match grant.cause {
            GrantCause::Placed => "placed",
            GrantCause::HandedOver => "handed over",
            GrantCause::TakenOver { .. } => "taken over",
        };
        let above = if let GrantCause::TakenOver { unheard_ms } = grant.cause {
            let span = tracing::info_span!(parent: None, "take-over", %session, from);
            follow(&span, trace);
            if let Some(unheard_ms) = unheard_ms {
                attribute(&span, "unheard_ms", unheard_ms as i64);
            }
            self.take_overs.insert(session.clone(), span.clone());
            span
        } else {
            self.take_overs.remove(session);
            Span::none()
        };
        let span = tracing::info_span!(
            parent: &above, "grant",
            %session, worker = %grant.worker, token = grant.token.get(), from, cause,
            position_ms = grant.position_ms,
        );
        if above.is_none() {
            follow(&span, trace);
        }
        let granted = Granted {
            span,
            trace: trace.cloned(),
        };
        self.grants.insert((session.clone(), grant.token), granted);
    }

    fn placed(
        &mut self,
        session: &SessionId,
        explanation: &Explanation,
        trace: Option<&TraceParent>,
    ) {
        let above = self
            .take_overs
            .get(session)
            .filter(|_| explanation.chosen.is_some());
        let above = above.cloned().unwrap_or_else(Span::none);
        let span = tracing::info_span!(parent: &above, "placement", %session);
        if above.is_none() {
            follow(&span, trace);
        }
        attribute(&span, "placement", in_words(explanation));
        self.placements.push(span);
    }

    /// What a word to a worker follows from: its grant in this batch, or else what the session's trace says.
    pub(crate) fn behind(
        &self,
        session: &SessionId,
        token: FencingToken,
        trace: Option<&TraceParent>,
    ) -> String {
        let granted = self.grants.get(&(session.clone(), token));
        // A word of the same batch may already be about a later call.
        let granted = granted.filter(|granted| granted.trace.as_ref() == trace);
        let here = granted.and_then(|granted| traceparent(&granted.span));
        let stored = || trace.map(|trace| trace.as_str().to_owned());
        here.or_else(stored).unwrap_or_default()
    }

    /// None of it was committed, so none of it came to be.
    pub(crate) fn failed(&self, code: &str) {
        let grants = self.grants.values().map(|granted| &granted.span);
        let spans = grants.chain(self.take_overs.values());
        for span in spans.chain(&self.placements) {
            failed(span, code);
        }
    }
}

/// As JSON. Not by way of a [`serde_json::Value`], which is a dozen allocations.
pub(crate) fn in_words(explanation: &Explanation) -> String {
    serde_json::to_string(explanation).expect("an explanation has string keys and serializes")
}

fn follow(span: &Span, trace: Option<&TraceParent>) {
    if let Some(trace) = trace {
        continue_trace(span, trace.as_str());
    }
}
