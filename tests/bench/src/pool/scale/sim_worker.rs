//! One simulated worker: a connection, its leases, its beats.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use orb_proto::v1;
use orb_proto::v1::attach_request::Message as Report;
use orb_proto::v1::attach_response::Message as Word;
use orb_proto::v1::worker_service_client::WorkerServiceClient;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Endpoint;
use tonic::{Request, Streaming};

use super::installation::INTERNAL_TOKEN;
use super::sim_session::SimSession;
use super::swarm::{Shape, Witness};

/// Reports that may wait, as in the real worker.
const REPORTS: usize = 16;

/// Words that wait already are answered by one report.
const WORDS_AT_ONCE: usize = 64;

pub(super) struct SimWorker {
    number: usize,
    shape: Shape,
    sessions: BTreeMap<String, SimSession>,
    reports: mpsc::Sender<v1::AttachRequest>,
    words: Streaming<v1::AttachResponse>,
    playing_every: Duration,
    idle_every: Duration,
    witness: Witness,
}

impl SimWorker {
    /// Connects and registers.
    pub(super) async fn attach(
        url: &str,
        number: usize,
        shape: Shape,
        witness: Witness,
    ) -> Result<Self> {
        let channel = Endpoint::from_shared(url.to_owned())?
            .tcp_nodelay(true)
            .connect()
            .await
            .context("the scheduler takes no connection")?;
        let (reports, stream) = mpsc::channel(REPORTS);
        let register = v1::Register {
            worker_id: format!("sim-{number:04}"),
            incarnation: format!("{:032x}", rand::random::<u128>()),
            capacity: Some(capacity(shape.millicores, 0)),
            ..v1::Register::default()
        };
        reports.try_send(message(Report::Register(register)))?;
        let mut request = Request::new(ReceiverStream::new(stream));
        let bearer = format!("Bearer {INTERNAL_TOKEN}").parse()?;
        request.metadata_mut().insert("authorization", bearer);
        let mut words = WorkerServiceClient::new(channel)
            .attach(request)
            .await?
            .into_inner();
        let first = words.message().await?.and_then(|word| word.message);
        let Some(Word::Registered(registered)) = first else {
            bail!("the scheduler did not register worker {number}");
        };
        let milliseconds = |value: u32| Duration::from_millis(u64::from(value));
        Ok(Self {
            number,
            shape,
            sessions: BTreeMap::new(),
            reports,
            words,
            playing_every: milliseconds(registered.heartbeat_playing_ms),
            idle_every: milliseconds(registered.heartbeat_idle_ms),
            witness,
        })
    }

    /// Until the stream ends, which it does not while all is well.
    pub(super) async fn run(mut self) -> Result<()> {
        // Workers were not started at the same moment.
        let mut beat = tokio::time::Instant::now() + self.playing_every.mul_f64(rand::random());
        loop {
            tokio::select! {
                word = self.words.message() => {
                    let Some(word) = word? else {
                        bail!("the scheduler ended the stream of worker {}", self.number);
                    };
                    let mut changed = BTreeSet::new();
                    self.take(word, &mut changed)?;
                    for _ in 1..WORDS_AT_ONCE {
                        let Some(word) = ready(&mut self.words).await? else { break };
                        self.take(word, &mut changed)?;
                    }
                    self.report(Some(&changed))?;
                }
                () = tokio::time::sleep_until(beat) => {
                    self.report(None)?;
                    let playing = self.sessions.values().any(SimSession::is_playing);
                    let every = if playing { self.playing_every } else { self.idle_every };
                    beat = (beat + every).max(tokio::time::Instant::now());
                }
            }
        }
    }

    fn take(&mut self, word: v1::AttachResponse, changed: &mut BTreeSet<String>) -> Result<()> {
        match word.message {
            Some(Word::Lease(lease)) => {
                let id = lease.session_id.clone();
                if let Some(session) = self.sessions.get_mut(&id) {
                    session.take(lease);
                } else {
                    let cost = self.shape.cost_of_next();
                    self.sessions
                        .insert(id.clone(), SimSession::new(lease, cost));
                    self.witness.took(&id, self.number);
                }
                changed.insert(id);
            }
            Some(Word::Revoke(revoke)) => {
                let id = &revoke.session_id;
                let ends = |session: &SimSession| session.ends_by(revoke.fence.as_ref());
                if self.sessions.get(id).is_some_and(ends) {
                    self.sessions.remove(id);
                    self.witness.gave_up(id, self.number);
                }
            }
            Some(Word::LeasesConfirmed(_) | Word::Drained(_)) | None => {}
            Some(Word::Registered(_) | Word::StartDrain(_)) => bail!("an unexpected word"),
        }
        Ok(())
    }

    /// A beat with all sessions, or with those that changed.
    fn report(&self, only: Option<&BTreeSet<String>>) -> Result<()> {
        let of_interest = |id: &String| only.is_none_or(|only| only.contains(id));
        let sessions: Vec<_> = self
            .sessions
            .iter()
            .filter(|(id, _)| of_interest(id))
            .map(|(_, session)| session.observed())
            .collect();
        for observed in &sessions {
            let frames = observed.health.map_or(0, |health| health.frames_sent);
            self.witness
                .reports(&observed.session_id, frames, Instant::now());
        }
        let used = self
            .sessions
            .values()
            .map(SimSession::takes_millicores)
            .sum();
        let beat = v1::Heartbeat {
            capacity: Some(capacity(self.shape.millicores, used)),
            sessions,
        };
        self.reports
            .try_send(message(Report::Heartbeat(beat)))
            .context("the scheduler does not read")
    }
}

/// The next word, if it is there already.
async fn ready(words: &mut Streaming<v1::AttachResponse>) -> Result<Option<v1::AttachResponse>> {
    tokio::select! {
        biased;
        word = words.message() => Ok(word?),
        () = std::future::ready(()) => Ok(None),
    }
}

fn message(report: Report) -> v1::AttachRequest {
    v1::AttachRequest {
        message: Some(report),
    }
}

fn capacity(total_millicores: u32, used: u32) -> v1::Capacity {
    v1::Capacity {
        total_millicores,
        free_millicores: total_millicores.saturating_sub(used),
    }
}
