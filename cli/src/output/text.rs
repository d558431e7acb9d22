//! Text of others on a terminal: without what would steer it, and as wide as it is seen.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Without control characters (which could move the cursor, or rename the window) and without the marks that turn the
/// direction of what follows.
pub fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .filter(|c| !matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}'))
        .collect()
}

/// Columns that it takes.
pub(crate) fn width(text: &str) -> usize {
    text.width()
}

/// The text without the colours that [`Style`](super::Style) gave it.
pub(crate) fn without_colours(text: &str) -> String {
    let mut pieces = text.split('\x1b');
    let mut plain = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        plain.push_str(piece.split_once('m').map_or(piece, |(_, rest)| rest));
    }
    plain
}

/// No wider than `columns`; what is cut off is marked by `…`.
pub(crate) fn shortened(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut room = columns.saturating_sub(1);
    let mut kept = String::new();
    for c in text.chars() {
        let wide = c.width().unwrap_or(0);
        if wide > room {
            break;
        }
        room -= wide;
        kept.push(c);
    }
    if columns > 0 {
        kept.push('…');
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_steers_the_terminal() {
        assert_eq!(printable("a\x1b[2Jb\nc\u{202E}d"), "a [2Jb cd");
        assert_eq!(printable("千と千尋 é"), "千と千尋 é");
    }

    #[test]
    fn colours_are_taken_off_again() {
        assert_eq!(
            without_colours("\x1b[32mplaying\x1b[0m  a film"),
            "playing  a film"
        );
        assert_eq!(without_colours("plain"), "plain");
    }

    #[test]
    fn cut_by_columns_and_not_by_letters() {
        assert_eq!(shortened("abcdef", 6), "abcdef");
        assert_eq!(shortened("abcdefg", 6), "abcde…");
        assert_eq!(shortened("千と千尋の神隠し", 7), "千と千…");
        assert_eq!(width(&shortened("千と千尋の神隠し", 8)), 7);
        assert_eq!(shortened("abc", 1), "…");
        assert_eq!(shortened("abc", 0), "");
    }
}
