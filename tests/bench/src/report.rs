//! Results beside their goals: a table for people, JSON for programs.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use serde::Serialize;
use serde_json::json;

use crate::machine::Machine;

/// One number.
#[derive(Clone, Debug)]
pub(crate) struct Measurement {
    name: &'static str,
    value: f64,
    unit: &'static str,
    goal: Option<Goal>,
    /// How it came about.
    detail: String,
}

/// What a value is held against.
#[derive(Clone, Copy, Debug)]
enum Goal {
    AtMost(f64),
    AtLeast(f64),
}

impl Goal {
    fn reached(self, value: f64) -> bool {
        match self {
            Self::AtMost(most) => value <= most,
            Self::AtLeast(least) => value >= least,
        }
    }

    fn value(self) -> f64 {
        let (Self::AtMost(value) | Self::AtLeast(value)) = self;
        value
    }

    fn sign(self) -> &'static str {
        match self {
            Self::AtMost(_) => "<=",
            Self::AtLeast(_) => ">=",
        }
    }
}

impl Measurement {
    /// A number that is only reported.
    pub(crate) fn new(
        name: &'static str,
        value: f64,
        unit: &'static str,
        detail: impl Into<String>,
    ) -> Self {
        Self {
            name,
            value,
            unit,
            goal: None,
            detail: detail.into(),
        }
    }

    /// The same with a goal: at most so much.
    pub(crate) fn at_most(self, goal: f64) -> Self {
        Self {
            goal: Some(Goal::AtMost(goal)),
            ..self
        }
    }

    /// The same with a goal: at least so much.
    pub(crate) fn at_least(self, goal: f64) -> Self {
        Self {
            goal: Some(Goal::AtLeast(goal)),
            ..self
        }
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    fn verdict(&self) -> &'static str {
        match self.goal {
            None => "",
            Some(goal) if goal.reached(self.value) => "reached",
            Some(_) => "NOT REACHED",
        }
    }

    fn line(&self) -> String {
        let goal = self.goal.map_or_else(
            || "reported".to_owned(),
            |goal| format!("{} {}", goal.sign(), rounded(goal.value())),
        );
        let (name, value, unit) = (self.name, self.value, self.unit);
        let verdict = self.verdict();
        format!("{name:36} {value:>10.3} {unit:7} {goal:9} {verdict}")
    }
}

/// A number that there is not.
#[derive(Clone, Debug)]
pub(crate) struct Absent {
    name: &'static str,
    why: String,
    excused: bool,
}

impl Absent {
    pub(crate) fn new(name: &'static str, why: impl Into<String>) -> Self {
        Self {
            name,
            why: why.into(),
            excused: false,
        }
    }

    /// The same, and that is no failure of the bench.
    pub(crate) fn excused(self) -> Self {
        Self {
            excused: true,
            ..self
        }
    }
}

/// What a bench gives.
#[derive(Debug, Default)]
pub(crate) struct Results {
    pub(crate) measured: Vec<Measurement>,
    pub(crate) absent: Vec<Absent>,
}

impl From<Vec<Measurement>> for Results {
    fn from(measured: Vec<Measurement>) -> Self {
        Self {
            measured,
            ..Self::default()
        }
    }
}

/// An entry of the file. One that is absent has no value, and its context says why.
#[derive(Debug, Serialize)]
struct Row<'a> {
    name: &'a str,
    value: Option<f64>,
    unit: Option<&'a str>,
    context: serde_json::Value,
}

/// The results of one bench.
pub(crate) struct Report {
    bench: String,
    machine: Machine,
    results: Results,
}

impl Report {
    pub(crate) fn new(bench: impl Into<String>, results: impl Into<Results>) -> Self {
        Self {
            bench: bench.into(),
            machine: Machine::here(),
            results: results.into(),
        }
    }

    /// Writes the file and prints the table. Then an error where a number is absent without excuse.
    pub(crate) fn publish(&self) -> Result<()> {
        let file = folder()?.join(format!("{}.json", self.bench));
        let mut text = serde_json::to_string_pretty(&self.rows())?;
        text.push('\n');
        fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
        println!("{}", self.machine.describe());
        println!();
        let Results { measured, absent } = &self.results;
        for one in measured {
            println!("{}", one.line());
        }
        for Absent { name, why, .. } in absent {
            println!("{name:36} {:>10} {why}", "absent");
        }
        println!();
        println!("written to {}", file.display());
        let failed = absent.iter().filter(|one| !one.excused);
        let failed: Vec<_> = failed.map(|one| one.name).collect();
        if !failed.is_empty() {
            bail!("could not be measured: {}", failed.join(", "));
        }
        Ok(())
    }

    fn rows(&self) -> Vec<Row<'_>> {
        let measured = |one: &Measurement| Row {
            name: one.name,
            value: Some(rounded(one.value)),
            unit: Some(one.unit),
            context: json!({
                "detail": one.detail,
                "goal": one.goal.map(|goal| rounded(goal.value())),
                "goal_is": one.goal.map(Goal::sign),
                "reached": one.goal.map(|goal| goal.reached(one.value)),
                "machine": self.machine,
            }),
        };
        let absent = |one: &Absent| Row {
            name: one.name,
            value: None,
            unit: None,
            context: json!({ "absent": one.why, "machine": self.machine }),
        };
        let rows = self.results.measured.iter().map(measured);
        rows.chain(self.results.absent.iter().map(absent)).collect()
    }
}

/// Takes away what an earlier run of a bench wrote: one that fails is not to leave it behind as its own.
pub(crate) fn forget(bench: &str) -> Result<()> {
    let file = folder()?.join(format!("{bench}.json"));
    match fs::remove_file(&file) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", file.display()))
        }
        _ => Ok(()),
    }
}

/// With enough digits for the smallest goal.
fn rounded(value: f64) -> f64 {
    (value * 10_000.0).round() / 10_000.0
}

/// `target/bench` under the repo's root: this crate knows where it was built from.
pub(crate) fn folder() -> Result<PathBuf> {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/bench"));
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    folder
        .canonicalize()
        .with_context(|| format!("cannot find {}", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_have_the_four_fields_that_others_read() {
        let measurements = vec![
            Measurement::new("a_ms", 1.234_56, "ms", "n=3").at_most(1.0),
            Measurement::new("b", 2.0, "ratio", ""),
        ];
        let report = Report::new("test", measurements);
        let rows = serde_json::to_value(report.rows()).unwrap_or_default();
        assert_eq!(rows[0]["name"], "a_ms");
        assert_eq!(rows[0]["value"], 1.2346);
        assert_eq!(rows[0]["unit"], "ms");
        assert_eq!(rows[0]["context"]["reached"], false);
        assert_eq!(rows[1]["context"]["reached"], serde_json::Value::Null);
        assert!(rows[1]["context"]["machine"]["cores"].as_u64() > Some(0));
    }

    #[test]
    fn what_is_absent_is_a_row_that_says_why() {
        let results = Results {
            measured: vec![Measurement::new("a_ms", 1.0, "ms", "")],
            absent: vec![Absent::new("b_ms", "nothing was heard")],
        };
        let rows = serde_json::to_value(Report::new("test", results).rows()).unwrap_or_default();
        assert_eq!(
            (&rows[0]["name"], &rows[0]["value"]),
            (&json!("a_ms"), &json!(1.0))
        );
        assert_eq!(
            (&rows[1]["name"], &rows[1]["value"]),
            (&json!("b_ms"), &json!(null))
        );
        assert_eq!(rows[1]["context"]["absent"], "nothing was heard");
    }

    #[test]
    fn a_goal_is_reached_at_its_value() {
        let at = Measurement::new("a", 1.5, "ratio", "").at_most(1.5);
        assert_eq!(at.verdict(), "reached");
        let above = Measurement::new("a", 1.51, "ratio", "").at_most(1.5);
        assert!(above.line().ends_with("NOT REACHED"), "{}", above.line());
        let below = Measurement::new("a", 499.0, "sessions", "").at_least(500.0);
        assert!(below.line().ends_with("NOT REACHED"), "{}", below.line());
    }
}
