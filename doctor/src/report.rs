//! How findings are printed.

use std::io::{self, Write};

use orb_cli::terminal::{Colour, Style, printable};
use serde::Serialize;

use crate::{Finding, Options, Outcome};

/// `--json`: stable.
#[derive(Serialize)]
struct Report<'a> {
    role: &'a str,
    /// No finding has failed.
    ok: bool,
    findings: &'a [Finding],
}

pub(crate) fn print(options: &Options, findings: &[Finding]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    if options.json {
        let report = Report {
            role: options.role.name(),
            ok: count(findings, Outcome::Failed) == 0,
            findings,
        };
        serde_json::to_writer(&mut stdout, &report)?;
        writeln!(stdout)?;
    } else {
        writeln!(stdout, "{}", table(findings, Style::of_stdout()))?;
    }
    stdout.flush()
}

/// One line a finding, and one below it that says what to do.
fn table(findings: &[Finding], style: Style) -> String {
    let width = findings
        .iter()
        .map(|finding| finding.check.len())
        .max()
        .unwrap_or(0);
    let mut lines = Vec::new();
    for finding in findings {
        let (word, colour) = match finding.outcome {
            Outcome::Ok => ("ok", Colour::Green),
            Outcome::Warning => ("warning", Colour::Yellow),
            Outcome::Failed => ("failed", Colour::Red),
            Outcome::Skipped => ("skipped", Colour::Dim),
        };
        let word = style.paint(colour, &format!("{word:<7}"));
        lines.push(format!(
            "{word}  {:<width$}  {}",
            finding.check,
            printable(&finding.found)
        ));
        if let Some(fix) = &finding.fix {
            lines.push(format!("{:7}  {:width$}  → {}", "", "", printable(fix)));
        }
    }
    lines.push(summary(findings));
    lines.join("\n")
}

fn summary(findings: &[Finding]) -> String {
    let (failed, warnings) = (
        count(findings, Outcome::Failed),
        count(findings, Outcome::Warning),
    );
    let warned = match warnings {
        0 => String::new(),
        1 => ", 1 warning".to_owned(),
        n => format!(", {n} warnings"),
    };
    match failed {
        0 => format!("\nnothing failed{warned}"),
        n => format!("\n{n} failed{warned}"),
    }
}

fn count(findings: &[Finding], outcome: Outcome) -> usize {
    findings
        .iter()
        .filter(|finding| finding.outcome == outcome)
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_to_do_stands_below_what_is_wrong() {
        let findings = [
            Finding::ok("ffmpeg", "5.1.6"),
            Finding::failed("jellyfin", "does not answer", "start it"),
            Finding::skipped("etcd", "not configured"),
        ];
        assert_eq!(
            table(&findings, Style::PLAIN),
            "ok       ffmpeg    5.1.6\n\
             failed   jellyfin  does not answer\n\
            \x20                  → start it\n\
             skipped  etcd      not configured\n\
             \n1 failed"
        );
    }
}
