//! How long a beat takes to be known: from the worker that sends it to a watcher of the session.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use anyhow::{Context, Result};
use orb_proto::v1;
use orb_proto::v1::session_service_client::SessionServiceClient;
use tokio::task::JoinSet;
use tonic::transport::Channel;
use tonic::{Request, Streaming};

use super::installation::API_TOKEN;
use crate::statistics::Samples;

/// Beats of the sessions that are watched, which bear how many frames were sent by then. So a watcher that reads the
/// number knows which beat it is of. Clones share it.
#[derive(Clone, Default)]
pub(super) struct Probes(Arc<Mutex<HashMap<String, HashMap<u64, Instant>>>>);

impl Probes {
    fn watch(&self, session: &str) {
        self.lock().entry(session.to_owned()).or_default();
    }

    /// Nobody watches any more.
    fn forget(&self) {
        self.lock().clear();
    }

    /// A worker is about to send it.
    pub(super) fn sent(&self, session: &str, frames: u64, at: Instant) {
        if let Some(beats) = self.lock().get_mut(session) {
            beats.entry(frames).or_insert(at);
        }
    }

    /// A watcher read it: when it was sent, unless it was read before.
    fn seen(&self, session: &str, frames: u64) -> Option<Instant> {
        self.lock().get_mut(session)?.remove(&frames)
    }

    /// Beats that nobody has read yet, of all that were sent before `by`.
    fn unseen(&self, by: Instant) -> usize {
        let probes = self.lock();
        let beats = probes.values().flat_map(HashMap::values);
        beats.filter(|sent| **sent < by).count()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, HashMap<u64, Instant>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Watches some sessions, over one connection.
pub(super) struct Watchers {
    tasks: JoinSet<()>,
    probes: Probes,
    times: Arc<Mutex<Samples>>,
}

impl Watchers {
    pub(super) async fn start(
        scheduler: String,
        probes: Probes,
        sessions: impl Iterator<Item = String>,
    ) -> Result<Self> {
        let endpoint = Channel::from_shared(scheduler)?.tcp_nodelay(true);
        let channel = endpoint.connect().await;
        let channel = channel.context("the scheduler takes no connection")?;
        // Those of an earlier step have nobody who reads them.
        probes.forget();
        let mut watchers = Self {
            tasks: JoinSet::new(),
            probes,
            times: Arc::default(),
        };
        for session in sessions {
            let mut request = Request::new(v1::WatchRequest {
                session_id: session.clone(),
            });
            let bearer = format!("Bearer {API_TOKEN}").parse()?;
            request.metadata_mut().insert("authorization", bearer);
            let stream = SessionServiceClient::new(channel.clone())
                .watch(request)
                .await?
                .into_inner();
            watchers.probes.watch(&session);
            let (probes, times) = (watchers.probes.clone(), Arc::clone(&watchers.times));
            watchers.tasks.spawn(follow(stream, session, probes, times));
        }
        Ok(watchers)
    }

    /// What was measured since the last time, in milliseconds, and how many beats were not seen within `patience`.
    pub(super) fn take(&self, patience: std::time::Duration) -> (Samples, usize) {
        let mut times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        let unseen = Instant::now()
            .checked_sub(patience)
            .map_or(0, |by| self.probes.unseen(by));
        (std::mem::take(&mut times), unseen)
    }
}

async fn follow(
    mut stream: Streaming<v1::WatchResponse>,
    session: String,
    probes: Probes,
    times: Arc<Mutex<Samples>>,
) {
    while let Ok(Some(seen)) = stream.message().await {
        let read = Instant::now();
        let health = seen.session.and_then(|session| session.health);
        let frames = health.map_or(0, |health| health.frames_sent);
        if let Some(sent) = probes.seen(&session, frames) {
            let mut times = times.lock().unwrap_or_else(PoisonError::into_inner);
            times.push_ms(read.saturating_duration_since(sent));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_beat_is_known_once_it_was_read() {
        let probes = Probes::default();
        let sent = Instant::now();
        probes.sent("unwatched", 1, sent);
        probes.watch("s");
        probes.sent("s", 1, sent);
        probes.sent("s", 1, sent + Duration::from_secs(1));
        assert_eq!(probes.unseen(sent + Duration::from_millis(1)), 1);
        assert_eq!(probes.seen("s", 2), None);
        assert_eq!(probes.seen("s", 1), Some(sent));
        assert_eq!(probes.seen("s", 1), None);
        assert_eq!(probes.unseen(sent + Duration::from_secs(9)), 0);
    }
}
