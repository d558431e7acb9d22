//! Spans as a collector gets them, and a collector that gets none.
#![allow(clippy::unwrap_used)]

use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use opentelemetry::Value;
use opentelemetry::trace::Status;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter};
use tracing::{Dispatch, Span, dispatcher, info_span};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::{Layer as _, layer::SubscriberExt as _};

use crate::{attribute, continue_trace, export, failed, traceparent};

/// A caller's, who wants the trace to be kept.
const SAMPLED: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// A caller's, who does not.
const UNSAMPLED: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";

#[derive(Clone, Debug, Default)]
struct Kept(Arc<Mutex<Vec<SpanData>>>);

impl SpanExporter for Kept {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.0.lock().unwrap().extend(batch);
        Ok(())
    }
}

/// As in a process of its own: what is done in it, and what a collector gets of that.
struct Process {
    kept: Kept,
    dispatch: Dispatch,
}

impl Process {
    fn with_ratio(ratio: f64) -> Self {
        let kept = Kept::default();
        let provider = SdkTracerProvider::builder()
            .with_simple_exporter(kept.clone())
            .with_sampler(export::sampler(ratio))
            .build();
        // Whatever is logged: nothing here.
        let silent = tracing_subscriber::fmt::layer().with_filter(LevelFilter::OFF);
        let subscriber = tracing_subscriber::registry()
            .with(silent)
            .with(export::layer(&provider));
        Self {
            kept,
            dispatch: Dispatch::new(subscriber),
        }
    }

    fn run<T>(&self, work: impl FnOnce() -> T) -> T {
        dispatcher::with_default(&self.dispatch, work)
    }

    fn spans(&self) -> Vec<SpanData> {
        self.kept.0.lock().unwrap().clone()
    }

    fn names(&self) -> Vec<String> {
        self.spans()
            .iter()
            .map(|span| span.name.to_string())
            .collect()
    }
}

#[test]
fn a_trace_goes_on_in_the_next_process() {
    let (first, second) = (Process::with_ratio(1.0), Process::with_ratio(1.0));
    let handed_on = first.run(|| {
        let asked = info_span!(target: "orb_gateway", "http");
        continue_trace(&asked, SAMPLED);
        asked.in_scope(|| traceparent(&Span::current())).unwrap()
    });
    second.run(|| {
        let work = info_span!(target: "orb_worker", "lease");
        continue_trace(&work, &handed_on);
        drop(info_span!(target: "orb_worker", parent: &work, "source open"));
    });
    let (asked, done) = (&first.spans()[0], second.spans());
    assert_eq!(asked.parent_span_id.to_string(), "b7ad6b7169203331");
    let [open, lease] = &done[..] else {
        panic!("{done:?}")
    };
    for span in [asked, lease, open] {
        let trace = span.span_context.trace_id().to_string();
        assert_eq!(trace, "0af7651916cd43dd8448eb211c80319c");
    }
    assert_eq!(lease.parent_span_id, asked.span_context.span_id());
    assert_eq!(open.parent_span_id, lease.span_context.span_id());
}

#[test]
fn who_begins_a_trace_decides_whether_it_is_kept() {
    let (all, none) = (Process::with_ratio(1.0), Process::with_ratio(0.0));
    let root = none
        .run(|| traceparent(&info_span!(target: "orb", "root")))
        .unwrap();
    assert!(root.ends_with("-00"), "{root}");
    for (process, parent) in [(&all, UNSAMPLED), (&all, &root), (&none, SAMPLED)] {
        process.run(|| continue_trace(&info_span!(target: "orb", "child"), parent));
    }
    assert_eq!(
        all.names(),
        [""; 0],
        "what was dropped is dropped everywhere"
    );
    assert_eq!(none.names(), ["child"], "and what was kept is kept");
}

#[test]
fn what_is_no_traceparent_begins_a_trace_of_its_own() {
    let process = Process::with_ratio(1.0);
    let parents = [
        "",
        "00-0-0-01",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
    ];
    for parent in parents {
        process.run(|| continue_trace(&info_span!(target: "orb", "root"), parent));
    }
    let spans = process.spans();
    assert_eq!(spans.len(), parents.len());
    for span in spans {
        assert_eq!(span.parent_span_id, opentelemetry::SpanId::INVALID);
    }
}

#[test]
fn only_this_projects_spans_are_sent_and_no_polls() {
    let process = Process::with_ratio(1.0);
    process.run(|| {
        drop(info_span!(target: "h2::client", "theirs"));
        let poll = info_span!(target: crate::UNTRACED, "poll");
        assert_eq!(traceparent(&poll), None, "nobody goes on with it");
        drop(info_span!(target: "orb_gateway::trace", "ours"));
    });
    assert_eq!(process.names(), ["ours"]);
}

#[test]
fn a_span_bears_what_it_is_given_after_it_began() {
    let process = Process::with_ratio(1.0);
    process.run(|| {
        let span = info_span!(target: "orb", "span", otel.kind = "server");
        assert!(traceparent(&span).is_some());
        attribute(&span, "http.response.status_code", 503_i64);
        failed(&span, "no_capacity");
    });
    let span = &process.spans()[0];
    let attribute = &span.attributes[0];
    assert_eq!(attribute.key.as_str(), "http.response.status_code");
    assert_eq!(attribute.value, Value::I64(503));
    assert_eq!(span.status, Status::error("no_capacity"));
}

#[test]
fn without_export_nothing_is_said() {
    let lines = tracing_subscriber::registry().with(tracing_subscriber::fmt::layer());
    dispatcher::with_default(&Dispatch::new(lines), || {
        let span = info_span!(target: "orb", "span");
        continue_trace(&span, SAMPLED);
        assert_eq!(traceparent(&span), None);
    });
}

/// One that is not there, and one that takes the connection and says nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_away_holds_nobody_up() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let gone = TcpListener::bind("127.0.0.1:0").unwrap();
    let addresses = [silent.local_addr().unwrap(), gone.local_addr().unwrap()];
    drop(gone);
    for address in addresses {
        let endpoint = format!("http://{address}").parse().unwrap();
        let exporter = export::to_collector(&endpoint).unwrap();
        let process = crate::Process {
            role: "test",
            instance: "1".to_owned(),
        };
        let provider = export::provider(exporter, 1.0, &process);
        let subscriber = tracing_subscriber::registry().with(export::layer(&provider));
        let began = Instant::now();
        dispatcher::with_default(&Dispatch::new(subscriber), || {
            for _ in 0..50_000 {
                drop(info_span!(target: "orb", "span"));
            }
        });
        // Fifty times what the queue holds; a debug build, and a machine that does other things.
        assert!(began.elapsed() < Duration::from_secs(10));
        let began = Instant::now();
        tokio::task::spawn_blocking(move || crate::Telemetry(Some(provider)).flush())
            .await
            .unwrap();
        assert!(began.elapsed() < export::FLUSH_WITHIN + Duration::from_secs(1));
    }
}
