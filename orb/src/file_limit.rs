//! How many connections this process may have.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the soft limit of open files to the hard one. The usual 1,024 is kept for programs that call `select`; a
/// scheduler with a thousand workers needs more. For roles without children: those would inherit it.
pub(crate) fn raise() {
    let now = getrlimit(Resource::Nofile);
    let most = Rlimit {
        current: now.maximum,
        ..now
    };
    if let Err(error) = setrlimit(Resource::Nofile, most) {
        tracing::debug!(%error, "the limit of open files stays");
    }
}
