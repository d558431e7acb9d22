//! What the processes wrote into their logs, one JSON object a line.

use std::path::Path;

use serde_json::Value;

/// One line.
#[derive(Clone, Debug)]
pub struct LogLine {
    /// Of the wall clock, in milliseconds since the Unix epoch.
    pub unix_ms: u64,
    /// `message` and the other fields.
    pub fields: Value,
}

impl LogLine {
    /// The text of the line.
    pub fn message(&self) -> &str {
        self.text("message").unwrap_or_default()
    }

    /// A field as text.
    pub fn text(&self, field: &str) -> Option<&str> {
        self.fields[field].as_str()
    }

    /// A field as a number, however it is written.
    pub fn number(&self, field: &str) -> Option<u64> {
        let value = &self.fields[field];
        value.as_u64().or_else(|| value.as_str()?.parse().ok())
    }
}

/// The lines of a log that are no plain text, in their order.
pub fn read(log: &Path) -> Vec<LogLine> {
    let bytes = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    text.lines().filter_map(parse).collect()
}

/// Lines that no healthy process prints.
pub fn panics(log: &Path) -> Vec<String> {
    let bytes = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    text.lines()
        .filter(|line| line.contains("panicked at") || line.contains("this is a bug"))
        .map(str::to_owned)
        .collect()
}

fn parse(line: &str) -> Option<LogLine> {
    let value: Value = serde_json::from_str(line).ok()?;
    Some(LogLine {
        unix_ms: unix_ms(value["timestamp"].as_str()?)?,
        fields: value["fields"].clone(),
    })
}

/// `2026-11-22T18:46:38.123456Z`, as `tracing-subscriber` writes it.
fn unix_ms(timestamp: &str) -> Option<u64> {
    let (date, time) = timestamp.strip_suffix('Z')?.split_once('T')?;
    let mut date = date.split('-').map(str::parse::<i64>);
    let (year, month, day) = (date.next()?.ok()?, date.next()?.ok()?, date.next()?.ok()?);
    let mut time = time.split(':');
    let hours: i64 = time.next()?.parse().ok()?;
    let minutes: i64 = time.next()?.parse().ok()?;
    let seconds: f64 = time.next()?.parse().ok()?;
    // Days since 1970-01-01 of the Gregorian calendar, counting years from March.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * month + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    let whole = ((days * 24 + hours) * 60 + minutes) * 60;
    u64::try_from(whole * 1000 + (seconds * 1000.0) as i64).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_line_is_read_with_its_time() {
        let line = r#"{"timestamp":"2026-11-22T18:46:38.123456Z","level":"INFO","fields":{"message":"leading","epoch":"7"}}"#;
        let line = parse(line).unwrap();
        assert_eq!(line.unix_ms, 1_795_373_198_123);
        assert_eq!((line.message(), line.number("epoch")), ("leading", Some(7)));
        assert_eq!(unix_ms("2024-02-29T00:00:00.000Z"), Some(1_709_164_800_000));
    }
}
