//! One test at a time: what is measured must not share two cores with another measurement.

use std::fs::File;

use crate::films::target_folder;

/// Holds the machine for one test, whether it runs as a thread (`cargo test`) or as a process (nextest).
pub(crate) struct Turn(#[allow(dead_code, reason = "unlocked when it is closed")] File);

impl Turn {
    /// Waits until no other test has it.
    pub(crate) fn take() -> Self {
        let path = target_folder().join("e2e.lock");
        let file = File::create(&path).expect("a lock file can be made beside the binaries");
        file.lock().expect("the file system has locks");
        Self(file)
    }
}
