//! The search: all names in one text, so that a look at 20,000 of them is one pass over it.

use memchr::memmem::Finder;

use super::entry::{Entry, Index};
use super::names::clean;
use crate::auth::AuthMode;

/// Between two names; no clean name has it.
const SEPARATOR: char = '\n';

/// How well a name fits, best first, as 10.11 and 12 rank them alike (`OrderMapper`, `SqlSearchProvider`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Match {
    /// The name is the term.
    Exact,
    /// 10.11: the name begins with the term as a word; 12: it begins with the term.
    Start,
    /// 10.11: the name begins with the term; 12: a word of it ends with the term.
    Word,
    /// The term is somewhere in it.
    Within,
}

/// The clean names in the order of the sort names.
#[derive(Debug)]
pub(super) struct SearchIndex {
    version: AuthMode,
    names: String,
    /// Where each name begins, and whose it is.
    starts: Vec<(u32, Index)>,
}

impl SearchIndex {
    /// `sorted`: the entries in the order in which equal matches shall come.
    pub(super) fn new(version: AuthMode, entries: &[Entry], sorted: &[Index]) -> Self {
        let (mut names, mut starts) = (String::new(), Vec::with_capacity(sorted.len()));
        for &index in sorted {
            starts.push((names.len() as u32, index));
            names.push_str(&clean(version, &entries[index as usize].name));
            names.push(SEPARATOR);
        }
        Self {
            version,
            names,
            starts,
        }
    }

    /// Whose name has the term, in sort order, each with how well it fits.
    pub(super) fn find(&self, term: &str) -> Vec<(Match, Index)> {
        let term = clean(self.version, term.trim());
        let mut found = Vec::new();
        if term.is_empty() || term.contains(SEPARATOR) {
            return found;
        }
        let (anywhere, word) = (Finder::new(&term), format!("{term} "));
        let (word, text) = (Finder::new(&word), self.names.as_bytes());
        let (mut position, mut name) = (0, 0);
        while let Some(hit) = anywhere.find(&text[position..]).map(|at| position + at) {
            while self.end_of(name) <= hit {
                name += 1;
            }
            let (start, index) = self.starts[name];
            let end = self.end_of(name);
            let whole = &text[start as usize..end - 1];
            found.push((
                self.rank(whole, term.len(), hit == start as usize, &word),
                index,
            ));
            position = end;
        }
        found
    }

    /// Where the name after `name` begins.
    fn end_of(&self, name: usize) -> usize {
        match self.starts.get(name + 1) {
            Some(&(next, _)) => next as usize,
            None => self.names.len(),
        }
    }

    fn rank(&self, name: &[u8], term: usize, at_start: bool, word: &Finder<'_>) -> Match {
        match self.version {
            _ if at_start && name.len() == term => Match::Exact,
            AuthMode::V10_11 if at_start && name[term] == b' ' => Match::Start,
            AuthMode::V10_11 if at_start => Match::Word,
            AuthMode::V12 if at_start => Match::Start,
            AuthMode::V12 if word.find(name).is_some() => Match::Word,
            _ => Match::Within,
        }
    }
}
