//! A thousand workers come back in one moment to a scheduler that was restarted.
#![allow(clippy::unwrap_used)]

mod scheduler;
mod workers;

use std::time::{Duration, Instant};

use orb_scheduler_client::Dialling;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use scheduler::{Installation, KEEP_ALIVE};
use workers::Workers;

const WORKERS: usize = 1_000;

/// `reattach_grace`: from then on their sessions would be granted to others.
const BACK_WITHIN: Duration = Duration::from_secs(10);

/// The first time they are not in a hurry, and the machine may be busy.
const ATTACHED_WITHIN: Duration = Duration::from_secs(30);

async fn all_come_back(installation: Installation) {
    // Both ends of all connections are in this process.
    let limit = getrlimit(Resource::Nofile);
    let current = limit.maximum;
    setrlimit(Resource::Nofile, Rlimit { current, ..limit }).unwrap();

    let mut first = installation.start().await;
    let dialling = Dialling::network(KEEP_ALIVE, installation.tls.clone());
    let workers = Workers::start(WORKERS, &first.address(), &dialling);
    workers.attached_after(0, ATTACHED_WITHIN).await;
    let epoch = workers.newest_epoch();

    first.crash().await;
    workers.all_detached(ATTACHED_WITHIN).await;
    // As long as a process takes to start: all of them try again and again.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let again = installation.start_at(first.addr).await;
    let began = Instant::now();
    workers.attached_after(epoch, BACK_WITHIN).await;
    println!("{WORKERS} workers back after {:?}", began.elapsed());
    drop(again);
}

#[tokio::test(flavor = "multi_thread")]
async fn over_plain_connections() {
    all_come_back(Installation::new(None).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_certificates_on_both_ends() {
    let files = tempfile::tempdir().unwrap();
    let tls = scheduler::certificates(files.path());
    all_come_back(Installation::new(Some(tls)).await).await;
}
