//! What the machine has to give: room on its disks, open files.

use std::path::{Path, PathBuf};

use rustix::process::{Resource, getrlimit};
use secrecy::ExposeSecret;

use super::{Subject, database};
use crate::{Finding, Role};

const MIB: u64 = 1 << 20;

/// A database of thousands of parties takes some; a party's watch output some 40 MiB, for as long as it plays.
const LITTLE: u64 = 1024 * MIB;
const TOO_LITTLE: u64 = 64 * MIB;

/// A connection is a file; roles that serve raise their limit to the hard one.
const FEW_FILES: u64 = 4096;

pub(super) fn check(subject: &Subject) -> Vec<Finding> {
    let mut findings = Vec::new();
    if subject.is(&[Role::Up, Role::Scheduler])
        && let Some(file) = database::sqlite_file(subject.config.database.url.expose_secret())
    {
        findings.push(disk("disk of the database", &file));
    }
    if subject.is(&[Role::Up, Role::Worker]) {
        findings.push(disk(
            "disk of the spool",
            &std::env::temp_dir().join("orb-spool"),
        ));
    }
    findings.push(open_files(getrlimit(Resource::Nofile).maximum));
    findings
}

/// Of the nearest folder that is there.
fn disk(check: &str, path: &Path) -> Finding {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let there = path
        .ancestors()
        .find(|folder| folder.is_dir())
        .map_or_else(|| PathBuf::from("/"), Path::to_owned);
    match rustix::fs::statvfs(&there) {
        // Such as /proc.
        Ok(room) if room.f_blocks == 0 => {
            Finding::skipped(check, format!("{} is on no disk", there.display()))
        }
        Ok(room) => judge(check, &there, room.f_bavail.saturating_mul(room.f_frsize)),
        Err(error) => Finding::warning(
            check,
            format!("{}: {error}", there.display()),
            "see that this user may enter it",
        ),
    }
}

fn judge(check: &str, folder: &Path, free: u64) -> Finding {
    let found = format!("{} MiB free at {}", free / MIB, folder.display());
    match free {
        free if free < TOO_LITTLE => Finding::failed(check, found, "make room"),
        free if free < LITTLE => Finding::warning(check, found, "make room soon"),
        _ => Finding::ok(check, found),
    }
}

/// `most`: none is no limit.
fn open_files(most: Option<u64>) -> Finding {
    const CHECK: &str = "open files";
    match most {
        Some(most) if most < FEW_FILES => Finding::warning(
            CHECK,
            format!("at most {most}"),
            format!(
                "raise the hard limit to {FEW_FILES} or more (systemd: LimitNOFILE, docker: --ulimit nofile)"
            ),
        ),
        Some(most) => Finding::ok(CHECK, format!("at most {most}")),
        None => Finding::ok(CHECK, "no limit"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Outcome;

    #[test]
    fn little_room_warns_and_none_fails() {
        let outcome = |mib| judge("disk", Path::new("/"), mib * MIB).outcome;
        assert_eq!(outcome(10), Outcome::Failed);
        assert_eq!(outcome(500), Outcome::Warning);
        assert_eq!(outcome(5000), Outcome::Ok);
        assert_eq!(open_files(Some(1024)).outcome, Outcome::Warning);
        assert_eq!(open_files(None).outcome, Outcome::Ok);
    }

    #[test]
    fn a_folder_that_is_not_there_yet_is_on_the_disk_of_its_parent() {
        let finding = disk("disk", Path::new("/no/such/folder/file"));
        assert!(finding.found.ends_with(" at /"), "{finding:?}");
    }
}
