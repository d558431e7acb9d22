//! Why a command was not carried out, and what to do about it.

use std::path::PathBuf;

use serde::Deserialize;

use crate::token::API_TOKEN;

/// Exit code of a command that the server refused.
const EXIT_REFUSED: u8 = 1;
/// Of a command that was used wrongly; clap's, too.
const EXIT_USAGE: u8 = 2;
/// Of a command that found no server.
const EXIT_UNREACHABLE: u8 = 3;

/// Why a command was not carried out. Bears no token.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file that `--token-file` names is of no use.
    #[error("--token-file {}: {reason}; name a file that holds one API token", path.display())]
    TokenFile {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The token has characters that no header can bear.
    #[error(
        "{source_name}: the token has characters that cannot be sent; a token is one line of visible ASCII"
    )]
    TokenUnsendable {
        /// The variable or file that it came from.
        source_name: String,
    },
    /// `--server` is no address of a server.
    #[error(
        "--server (ORB_SERVER) is no address of a server; give one such as http://127.0.0.1:8080"
    )]
    Server,
    /// Nobody answers.
    #[error(
        "cannot reach {server}: {reason}; is orb running there? Start it with `orb up` (or `orb demo`), or name another \
         server with --server or ORB_SERVER"
    )]
    Unreachable {
        /// Its origin.
        server: String,
        /// What happened.
        reason: String,
    },
    /// Somebody answers, but not as an orb does.
    #[error(
        "what answers at {server} is no orb of this kind ({reason}); name the right server with --server or ORB_SERVER"
    )]
    Garbled {
        /// Its origin.
        server: String,
        /// What was wrong.
        reason: String,
    },
    /// 401 without a token.
    #[error(
        "{server} asks for an API token; set {API_TOKEN} to one of its ORB_API_TOKENS, or name a file that holds one with \
         --token-file"
    )]
    TokenMissing {
        /// Its origin.
        server: String,
    },
    /// 401 with a token.
    #[error(
        "{server} does not take the token of {source_name}; set {API_TOKEN} to one of the ORB_API_TOKENS that the server was \
         started with"
    )]
    TokenRefused {
        /// Its origin.
        server: String,
        /// The variable or file that the token came from.
        source_name: String,
    },
    /// The server refused, and says why.
    #[error("{0}")]
    Refused(Problem),
    /// No party goes by this name.
    #[error("no party is called {wanted:?}; {}", listed(parties))]
    NoSuchParty {
        /// As it was given.
        wanted: String,
        /// Those that there are, a line each.
        parties: Vec<String>,
    },
    /// No party was named, and there is none.
    #[error("there is no party; make one with `orb party create`")]
    NoParty,
    /// No party was named, or by too little, and there are several.
    #[error(
        "which party? Name one by its id, or enough of its beginning; {}",
        listed(parties)
    )]
    WhichParty {
        /// Those that it could be, a line each.
        parties: Vec<String>,
    },
    /// A search found nothing.
    #[error("the library has nothing under {text:?}; try `orb library search` with fewer words")]
    NothingFound {
        /// What was searched.
        text: String,
    },
    /// A search found several, and nobody can be asked.
    #[error(
        "the library has several under {text:?}; give the id of one:\n{}",
        indented(items)
    )]
    WhichItem {
        /// What was searched.
        text: String,
        /// What was found, a line each.
        items: Vec<String>,
    },
    /// The answer to the question was none of the choices.
    #[error("nothing was chosen, so nothing was done")]
    NothingChosen,
    /// A number that is not the number of a waiting entry.
    #[error("entry {0} does not wait in the queue; `orb party queue list` shows those that do")]
    NotWaiting(u64),
    /// Stdout or the terminal does not take what is written.
    #[error("cannot write the output: {0}")]
    Output(#[from] std::io::Error),
}

impl Error {
    /// A stable name for this kind of error; for a refusal the server's own, of `docs/errors.md`.
    pub fn code(&self) -> &str {
        match self {
            Self::TokenFile { .. } | Self::TokenUnsendable { .. } => "token_unusable",
            Self::Server => "server_invalid",
            Self::Unreachable { .. } => "server_unreachable",
            Self::Garbled { .. } => "server_garbled",
            Self::TokenMissing { .. } | Self::TokenRefused { .. } => "unauthenticated",
            Self::Refused(problem) => &problem.code,
            Self::NoSuchParty { .. } | Self::NoParty => "session_not_found",
            Self::WhichParty { .. } => "party_ambiguous",
            Self::NothingFound { .. } => "item_not_found",
            Self::WhichItem { .. } => "item_ambiguous",
            Self::NothingChosen => "nothing_chosen",
            Self::NotWaiting(_) => "entry_not_found",
            Self::Output(_) => "output_failed",
        }
    }

    /// Whether the same command may work later, with nothing changed on the command line.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Refused(problem) => problem.status == 503,
            _ => false,
        }
    }

    /// What the process ends with.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::TokenFile { .. }
            | Self::TokenUnsendable { .. }
            | Self::Server
            | Self::NoParty
            | Self::WhichParty { .. }
            | Self::WhichItem { .. }
            | Self::NothingChosen => EXIT_USAGE,
            Self::Unreachable { .. } | Self::Garbled { .. } => EXIT_UNREACHABLE,
            _ => EXIT_REFUSED,
        }
    }
}

/// `application/problem+json`, as the gateway sends it.
#[derive(Debug, Clone, Deserialize)]
pub struct Problem {
    /// HTTP status.
    #[serde(default)]
    pub status: u16,
    /// Stable, of `docs/errors.md`.
    pub code: String,
    /// What is wrong, and what to do.
    #[serde(default)]
    pub detail: String,
    /// The field of the request that is wrong.
    #[serde(default)]
    pub field: Option<String>,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(field) = &self.field {
            write!(f, "{field}: ")?;
        }
        write!(f, "{} ({})", self.detail, self.code)
    }
}

fn listed(parties: &[String]) -> String {
    if parties.is_empty() {
        return "there is none; make one with `orb party create`".to_owned();
    }
    format!("there are:\n{}", indented(parties))
}

fn indented(lines: &[String]) -> String {
    let lines: Vec<_> = lines.iter().map(|line| format!("  {line}")).collect();
    lines.join("\n")
}
