//! Columns of text.

use super::text::{printable, shortened, width};
use super::{Colour, Style};

/// Where a column's text stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
}

/// No column is wider: a title is known by its beginning.
const WIDEST: usize = 60;

/// Between two columns.
const GAP: &str = "  ";

/// What stands where there is nothing.
const NOTHING: &str = "-";

/// Rows under headings. Cells come from anywhere, and are made printable here.
pub(crate) struct Table {
    headings: Vec<(&'static str, Align)>,
    rows: Vec<Vec<(String, Option<Colour>)>>,
}

impl Table {
    pub(crate) fn new(headings: &[(&'static str, Align)]) -> Self {
        Self {
            headings: headings.to_vec(),
            rows: Vec::new(),
        }
    }

    /// A row with as many cells as there are headings, each with its colour.
    pub(crate) fn row(&mut self, cells: Vec<(String, Option<Colour>)>) {
        debug_assert_eq!(cells.len(), self.headings.len());
        let cells = cells.into_iter().map(|(text, colour)| {
            let text = printable(text.trim());
            let text = if text.is_empty() {
                NOTHING.to_owned()
            } else {
                text
            };
            (shortened(&text, WIDEST), colour)
        });
        self.rows.push(cells.collect());
    }

    pub(crate) fn render(&self, style: Style) -> String {
        let widths: Vec<usize> = (0..self.headings.len())
            .map(|column| {
                let cells = self.rows.iter().map(|row| width(&row[column].0));
                cells.max().unwrap_or(0).max(width(self.headings[column].0))
            })
            .collect();
        let mut text = String::new();
        let headings = self
            .headings
            .iter()
            .map(|(heading, _)| (*heading, Some(Colour::Bold)));
        text.push_str(&self.line(headings, &widths, style));
        for row in &self.rows {
            let cells = row.iter().map(|(cell, colour)| (cell.as_str(), *colour));
            text.push('\n');
            text.push_str(&self.line(cells, &widths, style));
        }
        text
    }

    fn line<'a>(
        &self,
        cells: impl Iterator<Item = (&'a str, Option<Colour>)>,
        widths: &[usize],
        style: Style,
    ) -> String {
        let mut line = String::new();
        for (index, (cell, colour)) in cells.enumerate() {
            let space = " ".repeat(widths[index].saturating_sub(width(cell)));
            let painted =
                colour.map_or_else(|| cell.to_owned(), |colour| style.paint(colour, cell));
            if index > 0 {
                line.push_str(GAP);
            }
            match self.headings[index].1 {
                Align::Left => line.extend([painted, space]),
                Align::Right => line.extend([space, painted]),
            }
        }
        line.trim_end().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_below_each_other_whatever_the_script() {
        let mut table = Table::new(&[
            ("TITLE", Align::Left),
            ("LENGTH", Align::Right),
            ("BY", Align::Left),
        ]);
        for (title, length, by) in [
            ("Alien", "1:57:00", "api"),
            ("千と千尋", "5:00", ""),
            ("e\u{301}te\u{301}", "", "x"),
        ] {
            table.row(vec![
                (title.into(), None),
                (length.into(), None),
                (by.into(), None),
            ]);
        }
        assert_eq!(
            table.render(Style::PLAIN),
            "TITLE      LENGTH  BY\n\
             Alien     1:57:00  api\n\
             千と千尋     5:00  -\n\
             e\u{301}te\u{301}             -  x"
        );
    }

    #[test]
    fn colour_takes_no_room() {
        let mut table = Table::new(&[("A", Align::Left), ("B", Align::Left)]);
        table.row(vec![("x".into(), Some(Colour::Green)), ("y".into(), None)]);
        assert_eq!(
            table.render(Style::COLOURED),
            "\x1b[1mA\x1b[0m  \x1b[1mB\x1b[0m\n\x1b[32mx\x1b[0m  y"
        );
    }
}
