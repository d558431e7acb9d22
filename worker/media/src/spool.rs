//! The folders that watch runs write into.
//!
//! `<root>/<worker process>/` belongs to one process and is locked while it lives; what a killed
//! process left is removed by the next one. A pipeline's runs are `<dir>/<prefix>-<run>/`.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use uuid::Uuid;

use crate::pipeline::WatchSpool;

const PREFIX: &str = "orb-worker-";
const LOCK: &str = "lock";

/// This process's part of the spool. Dropping it removes the folder.
#[derive(Debug)]
pub(crate) struct SpoolRoot {
    dir: PathBuf,
    /// The kernel drops the lock with the process, however that ends.
    _lock: File,
}

impl SpoolRoot {
    pub(crate) fn create(parent: &Path) -> io::Result<Self> {
        fs::create_dir_all(parent)?;
        sweep(parent)?;
        let dir = parent.join(format!("{PREFIX}{}", Uuid::new_v4().simple()));
        // Made under a name that no sweep looks at, so that it is locked before it can be seen.
        let hidden = dir.with_file_name(format!("new-{PREFIX}{}", Uuid::new_v4().simple()));
        fs::create_dir(&hidden)?;
        let lock = File::create(hidden.join(LOCK))?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
        fs::rename(&hidden, &dir)?;
        Ok(Self { dir, _lock: lock })
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }
}

impl Drop for SpoolRoot {
    fn drop(&mut self) {
        remove(&self.dir);
    }
}

/// Removes the folders of processes that are gone.
fn sweep(parent: &Path) -> io::Result<()> {
    for entry in fs::read_dir(parent)? {
        let path = entry?.path();
        let ours = path
            .file_name()
            .and_then(|name| name.to_str())
            .is_some_and(|name| name.starts_with(PREFIX));
        let Ok(lock) = File::open(path.join(LOCK)) else {
            continue;
        };
        if ours && flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok() {
            remove(&path);
        }
    }
    Ok(())
}

/// The runs of one pipeline.
#[derive(Debug)]
pub(crate) struct Runs {
    spool: WatchSpool,
    next: u32,
    /// With the time it was replaced at.
    dirs: Vec<(PathBuf, Option<Instant>)>,
    /// Of a run that is not the current one yet.
    prepared: Option<PathBuf>,
}

impl Runs {
    pub(crate) fn new(spool: WatchSpool) -> Self {
        Self {
            spool,
            next: 0,
            dirs: Vec::new(),
            prepared: None,
        }
    }

    /// A new folder for the next run, and its name.
    pub(crate) fn begin(&mut self, now: Instant, kept: Duration) -> io::Result<(PathBuf, String)> {
        let (dir, name) = self.create()?;
        self.replace_by(dir.clone(), now, kept);
        Ok((dir, name))
    }

    /// A new folder for a run beside the current one. It goes with [`abandon`](Self::abandon), or becomes the current
    /// one with [`adopt`](Self::adopt).
    pub(crate) fn prepare(&mut self) -> io::Result<(PathBuf, String)> {
        self.abandon();
        let (dir, name) = self.create()?;
        self.prepared = Some(dir.clone());
        Ok((dir, name))
    }

    pub(crate) fn abandon(&mut self) {
        if let Some(dir) = self.prepared.take() {
            remove(&dir);
        }
    }

    pub(crate) fn adopt(&mut self, now: Instant, kept: Duration) {
        if let Some(dir) = self.prepared.take() {
            self.replace_by(dir, now, kept);
        }
    }

    /// Runs that were replaced `kept` ago or longer are removed: nobody is that far behind.
    fn replace_by(&mut self, dir: PathBuf, now: Instant, kept: Duration) {
        self.dirs.retain(|(dir, replaced)| {
            let old = replaced.is_some_and(|at| now.duration_since(at) >= kept);
            if old {
                remove(dir);
            }
            !old
        });
        if let Some((_, replaced)) = self.dirs.last_mut() {
            replaced.get_or_insert(now);
        }
        self.dirs.push((dir, None));
    }

    fn create(&mut self) -> io::Result<(PathBuf, String)> {
        fs::create_dir_all(&self.spool.dir)?;
        loop {
            let name = format!("{}-{}", self.spool.prefix, self.next);
            self.next += 1;
            let dir = self.spool.dir.join(&name);
            match fs::create_dir(&dir) {
                Ok(()) => return Ok((dir, name)),
                // An earlier pipeline of the same name, in its grace: its files are still read.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The folder of the run that was begun last.
    pub(crate) fn newest(&self) -> Option<&Path> {
        self.dirs.last().map(|(dir, _)| dir.as_path())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.dirs.is_empty()
    }

    pub(crate) fn remove_all(&self) {
        let dirs = self.dirs.iter().map(|(dir, _)| dir);
        for dir in dirs.chain(&self.prepared) {
            remove(dir);
        }
    }
}

/// Best effort: the next process sweeps again.
fn remove(dir: &Path) {
    match fs::remove_dir_all(dir) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => tracing::warn!(%error, dir = %dir.display(), "spool folder was not removed"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_dead_process_is_swept_and_a_living_one_is_not() {
        let parent = tempfile::tempdir().unwrap();
        let dead = parent.path().join(format!("{PREFIX}dead"));
        fs::create_dir(&dead).unwrap();
        File::create(dead.join(LOCK)).unwrap();
        let foreign = parent.path().join("films");
        fs::create_dir(&foreign).unwrap();
        let living = SpoolRoot::create(parent.path()).unwrap();
        let second = SpoolRoot::create(parent.path()).unwrap();
        assert!(!dead.exists() && foreign.exists());
        assert!(living.dir().exists());
        let gone = second.dir().to_owned();
        drop(second);
        assert!(!gone.exists());
    }

    #[test]
    fn replaced_runs_go_after_a_while() {
        let parent = tempfile::tempdir().unwrap();
        let mut runs = Runs::new(WatchSpool {
            dir: parent.path().to_owned(),
            prefix: "film".into(),
        });
        let (now, kept) = (Instant::now(), Duration::from_secs(90));
        let (first, name) = runs.begin(now, kept).unwrap();
        assert_eq!(name, "film-0");
        let (second, _) = runs.begin(now + Duration::from_secs(1), kept).unwrap();
        assert!(first.exists());
        runs.begin(now + Duration::from_secs(91), kept).unwrap();
        assert!(!first.exists() && second.exists());
        let mut seek = Runs::new(runs.spool.clone());
        let (next, name) = seek.begin(now, kept).unwrap();
        assert_eq!(name, "film-0", "removed, so free");
        assert_eq!(
            seek.begin(now, kept).unwrap().1,
            "film-3",
            "1 and 2 are in use"
        );
        runs.remove_all();
        assert!(!second.exists() && next.exists());
    }

    #[test]
    fn a_run_beside_the_current_one_leaves_that_alone_until_it_is_adopted() {
        let parent = tempfile::tempdir().unwrap();
        let mut runs = Runs::new(WatchSpool {
            dir: parent.path().to_owned(),
            prefix: "film".into(),
        });
        let (now, kept) = (Instant::now(), Duration::from_secs(90));
        let (current, _) = runs.begin(now, kept).unwrap();
        let (dropped, _) = runs.prepare().unwrap();
        let (beside, name) = runs.prepare().unwrap();
        assert!(!dropped.exists(), "one at a time");
        assert_eq!((runs.newest(), name.as_str()), (Some(&*current), "film-2"));
        runs.adopt(now, kept);
        assert_eq!(runs.newest(), Some(&*beside));
        runs.begin(now + kept, kept).unwrap();
        assert!(!current.exists() && beside.exists());
        let (left, _) = runs.prepare().unwrap();
        runs.remove_all();
        assert!(!left.exists() && !beside.exists());
    }
}
