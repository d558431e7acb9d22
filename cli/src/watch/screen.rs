//! A few lines at the bottom of a terminal that are drawn again in place.

use std::io::{self, Write};

use crate::output::text::{width, without_colours};

const HIDE_CURSOR: &str = "\x1b[?25l";
const SHOW_CURSOR: &str = "\x1b[?25h";
/// What stands right of the cursor; below it, too.
const ERASE_LINE: &str = "\x1b[K";
const ERASE_BELOW: &str = "\x1b[J";

/// Where a terminal does not say how wide it is.
const USUAL_COLUMNS: usize = 80;

/// The lines that stand there. However it is dropped, the cursor comes back.
pub(super) struct Screen {
    drawn: Vec<String>,
}

impl Screen {
    pub(super) fn new() -> Self {
        Self { drawn: Vec::new() }
    }

    /// One less than there are: a line that fills the last column wraps on some terminals.
    pub(super) fn columns() -> usize {
        terminal_columns() - 1
    }

    /// Draws these in place of those that stand there.
    pub(super) fn draw(&mut self, lines: &[String]) -> io::Result<()> {
        if lines == self.drawn {
            return Ok(());
        }
        let mut text = match rows(&self.drawn, terminal_columns()) {
            0 => HIDE_CURSOR.to_owned(),
            1 => String::new(),
            rows => format!("\x1b[{}A", rows - 1),
        };
        for (index, line) in lines.iter().enumerate() {
            text.push_str(if index == 0 { "\r" } else { "\r\n" });
            text.push_str(line);
            text.push_str(ERASE_LINE);
        }
        text.push_str(ERASE_BELOW);
        self.drawn = lines.to_vec();
        // In one piece: half a drawing is never seen.
        let mut stdout = io::stdout().lock();
        stdout.write_all(text.as_bytes())?;
        stdout.flush()
    }

    /// Leaves the lines as they stand, with the cursor below them.
    pub(super) fn end(mut self) -> io::Result<()> {
        self.restore()
    }

    fn restore(&mut self) -> io::Result<()> {
        if self.drawn.is_empty() {
            return Ok(());
        }
        self.drawn.clear();
        let mut stdout = io::stdout().lock();
        write!(stdout, "\r\n{SHOW_CURSOR}")?;
        stdout.flush()
    }
}

/// One at least.
fn terminal_columns() -> usize {
    let size = rustix::termios::tcgetwinsize(io::stdout());
    let columns = size.map_or(0, |size| usize::from(size.ws_col));
    if columns == 0 { USUAL_COLUMNS } else { columns }
}

/// How many rows these lines take by now: a terminal that has become narrower has wrapped them.
fn rows(lines: &[String], columns: usize) -> usize {
    let rows = |line: &String| width(&without_colours(line)).div_ceil(columns).max(1);
    lines.iter().map(rows).sum()
}

impl Drop for Screen {
    fn drop(&mut self) {
        // The terminal may be gone; then nobody sees its cursor.
        let _ = self.restore();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrapped_lines_take_more_rows() {
        let lines = [
            "\x1b[32mplaying\x1b[0m".to_owned(),
            String::new(),
            "千と千尋".to_owned(),
        ];
        assert_eq!(rows(&lines, 80), 3);
        assert_eq!(rows(&lines, 7), 4);
        assert_eq!(rows(&lines, 4), 5);
        assert_eq!(rows(&[], 80), 0);
    }
}
