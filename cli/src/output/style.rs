//! Colours, where they are wanted.

use std::io::IsTerminal;

/// The few that are used, as every terminal has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// As it should be.
    Green,
    /// Not as it should be, but on its way or bearable.
    Yellow,
    /// Wrong.
    Red,
    /// A part that stands out.
    Cyan,
    /// Beside the point.
    Dim,
    /// A heading.
    Bold,
}

/// Whether to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    colours: bool,
}

impl Style {
    /// None at all.
    pub const PLAIN: Self = Self { colours: false };
    #[cfg(test)]
    pub(crate) const COLOURED: Self = Self { colours: true };

    /// As stdout and the environment of this process are.
    pub fn of_stdout() -> Self {
        let is_terminal = std::io::stdout().is_terminal();
        Self::new(is_terminal, |name: &str| std::env::var(name).ok())
    }

    /// On a terminal that can, unless `NO_COLOR` is set to something (<https://no-color.org>).
    pub(crate) fn new(is_terminal: bool, variable: impl Fn(&str) -> Option<String>) -> Self {
        let refused = variable("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = variable("TERM").is_none_or(|name| name == "dumb");
        Self {
            colours: is_terminal && !refused && !dumb,
        }
    }

    /// The text in this colour, where colours are wanted.
    pub fn paint(self, colour: Colour, text: &str) -> String {
        if !self.colours || text.is_empty() {
            return text.to_owned();
        }
        let code = match colour {
            Colour::Green => 32,
            Colour::Yellow => 33,
            Colour::Red => 31,
            Colour::Cyan => 36,
            Colour::Dim => 2,
            Colour::Bold => 1,
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_only_where_they_are_seen_and_wanted() {
        let xterm = |name: &str| (name == "TERM").then(|| "xterm".to_owned());
        assert_eq!(Style::new(true, xterm), Style::COLOURED);
        assert_eq!(Style::new(false, xterm), Style::PLAIN);
        let no_color = |name: &str| Some(if name == "TERM" { "xterm" } else { "1" }.to_owned());
        assert_eq!(Style::new(true, no_color), Style::PLAIN);
        let dumb = |name: &str| (name == "TERM").then(|| "dumb".to_owned());
        assert_eq!(Style::new(true, dumb), Style::PLAIN);
        assert_eq!(Style::PLAIN.paint(Colour::Red, "x"), "x");
        assert_eq!(Style::COLOURED.paint(Colour::Red, "x"), "\x1b[31mx\x1b[0m");
    }
}
