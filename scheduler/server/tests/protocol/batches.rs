//! What waits shares a commit; nobody is told of it before; beats are heard meanwhile; and what a leader that was
//! replaced has in its memory is told to nobody.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use orb_coordinator::SingleCoordinator;
use orb_proto::v1;
use orb_proto::v1::attach_request::Message as Report;
use orb_proto::v1::attach_response::Message as Word;
use orb_scheduler_core::{CommandId, CommandRecord, Epoch, SessionId, StoredSession, Write};
use orb_scheduler_store::{AccountSession, Error, SqliteStore, Store, StoredEvent};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tonic::{Code, Status};

use crate::installation::{API, Scheduler, Surroundings, create, play, playing, with_token};

const SOON: Duration = Duration::from_secs(20);

/// A database whose commits can be held up.
#[derive(Clone)]
pub(crate) struct Gated {
    store: Arc<SqliteStore>,
    gate: Arc<Semaphore>,
    /// That have begun.
    commits: Arc<AtomicUsize>,
    event_reads: Arc<AtomicUsize>,
    /// What was written, by table, in order.
    rows: Arc<Mutex<Vec<&'static str>>>,
}

impl Gated {
    pub(crate) async fn of(surroundings: &Surroundings) -> Self {
        Self {
            store: Arc::new(surroundings.store().await),
            gate: Arc::new(Semaphore::new(1)),
            commits: Arc::default(),
            event_reads: Arc::default(),
            rows: Arc::default(),
        }
    }

    /// The tables that rows were written to since the last call.
    fn rows(&self) -> Vec<&'static str> {
        let mut rows = std::mem::take(&mut *self.rows.lock().unwrap());
        rows.sort_unstable();
        rows
    }

    /// How often it was asked what happened.
    pub(crate) fn event_reads(&self) -> usize {
        self.event_reads.load(Ordering::Relaxed)
    }
}

impl Store for Gated {
    async fn lead(&self, at_least: Epoch) -> Result<Epoch, Error> {
        self.store.lead(at_least).await
    }

    async fn load(&self, over_since_ms: i64) -> Result<Vec<StoredSession>, Error> {
        self.store.load(over_since_ms).await
    }

    async fn sessions(&self, ids: &[SessionId]) -> Result<Vec<StoredSession>, Error> {
        self.store.sessions(ids).await
    }

    async fn events(
        &self,
        session: &SessionId,
        after_id: i64,
        limit: u32,
    ) -> Result<Vec<StoredEvent>, Error> {
        self.event_reads.fetch_add(1, Ordering::Relaxed);
        self.store.events(session, after_id, limit).await
    }

    async fn newest_event(&self, session: &SessionId) -> Result<i64, Error> {
        self.store.newest_event(session).await
    }

    async fn commit_all(
        &self,
        epoch: Epoch,
        writes: Vec<Write>,
        accounts: Vec<AccountSession>,
        wall_ms: i64,
    ) -> Result<(), Error> {
        self.commits.fetch_add(1, Ordering::Relaxed);
        let tables = writes.iter().map(|write| match write {
            Write::Session(record, _) => {
                let bytes = serde_json::to_vec(record).unwrap().len();
                assert!(
                    bytes < 4_096,
                    "a record of {bytes} bytes: it bears no queue"
                );
                "session"
            }
            Write::Queue(_) | Write::QueueOrder { .. } | Write::QueueRemoved { .. } => "queue",
            Write::Event(_) => "event",
            Write::WorkerState(_) => "worker state",
            Write::Command(_) => "command",
        });
        self.rows.lock().unwrap().extend(tables);
        let _open = self.gate.acquire().await.unwrap();
        self.store
            .commit_all(epoch, writes, accounts, wall_ms)
            .await
    }

    async fn confirm(&self, epoch: Epoch) -> Result<(), Error> {
        self.store.confirm(epoch).await
    }

    async fn commands(&self, ids: &[CommandId]) -> Result<Vec<CommandRecord>, Error> {
        self.store.commands(ids).await
    }

    async fn forget_commands(&self, epoch: Epoch, before_ms: i64) -> Result<(), Error> {
        self.store.forget_commands(epoch, before_ms).await
    }

    async fn account_sessions(&self) -> Result<Vec<AccountSession>, Error> {
        self.store.account_sessions().await
    }
}

/// Creates session `id`, in a guild of its own.
async fn start(scheduler: &Scheduler, id: String, guild: usize) -> Result<(), Status> {
    let request = v1::CreateRequest {
        guild_id: guild.to_string(),
        ..create(&id)
    };
    let created = scheduler.sessions().create(with_token(API, request)).await;
    created.map(|_| ())
}

#[tokio::test]
async fn while_a_commit_hangs_beats_are_heard_and_calls_gather_in_the_next() {
    let surroundings = Surroundings::new().await;
    let store = Gated::of(&surroundings).await;
    let scheduler = Arc::new(surroundings.candidate_with(SingleCoordinator::new(), store.clone()));
    scheduler.ready().await;
    let mut worker = scheduler.attach("w1", "life-1", vec![]).await.unwrap();
    let mut sessions = scheduler.sessions();
    sessions.create(with_token(API, create("s"))).await.unwrap();
    let plays = tokio::spawn({
        let mut sessions = sessions.clone();
        async move { sessions.play(with_token(API, play("s", "p"))).await }
    });
    let plays_it =
        |desired: &v1::DesiredState| desired.current.is_some() && desired.voice.is_some();
    let lease = worker.lease_where(plays_it).await;
    worker.report(playing(&lease, 0)).await;
    plays.await.unwrap().unwrap();
    let watch = v1::WatchRequest {
        session_id: "s".to_owned(),
    };
    let watching = sessions.watch(with_token(API, watch)).await.unwrap();
    let mut watching = watching.into_inner();

    let closed = Arc::clone(&store.gate).acquire_owned().await.unwrap();
    let before = store.commits.load(Ordering::Relaxed);
    let mut starts = JoinSet::new();
    for number in 0..20 {
        let scheduler = Arc::clone(&scheduler);
        starts.spawn(async move { start(&scheduler, format!("t{number}"), 1_000 + number).await });
    }
    let until_one_waits = async {
        while store.commits.load(Ordering::Relaxed) == before {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(SOON, until_one_waits).await.unwrap();
    for frames_sent in 1..=20 {
        let mut beat = playing(&lease, 1_000);
        beat.health = Some(v1::StreamHealth {
            frames_sent,
            ..v1::StreamHealth::default()
        });
        worker.report(beat).await;
        let is_seen = async {
            loop {
                let seen = watching.message().await.unwrap().unwrap().session.unwrap();
                if seen.health.unwrap_or_default().frames_sent == frames_sent {
                    return;
                }
            }
        };
        timeout(SOON, is_seen).await.expect("the beat is heard");
    }
    assert!(
        starts.try_join_next().is_none(),
        "nobody is told of what is not durable"
    );
    drop(closed);
    while let Some(started) = timeout(SOON, starts.join_next()).await.unwrap() {
        started.unwrap().unwrap();
    }
    let stored = surroundings.store().await.load(0).await.unwrap();
    assert_eq!(stored.len(), 21);
    drop(sessions);
    Arc::into_inner(scheduler).unwrap().stop().await;
}

#[tokio::test]
async fn a_leader_that_was_replaced_repeats_no_answer() {
    let surroundings = Surroundings::new().await;
    let stale = surroundings.scheduler().await;
    let call = || {
        let request = v1::CreateRequest {
            command_id: "once".to_owned(),
            ..create("s")
        };
        with_token(API, request)
    };
    stale.sessions().create(call()).await.unwrap();
    let again = stale.sessions().create(call()).await.unwrap();
    assert!(again.into_inner().created, "the first outcome");
    // As another leader would, which this one has not heard of.
    let other = surroundings.store().await;
    other.lead(Epoch::default()).await.unwrap();
    let refused = stale.sessions().create(call()).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
}

#[tokio::test]
async fn a_leader_that_was_replaced_confirms_no_lease() {
    let surroundings = Surroundings::new().await;
    let stale = surroundings.scheduler().await;
    let mut worker = stale.attach("w1", "life-1", vec![]).await.unwrap();
    let mut sessions = stale.sessions();
    sessions.create(with_token(API, create("s"))).await.unwrap();
    let lease = worker.lease_where(|desired| desired.voice.is_some()).await;
    let token = lease.fence.unwrap().token;
    assert_eq!(worker.confirm(1, &[("s", token)]).await, [true]);
    let other = surroundings.store().await;
    other.lead(Epoch::default()).await.unwrap();
    let question = v1::ConfirmLeases {
        request_id: 2,
        leases: vec![v1::LeaseRef {
            session_id: "s".to_owned(),
            token,
        }],
    };
    worker.say(Report::ConfirmLeases(question)).await;
    while let Some(word) = worker.word().await {
        assert!(!matches!(word, Word::LeasesConfirmed(_)), "{word:?}");
    }
}

#[tokio::test]
async fn a_party_of_the_bot_writes_no_more_rows_for_there_being_queues() {
    let surroundings = Surroundings::new().await;
    let store = Gated::of(&surroundings).await;
    let scheduler = surroundings.candidate_with(SingleCoordinator::new(), store.clone());
    scheduler.ready().await;
    let mut worker = scheduler.attach("w1", "life-1", vec![]).await.unwrap();
    let mut sessions = scheduler.sessions();
    sessions.create(with_token(API, create("s"))).await.unwrap();
    // The worker has it, and nothing more comes of the create.
    let joined = worker.lease_where(|desired| desired.voice.is_some()).await;
    let mut idle = playing(&joined, 0);
    idle.set_playback_state(v1::PlaybackState::Idle);
    worker.report(idle).await;
    until_connected(&scheduler).await;
    store.rows();
    for number in 0..3 {
        let request = v1::PlayRequest {
            item: Some(v1::Item {
                queue_entry_id: 100 + number,
                ..play("s", "").item.unwrap()
            }),
            ..play("s", "")
        };
        let mut sessions = scheduler.sessions();
        let call = tokio::spawn(async move { sessions.play(with_token(API, request)).await });
        let is_it = |desired: &v1::DesiredState| {
            let current = desired.current.as_ref();
            current.is_some_and(|item| item.queue_entry_id == 100 + number)
        };
        let lease = worker.lease_where(is_it).await;
        let mut expected = vec!["command", "event", "queue", "session", "worker state"];
        if number > 0 {
            // What it takes the place of has ended.
            expected.extend(["event", "queue"]);
            expected.sort_unstable();
        }
        assert_eq!(store.rows(), expected, "play {number}");
        worker.report(playing(&lease, 20)).await;
        call.await.unwrap().unwrap();
        store.rows();
    }
    scheduler.stop().await;
}

/// Until callers see the worker in the channel.
async fn until_connected(scheduler: &Scheduler) {
    let waiting = async {
        loop {
            let request = v1::GetRequest {
                session_id: "s".to_owned(),
            };
            let answer = scheduler.sessions().get(with_token(API, request)).await;
            let session = answer.unwrap().into_inner().session.unwrap();
            if session.worker_status() == v1::WorkerStatus::Connected {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(SOON, waiting)
        .await
        .expect("the worker is in the channel");
}
