//! What a process says at `/metrics`, read line by line.

use std::collections::BTreeMap;

use crate::api::Api;

/// One scrape: each sample's value, by its name with its labels as they stand in the text.
#[derive(Debug)]
pub struct Scrape {
    samples: BTreeMap<String, f64>,
    text: String,
}

impl Scrape {
    /// Asks without a token.
    ///
    /// # Panics
    ///
    /// When a line is neither a sample nor one of the comments that the format knows, or a sample stands there twice.
    pub async fn of(api: &Api) -> Self {
        let answer = api.get("/metrics").await.expect_code(200);
        let text = answer.text;
        assert!(text.ends_with("# EOF\n"), "{text}");
        let mut samples = BTreeMap::new();
        for line in text.lines() {
            if let Some(comment) = line.strip_prefix("# ") {
                let word = comment.split(' ').next().unwrap();
                assert!(["HELP", "TYPE", "UNIT", "EOF"].contains(&word), "{line}");
                continue;
            }
            let (name, value) = sample(line).unwrap_or_else(|| panic!("no sample: {line}"));
            let known = samples.insert(name.to_owned(), value);
            assert_eq!(known, None, "{line}: there is another");
        }
        Self { samples, text }
    }

    /// The value of one sample.
    pub fn value(&self, sample: &str) -> Option<f64> {
        self.samples.get(sample).copied()
    }

    /// All of it.
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// `name{label="value",…} 1.5`
fn sample(line: &str) -> Option<(&str, f64)> {
    let (name, value) = line.rsplit_once(' ')?;
    let (bare, labels) = match name.split_once('{') {
        Some((bare, labels)) => (bare, labels.strip_suffix('}')?),
        None => (name, ""),
    };
    let is_name = |name: &str| {
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
        name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.chars().all(fits)
    };
    let is_label = |label: &str| {
        let pair = label.split_once('=');
        pair.is_some_and(|(name, value)| {
            let value = value
                .strip_prefix('"')
                .and_then(|value| value.strip_suffix('"'));
            is_name(name) && value.is_some_and(|value| !value.contains(['"', '\\', '\n']))
        })
    };
    // No value of a label has a comma.
    let labelled = labels.is_empty() || labels.split(',').all(is_label);
    (bare.starts_with("orb_") && is_name(bare) && labelled).then_some((name, value.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_and_what_is_none() {
        assert_eq!(sample("orb_x 1"), Some(("orb_x", 1.0)));
        let labelled = r#"orb_x_total{a="b",route="/s/{id}"} 1.5"#;
        assert_eq!(
            sample(labelled),
            Some((&labelled[..labelled.len() - 4], 1.5))
        );
        for line in [
            "",
            "orb_x",
            "x 1",
            "orb_x y",
            "orb_x{a=b} 1",
            "orb_x{a=\"b\" 1",
            "orb-x 1",
        ] {
            assert_eq!(sample(line), None, "{line}");
        }
    }
}
