//! Leaders that are processes, killed and stopped.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use orb_cluster::Etcd;
use orb_coordinator::{Coordinator, Leadership};
use rustix::process::{Pid, Signal, kill_process};

use crate::{LOAD, LONG, campaigning, empty_etcd, leads, scheduler, timing};

/// Tells this program that it is the child.
const ETCD: &str = "ORB_TEST_ETCD";

/// One clock for all processes of the machine, in microseconds.
fn now() -> u128 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_micros()
}

#[tokio::test]
#[ignore = "what the other tests here start"]
async fn candidate() {
    let Ok(endpoint) = std::env::var(ETCD) else {
        return;
    };
    let coordinator = scheduler(endpoint).await;
    let leadership = coordinator.campaign("http://child:1").await.unwrap();
    let tenure = leadership.tenure();
    // A thread, not a task: it asks whether it leads before the runtime has heard of anything.
    let asking = std::thread::spawn(move || {
        loop {
            let at = now();
            println!("{at} {}", tenure.holds());
            std::thread::sleep(Duration::from_millis(1));
        }
    });
    tokio::task::spawn_blocking(move || asking.join())
        .await
        .unwrap()
        .unwrap();
    drop(leadership);
}

/// A scheduler's process that says all the time whether it leads.
struct Process {
    child: Child,
    /// When it said so, and what.
    said: mpsc::Receiver<(u128, bool)>,
}

impl Process {
    fn start(etcd: &Etcd) -> Self {
        let mut child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL"])
            .arg(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "processes::candidate",
                "--ignored",
                "--nocapture",
            ])
            .env(ETCD, etcd.endpoint())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (sender, said) = mpsc::channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let parsed = line
                    .split_once(' ')
                    .and_then(|(at, holds)| Some((at.parse().ok()?, holds.parse().ok()?)));
                if let Some(said) = parsed {
                    let _ = sender.send(said);
                }
            }
        });
        Self { child, said }
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().cast_signed()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Waits for its first word from now on that is `holds`, and gives the moment.
    fn says(&self, holds: bool) -> u128 {
        let deadline = Instant::now() + LONG;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let (at, said) = self.said.recv_timeout(left).expect("it says something");
            if said == holds {
                return at;
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn a_killed_leader_is_followed_by_the_next_within_the_bound() {
    let etcd = empty_etcd().await;
    let mut process = Process::start(&etcd);
    process.says(true);
    let waiting = campaigning(&scheduler(etcd.endpoint()).await, "http://next:1");
    process.child.kill().unwrap();
    let killed_at = Instant::now();
    let _next = leads("the next", timing().takeover_bound() + LOAD, waiting).await;
    println!("after SIGKILL: {:?}", killed_at.elapsed());
}

#[tokio::test]
async fn a_stopped_leader_wakes_up_and_knows() {
    let etcd = empty_etcd().await;
    let process = Process::start(&etcd);
    process.says(true);
    let waiting = campaigning(&scheduler(etcd.endpoint()).await, "http://next:1");
    process.signal(Signal::STOP);
    let _next = leads("the next", timing().takeover_bound() + LOAD, waiting).await;
    let led_from = now();

    process.signal(Signal::CONT);
    let woken = now();
    // From the first word on, and for longer than answers that waited in its sockets take to arrive.
    let mut words = 0;
    while now() < woken + 1_000_000 {
        let (at, holds) = process.said.recv_timeout(LONG).unwrap();
        assert!(
            !(holds && at >= led_from),
            "at {at} two lead, the second one since {led_from}"
        );
        words += usize::from(at >= woken);
    }
    assert!(words > 10, "it hardly said anything: {words}");
}
