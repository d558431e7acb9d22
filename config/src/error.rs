//! What can be wrong with a configuration, said so that it can be mended.

use std::{fmt, path::PathBuf};

use figment::error::{Error as FigmentError, Kind};

use crate::environment::variable_of;

/// Why a configuration cannot be used. Every case is final: the operator has to change something.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file that `--config` or `ORB_CONFIG` names cannot be read.
    #[error(
        "the configuration file {} cannot be read ({source}): name an existing file with --config or ORB_CONFIG",
        path.display()
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is no TOML. The offending line is not repeated: it may hold a secret.
    #[error("the configuration file is not valid TOML: {reason}")]
    Syntax {
        /// Where, and what was expected.
        reason: String,
    },
    /// Values that are malformed, missing or contradict each other; all that were found.
    #[error("{}", joined(problems))]
    Invalid {
        /// At least one.
        problems: Vec<Problem>,
    },
}

impl Error {
    /// A stable name for this kind of error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "config_unreadable",
            Self::Syntax { .. } => "config_syntax",
            Self::Invalid { .. } => "config_invalid",
        }
    }

    /// Whether trying again without a change can help: never.
    pub fn is_retryable(&self) -> bool {
        false
    }
}

/// One thing to mend. Shown as `ORB_HTTP_ADDR (http.addr in the file): …`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problem {
    /// Section and key as in the TOML file, such as `http.addr`; empty for the file as a whole.
    pub key: String,
    /// What is wrong and what to do; bears no value of a secret.
    pub text: String,
}

impl Problem {
    pub(crate) fn new(key: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            text: text.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match variable_of(&self.key) {
            Some(variable) => write!(f, "{variable} ({} in the file): {}", self.key, self.text),
            None if self.key.is_empty() => f.write_str(&self.text),
            None => write!(f, "{}: {}", self.key, self.text),
        }
    }
}

fn joined(problems: &[Problem]) -> String {
    let texts: Vec<_> = problems.iter().map(ToString::to_string).collect();
    texts.join("; ")
}

/// figment's own text repeats the offending value, which may be a secret: only the kind is used.
pub(crate) fn from_figment(errors: FigmentError) -> Error {
    let mut problems = Vec::new();
    for error in errors {
        let key = error.path.join(".");
        let problem = match error.kind {
            // A path-less message is the TOML parser's.
            Kind::Message(text) if key.is_empty() => {
                return Error::Syntax {
                    reason: without_snippet(&text),
                };
            }
            Kind::Message(text) => Problem::new(key, text),
            Kind::UnknownField(name, known) => {
                let section = error.path.iter().filter(|part| **part != name);
                let mut path: Vec<_> = section.cloned().collect();
                path.push(name);
                Problem::new(
                    path.join("."),
                    format!("no such key; there are {}", known.join(", ")),
                )
            }
            Kind::InvalidType(_, expected)
            | Kind::InvalidValue(_, expected)
            | Kind::InvalidLength(_, expected) => Problem::new(key, format!("expected {expected}")),
            _ => Problem::new(key, "not a value that this key can take"),
        };
        problems.push(problem);
    }
    Error::Invalid { problems }
}

/// The TOML parser quotes the line it stopped at, framed by `|`; that line may hold a token.
fn without_snippet(text: &str) -> String {
    let lines: Vec<_> = text
        .lines()
        .filter(|line| !line.contains('|') && !line.trim().is_empty())
        .collect();
    lines.join(": ")
}
