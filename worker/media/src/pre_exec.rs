//! The one thing that must happen between fork and exec.

use rustix::process::{Signal, getppid, set_parent_process_death_signal};
use tokio::process::Command;

/// Makes the kernel kill the child when the *thread* that spawned it ends, which is how no ffmpeg
/// survives a worker that is killed with SIGKILL. So spawn from a thread that lives as long as the children
/// should: see [`Spawner`](crate::child::Spawner).
pub(crate) fn die_with_parent(command: &mut Command) {
    let parent = rustix::process::getpid();
    let hook = move || {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        // The parent may have died before the line above: then nobody would send the signal.
        if getppid() == Some(parent) {
            Ok(())
        } else {
            Err(std::io::ErrorKind::BrokenPipe.into())
        }
    };
    // SAFETY: after fork only async-signal-safe calls are allowed. The hook makes two system calls
    // (prctl, getppid) through rustix's raw syscalls, and neither allocates nor takes a lock.
    #[allow(unsafe_code)] // std offers no safe way to run code before exec
    unsafe {
        command.pre_exec(hook);
    }
}
