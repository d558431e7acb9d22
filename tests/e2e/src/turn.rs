//! Who has the machine: tests that measure time at the listener have it alone, those that wait for conditions share it.

use std::fs::File;

use crate::films::target_folder;

/// Holds the machine for one test, whether it runs as a thread (`cargo test`) or as a process (nextest).
pub(crate) struct Turn(#[allow(dead_code, reason = "unlocked when it is closed")] File);

impl Turn {
    /// Waits until nobody has the machine alone.
    pub(crate) fn shared() -> Self {
        let _door = door();
        let turn = lock_file("e2e.lock");
        turn.lock_shared().expect("the file system has locks");
        Self(turn)
    }

    /// Waits until nobody has it at all.
    pub(crate) fn alone() -> Self {
        let _door = door();
        let turn = lock_file("e2e.lock");
        turn.lock().expect("the file system has locks");
        Self(turn)
    }
}

/// Held while one waits. Else those who share would keep out for good who wants to be alone: there is always one of them.
fn door() -> File {
    let door = lock_file("e2e-door.lock");
    door.lock().expect("the file system has locks");
    door
}

fn lock_file(name: &str) -> File {
    File::create(target_folder().join(name)).expect("a lock file can be made beside the binaries")
}
