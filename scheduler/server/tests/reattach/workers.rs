//! Workers that do nothing but to be attached: each with a connection and a stream of its own, and the product's own way
//! to come back.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use orb_proto::v1;
use orb_proto::v1::attach_request::Message as Report;
use orb_proto::v1::attach_response::Message as Word;
use orb_proto::v1::worker_service_client::WorkerServiceClient;
use orb_scheduler_client::{Dialling, LeaderChannel, Reconnect};
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Request, Status};

use crate::scheduler::TOKEN;

/// As by default.
const RECONNECT: Reconnect = Reconnect {
    min: Duration::from_millis(50),
    max: Duration::from_secs(2),
    spread: Duration::from_millis(100),
};

/// As by default, of a worker that plays nothing.
const BEAT: Duration = Duration::from_secs(1);

/// As long as the worker waits.
const OPEN_WITHIN: Duration = Duration::from_secs(5);

/// All of them. Dropping it ends them.
pub(crate) struct Workers {
    /// Of each, the epoch of the scheduler that it is attached to; 0 while it is to none.
    epochs: Arc<[AtomicU64]>,
    last_refusal: Arc<Mutex<Option<Status>>>,
    _tasks: JoinSet<()>,
}

impl Workers {
    pub(crate) fn start(count: usize, address: &str, dialling: &Dialling) -> Self {
        let epochs: Arc<[AtomicU64]> = (0..count).map(|_| AtomicU64::new(0)).collect();
        let last_refusal = Arc::default();
        let mut tasks = JoinSet::new();
        for n in 0..count {
            let leader = LeaderChannel::at(address, dialling.clone()).unwrap();
            tasks.spawn(live(
                n,
                leader,
                Arc::clone(&epochs),
                Arc::clone(&last_refusal),
            ));
        }
        Self {
            epochs,
            last_refusal,
            _tasks: tasks,
        }
    }

    pub(crate) fn newest_epoch(&self) -> u64 {
        let epochs = self.epochs.iter().map(|epoch| epoch.load(Relaxed));
        epochs.max().unwrap()
    }

    /// Waits until all are attached to a scheduler that came after this epoch.
    pub(crate) async fn attached_after(&self, epoch: u64, within: Duration) {
        self.all("attached", within, |now| now > epoch).await;
    }

    pub(crate) async fn all_detached(&self, within: Duration) {
        self.all("detached", within, |now| now == 0).await;
    }

    async fn all(&self, what: &str, within: Duration, is: impl Fn(u64) -> bool) {
        let deadline = Instant::now() + within;
        loop {
            let done = self.epochs.iter().filter(|epoch| is(epoch.load(Relaxed)));
            let done = done.count();
            if done == self.epochs.len() {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "{done} of {} {what} after {within:?}; the last refusal: {:?}",
                self.epochs.len(),
                self.last_refusal.lock().unwrap()
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// Attached, or on its way back.
async fn live(
    n: usize,
    leader: LeaderChannel,
    epochs: Arc<[AtomicU64]>,
    last_refusal: Arc<Mutex<Option<Status>>>,
) {
    let mut rng = StdRng::seed_from_u64(n as u64);
    let mut failures = 0;
    loop {
        tokio::time::sleep(RECONNECT.wait(failures, &mut rng)).await;
        let route = leader.route().await;
        let attaching = tokio::time::timeout(OPEN_WITHIN, attach(n, route.channel())).await;
        match attaching.unwrap_or_else(|_| Err(Status::deadline_exceeded("no answer"))) {
            Ok((epoch, attached)) => {
                failures = 0;
                epochs[n].store(epoch, Relaxed);
                attached.beat().await;
                epochs[n].store(0, Relaxed);
            }
            Err(status) => {
                failures += 1;
                leader.learn(&status);
                *last_refusal.lock().unwrap() = Some(status);
            }
        }
    }
}

struct Attached {
    reports: mpsc::Sender<v1::AttachRequest>,
    words: tonic::Streaming<v1::AttachResponse>,
}

async fn attach(n: usize, channel: Channel) -> Result<(u64, Attached), Status> {
    let (reports, stream) = mpsc::channel(4);
    let register = v1::Register {
        worker_id: format!("worker-{n}"),
        incarnation: format!("life-{n}"),
        capacity: Some(v1::Capacity {
            total_millicores: 2_000,
            free_millicores: 2_000,
        }),
        ..v1::Register::default()
    };
    let message = Some(Report::Register(register));
    let _ = reports.try_send(v1::AttachRequest { message });
    let mut request = Request::new(ReceiverStream::new(stream));
    let bearer = format!("Bearer {TOKEN}").parse().unwrap();
    request.metadata_mut().insert("authorization", bearer);
    let mut words = WorkerServiceClient::new(channel)
        .attach(request)
        .await?
        .into_inner();
    match words
        .next()
        .await
        .transpose()?
        .and_then(|word| word.message)
    {
        Some(Word::Registered(registered)) => Ok((registered.epoch, Attached { reports, words })),
        _ => Err(Status::unavailable("the stream ended before it began")),
    }
}

impl Attached {
    /// Until the stream ends.
    async fn beat(mut self) {
        let mut beats = tokio::time::interval(BEAT);
        loop {
            tokio::select! {
                word = self.words.next() => if !matches!(word, Some(Ok(_))) { return },
                _ = beats.tick() => {
                    let message = Some(Report::Heartbeat(v1::Heartbeat::default()));
                    let _ = self.reports.try_send(v1::AttachRequest { message });
                }
            }
        }
    }
}
