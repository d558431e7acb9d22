//! A stand-in for a collector of traces: takes OTLP over gRPC, and keeps what comes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::Span;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::task::AbortOnDropHandle;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

use crate::waiting::until;

/// Spans are sent once a second; a process that is busy with an encoder takes longer.
const SENT_WITHIN: Duration = Duration::from_secs(10);

/// A collector; it is gone when it is dropped.
pub struct Collector {
    address: SocketAddr,
    kept: Kept,
    _server: AbortOnDropHandle<()>,
}

/// A span as it came. Ids are hex digits.
#[derive(Clone, Debug)]
pub struct TracedSpan {
    /// `service.name` of the process.
    pub service: String,
    /// `service.instance.id` of the process.
    pub instance: String,
    /// What happened.
    pub name: String,
    /// Of the whole.
    pub trace: String,
    /// Its own.
    pub id: String,
    /// Of the span that it follows from; empty for none.
    pub parent: String,
    /// Particulars, as text.
    pub attributes: BTreeMap<String, String>,
}

#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Record>>);

#[derive(Default)]
struct Record {
    requests: Vec<ExportTraceServiceRequest>,
    authorized_by: BTreeSet<String>,
}

impl Collector {
    /// On a free port of this machine.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("loopback has free ports");
        let address = listener
            .local_addr()
            .expect("a bound socket has an address");
        let kept = Kept::default();
        let server = Server::builder()
            .add_service(TraceServiceServer::new(kept.clone()))
            .serve_with_incoming(TcpListenerStream::new(listener));
        let server = tokio::spawn(async move { server.await.expect("a server on loopback") });
        Self {
            address,
            kept,
            _server: AbortOnDropHandle::new(server),
        }
    }

    /// For `ORB_OTLP__ENDPOINT`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All spans that came.
    pub fn spans(&self) -> Vec<TracedSpan> {
        let record = self.kept.lock();
        let resources = record.requests.iter();
        let resources = resources.flat_map(|request| &request.resource_spans);
        resources
            .flat_map(|of_process| {
                let resource = of_process.resource.as_ref();
                let who = attributes(resource.map_or(&[], |resource| &resource.attributes));
                let scopes = of_process.scope_spans.iter();
                scopes.flat_map(move |scope| {
                    let who = who.clone();
                    scope.spans.iter().map(move |span| traced(&who, span))
                })
            })
            .collect()
    }

    /// Waits for a span.
    pub async fn span(&self, what: &str, fits: impl Fn(&TracedSpan) -> bool) -> TracedSpan {
        let what = format!("a span: {what}");
        until(&what, SENT_WITHIN, async || {
            self.spans().into_iter().find(&fits)
        })
        .await
    }

    /// A span and those that it follows from, itself first; waits for those that are still under way.
    pub async fn ancestry(&self, of: TracedSpan) -> Vec<TracedSpan> {
        let mut line = vec![of];
        loop {
            let last = &line[line.len() - 1];
            // A caller's span is its own business.
            let (trace, parent) = (last.trace.clone(), last.parent.clone());
            if parent.is_empty() || parent == CALLERS_SPAN {
                return line;
            }
            let what = format!("the parent of {last:?}");
            let above = self.span(&what, |span| span.trace == trace && span.id == parent);
            line.push(above.await);
        }
    }

    /// Every `authorization` that came with spans.
    pub fn authorized_by(&self) -> BTreeSet<String> {
        self.kept.lock().authorized_by.clone()
    }

    /// Everything that came, as text to search.
    pub fn everything(&self) -> String {
        let mut text = String::new();
        for request in &self.kept.lock().requests {
            writeln!(text, "{request:?}").expect("a string takes everything");
        }
        text
    }
}

/// The span id of a caller in tests, whose spans reach no collector.
pub const CALLERS_SPAN: &str = "00f067aa0ba902b7";

impl Kept {
    fn lock(&self) -> MutexGuard<'_, Record> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[tonic::async_trait]
impl TraceService for Kept {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let key = request.metadata().get("authorization");
        let key = key.and_then(|key| key.to_str().ok()).map(str::to_owned);
        let mut record = self.lock();
        record.authorized_by.extend(key);
        record.requests.push(request.into_inner());
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

fn traced(who: &BTreeMap<String, String>, span: &Span) -> TracedSpan {
    let of_process = |key: &str| who.get(key).cloned().unwrap_or_default();
    TracedSpan {
        service: of_process("service.name"),
        instance: of_process("service.instance.id"),
        name: span.name.clone(),
        trace: hex(&span.trace_id),
        id: hex(&span.span_id),
        parent: hex(&span.parent_span_id),
        attributes: attributes(&span.attributes),
    }
}

fn attributes(pairs: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |pair: &KeyValue| match pair.value.as_ref().and_then(|any| any.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    };
    pairs
        .iter()
        .map(|pair| (pair.key.clone(), text(pair)))
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes everything");
        text
    })
}
