//! Spans on their way to a collector.

use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{RetryPolicy, WithExportConfig as _, WithTonicConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracerProvider, SpanExporter,
};
use orb_config::HttpUrl;
use tonic::transport::ClientTlsConfig;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::registry::LookupSpan;

use crate::outage::Outspoken;
use crate::{Error, Process, UNTRACED};

/// Spans that wait for the collector; about a kilobyte each. Beyond it they are dropped, not waited for.
const QUEUE: usize = 4_096;

/// Spans that are sent at once: well below the 4 MiB that gRPC servers take.
const BATCH: usize = 512;

/// So long a span waits at most until it is sent. Short: a process that is killed takes with it what waits.
const SEND_EVERY: Duration = Duration::from_secs(1);

/// A collector that takes longer is as good as away.
const SEND_WITHIN: Duration = Duration::from_secs(3);

/// So long a process that ends waits for its last spans: less than anybody waits for its end.
pub(crate) const FLUSH_WITHIN: Duration = Duration::from_secs(1);

/// Those of this project: other crates' spans may bear what nobody looked through.
const OURS: &str = "orb";

/// To a collector that takes OTLP over gRPC. It is connected when there is something to send.
pub(crate) fn to_collector(endpoint: &HttpUrl) -> Result<impl SpanExporter + 'static, Error> {
    let mut exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_tonic()
        .with_endpoint(endpoint.base())
        .with_timeout(SEND_WITHIN)
        // Whoever tries again blocks what comes behind, and the end of the process.
        .with_retry_policy(RetryPolicy::disabled());
    if endpoint.as_url().scheme() == "https" {
        exporter = exporter.with_tls_config(ClientTlsConfig::new().with_enabled_roots());
    }
    let built = exporter.build().map_err(|_| Error::Endpoint {
        origin: endpoint.to_string(),
        // The exporter's own words repeat the address, which may hold a secret.
        reason: "the exporter refused it",
    })?;
    Ok(Outspoken::new(built))
}

/// Gathers spans and hands them to `exporter`, on a thread of its own.
pub(crate) fn provider(
    exporter: impl SpanExporter + 'static,
    sample_ratio: f64,
    process: &Process,
) -> SdkTracerProvider {
    let batches = BatchConfigBuilder::default()
        .with_max_queue_size(QUEUE)
        .with_max_export_batch_size(BATCH)
        .with_scheduled_delay(SEND_EVERY)
        .build();
    let processor = BatchSpanProcessor::builder(exporter)
        .with_batch_config(batches)
        .build();
    SdkTracerProvider::builder()
        .with_span_processor(processor)
        .with_sampler(sampler(sample_ratio))
        .with_resource(resource(process))
        .build()
}

/// Who began a trace decides about all of it.
pub(crate) fn sampler(ratio: f64) -> Sampler {
    Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(ratio)))
}

/// With `OTEL_RESOURCE_ATTRIBUTES`, by which an operator adds pod and node.
fn resource(process: &Process) -> Resource {
    Resource::builder()
        .with_service_name(format!("orb-{}", process.role))
        .with_attributes([
            KeyValue::new("service.instance.id", process.instance.clone()),
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        ])
        .build()
}

/// Gives the provider this project's spans, whatever is logged, and the log lines within them.
pub(crate) fn layer<S>(provider: &SdkTracerProvider) -> impl Layer<S> + use<S>
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a>,
{
    let ours = Targets::new()
        .with_target(OURS, LevelFilter::INFO)
        .with_target(UNTRACED, LevelFilter::OFF);
    tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("orb"))
        .with_location(false)
        .with_threads(false)
        .with_tracked_inactivity(false)
        .with_target(false)
        .with_filter(ours)
}
