//! What is printed: tables and sentences for people, or JSON as it came.

mod style;
mod table;
pub(crate) mod text;

use std::io::{IsTerminal, Write};

use crate::Error;
use crate::client::Answer;

pub use style::{Colour, Style};
pub(crate) use table::{Align, Table};

/// Where answers go, and in what form.
pub(crate) struct Output {
    pub(crate) json: bool,
    pub(crate) style: Style,
    /// A person looks at it as it appears.
    pub(crate) is_terminal: bool,
}

impl Output {
    /// As stdout and the environment are.
    pub(crate) fn of_this_process(json: bool) -> Self {
        let variable = |name: &str| std::env::var(name).ok();
        let is_terminal = std::io::stdout().is_terminal();
        Self {
            json,
            style: Style::new(is_terminal, variable),
            // A terminal that says so can do nothing but print.
            is_terminal: is_terminal && variable("TERM").is_some_and(|name| name != "dumb"),
        }
    }

    /// The answer itself, or what is made of it for people.
    pub(crate) fn show(
        &self,
        answer: &Answer,
        for_people: impl FnOnce(Style) -> Result<String, Error>,
    ) -> Result<(), Error> {
        if self.json {
            return self.json_line(&answer.text);
        }
        self.line(&for_people(self.style)?)
    }

    /// One JSON value on a line.
    pub(crate) fn json_line(&self, json: &str) -> Result<(), Error> {
        // Between values of JSON a line's end means no more than a space; within a text it cannot stand.
        self.line(&json.trim().replace(['\r', '\n'], " "))
    }

    #[expect(clippy::unused_self, reason = "whoever prints was handed where to")]
    pub(crate) fn line(&self, text: &str) -> Result<(), Error> {
        let mut stdout = std::io::stdout().lock();
        writeln!(stdout, "{}", text.trim_end())?;
        stdout.flush()?;
        Ok(())
    }
}
