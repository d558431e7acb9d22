//! Parties in a terminal: `orb party`, `orb library`, `orb workers`.
//!
//! # Mental model
//!
//! ```text
//!  command line ─▶ commands ─▶ Client ──HTTP──▶ party API of a gateway
//!                     │           └ retries: one Idempotency-Key a command, whatever the number of tries
//!                     ├─▶ output: tables for people, or the API's own JSON (--json)
//!                     └─▶ watch:  state events ─▶ a line that moves
//! ```
//!
//! Nothing here knows the scheduler: whatever a terminal can do, every other client of `/api/v1` can do, too. What is
//! shown comes from [`api`], which reads of the API's answers what it shows and ignores the rest, so that an older
//! `orb` speaks with a newer server. `--json` hands on the answers untouched.
//!
//! Text that comes from elsewhere (titles, names) passes [`output::text::printable`] before it reaches a terminal: a
//! title cannot move the cursor.
//!
//! Exit codes: 0 done, 1 refused, 2 used wrongly, 3 no server.

mod api;
mod arguments;
mod choose;
mod client;
mod commands;
mod error;
mod media_time;
mod output;
mod token;
mod watch;

use std::io::ErrorKind;
use std::process::ExitCode;

pub use arguments::{Command, Connection};
pub use error::Error;

use crate::client::Client;
use crate::output::Output;

/// For other commands that print for people.
pub mod terminal {
    pub use crate::output::text::printable;
    pub use crate::output::{Colour, Style};
}

/// The variables that this crate reads; they mean nothing to a server, and are no mistake in its environment.
pub const VARIABLES: &[&str] = &["ORB_SERVER", "ORB_PARTY", token::API_TOKEN];

/// Carries out a command; says on stderr why not, and what to do.
pub async fn run(command: Command) -> ExitCode {
    match carry_out(command).await {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read the output has enough of it: `orb party list | head -1`.
        Err(Error::Output(error)) if error.kind() == ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("orb: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

async fn carry_out(command: Command) -> Result<(), Error> {
    let connection = command.connection();
    let output = Output::of_this_process(connection.json);
    let client = Client::new(connection)?;
    commands::run(command, &client, &output).await
}
