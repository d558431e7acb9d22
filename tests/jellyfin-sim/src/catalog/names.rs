//! Names as Jellyfin compares them: for the search (`CleanName`) and for sorting (`SortName`).

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use crate::auth::AuthMode;

/// `GetCleanValue`: lower case without diacritics. 12 also turns all but letters and digits into single
/// spaces (`StringExtensions.GetCleanValue`), 10.11 does not (`BaseItemRepository.GetCleanValue`).
pub(crate) fn clean(version: AuthMode, name: &str) -> String {
    let plain = name.nfd().filter(|c| !is_combining_mark(*c));
    let lower: String = plain.flat_map(char::to_lowercase).collect();
    match version {
        AuthMode::V10_11 => lower,
        AuthMode::V12 => {
            let words = lower.split(|c: char| !c.is_alphanumeric());
            let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
            words.join(" ")
        }
    }
}

/// Left out of a sort name wherever they stand as words (`SortRemoveWords`).
const ARTICLES: [&str; 3] = ["the", "a", "an"];
/// Left out of a sort name (`SortRemoveCharacters`).
const REMOVED: [char; 6] = [',', '&', '-', '{', '}', '\''];
/// Spaces in a sort name (`SortReplaceCharacters`).
const SPACES: [char; 3] = ['.', '+', '%'];
/// Numbers in a sort name are filled up with zeros, so that 2 stands before 10.
const DIGITS: usize = 10;

/// `BaseItem.GetSortName`, with the server's default settings.
pub(crate) fn sort_name(name: &str) -> String {
    let mut sortable = name.trim().to_lowercase();
    for article in ARTICLES {
        if let Some(rest) = sortable.strip_prefix(&format!("{article} ")) {
            sortable = rest.to_owned();
        }
        sortable = sortable.replace(&format!(" {article} "), " ");
        if let Some(rest) = sortable.strip_suffix(&format!(" {article}")) {
            sortable = rest.to_owned();
        }
    }
    sortable.retain(|c| !REMOVED.contains(&c));
    padded(&sortable.replace(SPACES, " "))
}

fn padded(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + DIGITS);
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, from_digits) = rest.split_at(at);
        let end = from_digits
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(from_digits.len());
        let (digits, after) = from_digits.split_at(end);
        out.push_str(before);
        out.extend(std::iter::repeat_n(
            '0',
            DIGITS.saturating_sub(digits.len()),
        ));
        out.push_str(digits);
        rest = after;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn search_sees_neither_case_nor_diacritics() {
        for version in [AuthMode::V10_11, AuthMode::V12] {
            assert_eq!(clean(version, "Amélie ÜBER"), "amelie uber");
        }
        assert_eq!(clean(AuthMode::V12, "  Spider-Man:  2! "), "spider man 2");
        assert_eq!(clean(AuthMode::V10_11, "Spider-Man: 2"), "spider-man: 2");
    }

    #[test]
    fn sorting_leaves_articles_out_and_counts() {
        assert_eq!(sort_name("The Man and the Sea"), "man and sea");
        assert_eq!(sort_name("Film 9"), "film 0000000009");
        assert!(sort_name("Film 9") < sort_name("Film 10"));
        assert_eq!(
            sort_name("Fast & Furious, Pt.2"),
            "fast  furious pt 0000000002"
        );
    }
}
