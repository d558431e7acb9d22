//! The environment of a child process: nothing that ours has, but where programs are.

use std::collections::BTreeMap;

/// Variables that a process is given.
#[derive(Clone, Debug)]
pub struct Environment(BTreeMap<String, String>);

/// What is passed on of our own.
const INHERITED: [&str; 6] = ["PATH", "HOME", "LANG", "LD_LIBRARY_PATH", "USER", "TZ"];

impl Environment {
    /// Only what programs need to be found, and what makes logs fit for a reader without eyes.
    pub fn bare() -> Self {
        let inherited = INHERITED
            .into_iter()
            .filter_map(|name| Some((name.to_owned(), std::env::var(name).ok()?)));
        let bare = Self(inherited.collect());
        bare.with("RUST_BACKTRACE", "1")
            .with("ORB_LOG__FORMAT", "json")
            .with("ORB_LOG", "info")
    }

    /// The same with a variable set.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.0.insert(name.to_owned(), value.into());
        self
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&String, &String)> {
        self.0.iter()
    }
}
