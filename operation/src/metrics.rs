//! What is counted, and `GET /metrics`.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use prometheus_client::encoding::{DescriptorEncoder, EncodeGaugeValue, EncodeLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

/// All names of this project begin so.
const PREFIX: &str = "orb";

/// For scrapers that ask for it; the others read the same text as Prometheus' own.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PLAIN: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What a process counts. Clones are the same one.
#[derive(Debug, Clone)]
pub struct Metrics(Arc<Mutex<Registry>>);

impl Default for Metrics {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Registry::with_prefix(PREFIX))))
    }
}

impl Metrics {
    /// Adds what a part counts. Names get the prefix `orb_`.
    pub fn register(&self, add: impl FnOnce(&mut Registry)) {
        add(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// All of it, in the text format of `OpenMetrics` 1.0, which Prometheus reads.
    pub fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        let registry = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        text::encode(&mut text, &registry)?;
        Ok(text)
    }
}

/// The answer to `GET /metrics`; the headers are the request's.
pub fn scrape(metrics: &Metrics, headers: &HeaderMap) -> Response {
    let Ok(text) = metrics.text() else {
        tracing::error!("a metric could not be written");
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let accepted = headers.get(header::ACCEPT).and_then(|it| it.to_str().ok());
    let kind = match accepted {
        Some(kinds) if kinds.contains("application/openmetrics-text") => OPENMETRICS,
        _ => PLAIN,
    };
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (headers, text).into_response()
}

/// Writes a gauge: for a collector.
pub fn gauge(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    value: i64,
) -> fmt::Result {
    encoder
        .encode_descriptor(name, help, None, MetricType::Gauge)?
        .encode_gauge(&value)
}

/// The same with a sample for each label set.
pub fn gauges<L: EncodeLabelSet, N: EncodeGaugeValue>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    samples: impl IntoIterator<Item = (L, N)>,
) -> fmt::Result {
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for (labels, value) in samples {
        family.encode_family(&labels)?.encode_gauge(&value)?;
    }
    Ok(())
}
