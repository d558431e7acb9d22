//! The environment of a child process: nothing that the test's own has, but where programs are.

use std::collections::BTreeMap;

/// Variables that a process is given.
#[derive(Clone, Debug, Default)]
pub struct Environment(BTreeMap<String, String>);

/// What is passed on of the test's own.
const INHERITED: [&str; 6] = ["PATH", "HOME", "LANG", "LD_LIBRARY_PATH", "USER", "TZ"];

impl Environment {
    /// Only what programs need to be found.
    pub fn bare() -> Self {
        let inherited = INHERITED
            .into_iter()
            .filter_map(|name| Some((name.to_owned(), std::env::var(name).ok()?)));
        let mut environment = Self(inherited.collect());
        // Logs are searched: no colours between a name and its value.
        environment.set("NO_COLOR", "1");
        environment.set("RUST_BACKTRACE", "1");
        environment
    }

    /// Sets a variable.
    pub fn set(&mut self, name: &str, value: impl Into<String>) -> &mut Self {
        self.0.insert(name.to_owned(), value.into());
        self
    }

    /// The same with a variable set.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.set(name, value);
        self
    }

    /// The same without a variable.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.0.remove(name);
        self
    }

    /// Whether a variable is set.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&String, &String)> {
        self.0.iter()
    }
}
