//! Log lines.

use std::fmt;

use orb_config::{Log, LogFormat};
use tracing::field::{Field, Visit};
use tracing_subscriber::field::{RecordFields, VisitOutput as _};
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::{DefaultVisitor, Writer};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{EnvFilter, Layer};

/// songbird and twilight log tokens of their own at debug and trace; an operator who asks for debug asks about this
/// project. Of a collector that is away the exporter's own layer speaks ([`crate::outage`]).
const CAPPED: &str = "songbird=warn,twilight_gateway=info,serenity=warn,tungstenite=warn,h2=warn,hyper=warn,\
                      opentelemetry=warn,opentelemetry_sdk=warn,opentelemetry-otlp=off";

/// Lines go to stderr.
pub(crate) fn layer<S>(log: &Log) -> Box<dyn Layer<S> + Send + Sync>
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a>,
{
    let filter = EnvFilter::try_new(format!("{},{CAPPED}", log.filter))
        .unwrap_or_else(|_| EnvFilter::new(format!("info,{CAPPED}")));
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    match log.format {
        LogFormat::Text => Box::new(
            lines
                .with_target(false)
                .fmt_fields(ForPeople)
                .with_filter(filter),
        ),
        LogFormat::Json => Box::new(lines.json().with_filter(filter)),
    }
}

/// Fields as usual, without those that only tell the exporter how to name and class a span.
struct ForPeople;

const EXPORTERS_OWN: &str = "otel.";

impl<'writer> FormatFields<'writer> for ForPeople {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'writer>, fields: R) -> fmt::Result {
        let mut visitor = WithoutExportersOwn(DefaultVisitor::new(writer, true));
        fields.record(&mut visitor);
        visitor.0.finish()
    }
}

struct WithoutExportersOwn<'a>(DefaultVisitor<'a>);

impl Visit for WithoutExportersOwn<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        if !field.name().starts_with(EXPORTERS_OWN) {
            self.0.record_str(field, value);
        }
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.0.record_error(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if !field.name().starts_with(EXPORTERS_OWN) {
            self.0.record_debug(field, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caps_are_a_filter_and_the_operators_words_come_first() {
        for words in ["info", "debug,orb_worker=trace"] {
            let filter = EnvFilter::try_new(format!("{words},{CAPPED}"));
            let text = filter.expect("a filter").to_string();
            assert!(text.contains("opentelemetry-otlp=off"), "{text}");
        }
    }
}
