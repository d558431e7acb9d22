//! A trace from one process to the next, as W3C Trace Context (<https://www.w3.org/TR/trace-context/>).

use std::collections::HashMap;

use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::{Status, TraceContextExt as _};
use opentelemetry::{Context, TraceFlags, Value};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// The HTTP header, and the key in gRPC metadata.
pub const TRACEPARENT: &str = "traceparent";

/// Makes a span the child of the one that a `traceparent` names; a text that is none changes nothing.
///
/// Before the span is entered, and before [`traceparent`] is asked of it or of a child.
pub fn continue_trace(span: &Span, traceparent: &str) {
    // A `tracestate` is other vendors' business, and may be long: it ends here.
    let carrier = HashMap::from([(TRACEPARENT.to_owned(), traceparent.to_owned())]);
    let parent = TraceContextPropagator::new().extract_with_context(&Context::new(), &carrier);
    if parent.span().span_context().is_valid() {
        // It fails where nothing is exported, or not this span.
        let _ = span.set_parent(parent);
    }
}

/// The `traceparent` of a span, for whoever goes on; none where nothing is exported, or not this span.
pub fn traceparent(span: &Span) -> Option<String> {
    let context = span.context();
    let span = context.span();
    let of_it = span.span_context();
    of_it.is_valid().then(|| {
        let flags = (of_it.trace_flags() & TraceFlags::SAMPLED).to_u8();
        format!("00-{}-{}-{flags:02x}", of_it.trace_id(), of_it.span_id())
    })
}

/// Adds to a span what no log line needs. Never a URL or a token.
pub fn attribute(span: &Span, key: &'static str, value: impl Into<Value>) {
    span.set_attribute(key, value);
}

/// What the span is about came to nothing, for the reason with this stable code.
pub fn failed(span: &Span, code: impl Into<String>) {
    span.set_status(Status::error(code.into()));
}
