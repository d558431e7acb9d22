//! A collector that is away: said now and then, and when it is over.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};

/// Often enough to be seen in a log, too seldom to fill one.
const SAY_EVERY: Duration = Duration::from_mins(1);

/// An exporter whose failures are nobody else's business.
#[derive(Debug)]
pub(crate) struct Outspoken<E> {
    exporter: E,
    outage: Mutex<Outage>,
}

impl<E> Outspoken<E> {
    pub(crate) fn new(exporter: E) -> Self {
        Self {
            exporter,
            outage: Mutex::default(),
        }
    }

    fn heard(&self, outcome: Result<(), impl fmt::Display>, spans: usize) {
        let mut outage = self.outage.lock().unwrap_or_else(PoisonError::into_inner);
        match outcome {
            Ok(()) => {
                if let Some(lost) = outage.over() {
                    tracing::info!(lost, "the collector takes spans again");
                }
            }
            Err(error) => {
                if let Some(lost) = outage.goes_on(spans, Instant::now()) {
                    tracing::warn!(%error, lost, "the collector takes no spans; see ORB_OTLP__ENDPOINT");
                }
            }
        }
    }
}

impl<E: SpanExporter> SpanExporter for Outspoken<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        let outcome = self.exporter.export(batch).await;
        self.heard(outcome, spans);
        Ok(())
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

/// How long, and what it cost so far.
#[derive(Debug, Default)]
struct Outage {
    lost: usize,
    said: Option<Instant>,
}

impl Outage {
    /// What was lost since it began, when it is time to say so.
    fn goes_on(&mut self, spans: usize, now: Instant) -> Option<usize> {
        self.lost += spans;
        if self
            .said
            .is_some_and(|said| now.duration_since(said) < SAY_EVERY)
        {
            return None;
        }
        self.said = Some(now);
        Some(self.lost)
    }

    /// What was lost, if something was.
    fn over(&mut self) -> Option<usize> {
        // When it was said last stays: a collector that comes and goes fills no log either.
        let lost = std::mem::take(&mut self.lost);
        (lost > 0).then_some(lost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_said_once_a_minute_and_when_it_is_over() {
        let began = Instant::now();
        let second = Duration::from_secs(1);
        let mut outage = Outage::default();
        assert_eq!(outage.over(), None, "all is well");
        assert_eq!(outage.goes_on(10, began), Some(10));
        assert_eq!(outage.goes_on(10, began + second), None);
        assert_eq!(outage.goes_on(10, began + SAY_EVERY / 2), None);
        assert_eq!(outage.goes_on(10, began + SAY_EVERY), Some(40));
        assert_eq!(outage.over(), Some(40));
        assert_eq!(outage.over(), None);
        assert_eq!(outage.goes_on(1, began + SAY_EVERY + second), None, "flaps");
    }
}
