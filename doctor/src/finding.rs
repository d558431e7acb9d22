//! What a check found.

use serde::Serialize;

/// How something stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Nothing to do.
    Ok,
    /// It runs, but not as it should, or not for long.
    Warning,
    /// It does not run.
    Failed,
    /// The role does not need it, or it is not configured.
    Skipped,
}

/// One row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at: stable, for programs.
    pub check: String,
    /// How it stands.
    pub outcome: Outcome,
    /// What was found.
    pub found: String,
    /// What to do; there where something is to be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

impl Finding {
    pub(crate) fn ok(check: &str, found: impl Into<String>) -> Self {
        Self::new(check, Outcome::Ok, found, None)
    }

    pub(crate) fn skipped(check: &str, why: impl Into<String>) -> Self {
        Self::new(check, Outcome::Skipped, why, None)
    }

    pub(crate) fn warning(check: &str, found: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::new(check, Outcome::Warning, found, Some(fix.into()))
    }

    pub(crate) fn failed(check: &str, found: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::new(check, Outcome::Failed, found, Some(fix.into()))
    }

    /// Of an error that says `what is wrong; what to do`, as all of the project's do.
    pub(crate) fn of_error(check: &str, error: &impl std::fmt::Display) -> Self {
        let text = error.to_string();
        match text.rsplit_once("; ") {
            Some((found, fix)) => Self::failed(check, found, fix),
            None => Self::new(check, Outcome::Failed, text, None),
        }
    }

    fn new(check: &str, outcome: Outcome, found: impl Into<String>, fix: Option<String>) -> Self {
        Self {
            check: check.to_owned(),
            outcome,
            found: found.into(),
            fix,
        }
    }
}
