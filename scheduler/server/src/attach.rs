//! `WorkerService.Attach`: one stream a worker process.

use std::time::Duration;

use orb_proto::v1;
use orb_proto::v1::worker_service_server::WorkerService;
use orb_scheduler_core::{
    DrainCause, Event, FencingToken, Incarnation, SessionId, WorkerId, WorkerRegistration,
};
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};
use uuid::Uuid;

use crate::links::Link;
use crate::{LeaderHandle, Standing, convert, refusals};

/// Words to a worker that may wait: all its sessions' leases at a re-attach, and then some.
const WORDS: usize = 1_024;

/// What a worker is told of the protocol's times.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WorkerTiming {
    pub(crate) heartbeat_playing: Duration,
    pub(crate) heartbeat_idle: Duration,
    pub(crate) self_stop_after: Duration,
    pub(crate) dial_permit: Duration,
}

pub(crate) struct Attach {
    pub(crate) standing: Standing,
    pub(crate) timing: WorkerTiming,
    pub(crate) cancel: CancellationToken,
}

#[tonic::async_trait]
impl WorkerService for Attach {
    type AttachStream = ReceiverStream<Result<v1::AttachResponse, Status>>;

    async fn attach(
        &self,
        request: Request<Streaming<v1::AttachRequest>>,
    ) -> Result<Response<Self::AttachStream>, Status> {
        let mut reports = request.into_inner();
        let first = reports
            .next()
            .await
            .transpose()?
            .and_then(|first| first.message);
        let Some(v1::attach_request::Message::Register(register)) = first else {
            return Err(refusals::missing("register"));
        };
        if register.worker_id.is_empty() {
            return Err(refusals::missing("register.worker_id"));
        }
        if register.incarnation.is_empty() {
            return Err(refusals::missing("register.incarnation"));
        }
        let worker = WorkerId::new(&register.worker_id);
        let incarnation = Incarnation::new(&register.incarnation);
        let (words, stream) = mpsc::channel(WORDS);
        // Asked after the wait for the first message: the leader may have changed meanwhile.
        let leader = self.standing.leader()?;
        let closed = leader.gone.child_token();
        let registered = v1::AttachResponse {
            message: Some(v1::attach_response::Message::Registered(v1::Registered {
                epoch: leader.epoch.get(),
                heartbeat_playing_ms: self.timing.heartbeat_playing.as_millis() as u32,
                heartbeat_idle_ms: self.timing.heartbeat_idle.as_millis() as u32,
                self_stop_after_ms: self.timing.self_stop_after.as_millis() as u32,
                dial_permit_ms: self.timing.dial_permit.as_millis() as u32,
            })),
        };
        // The queue is empty: this cannot fail.
        let _ = words.try_send(Ok(registered));
        let connection = Uuid::new_v4();
        let last_word = words.clone();
        let link = Link {
            connection,
            incarnation: incarnation.clone(),
            words,
            media_url: register.media_url.clone(),
            media_token: register.media_token.clone(),
            closed: closed.clone(),
        };
        if let Some(known) = leader.links.get(&worker)
            && known.incarnation != incarnation
            && !known.closed.is_cancelled()
            && !known.words.is_closed()
        {
            // The first life of this id is attached; its silence has to end its stream first.
            tracing::warn!(%worker, %incarnation, "refused: another process with this worker id is attached");
            return Err(refusals::worker_id_taken(&register.worker_id));
        }
        leader.links.insert(worker.clone(), link);
        tracing::info!(%worker, %incarnation, sessions = register.sessions.len(), "worker attached");
        let (standing, cancel) = (self.standing.clone(), self.cancel.clone());
        tokio::spawn(async move {
            let reading = read_reports(&leader, register, &worker, &incarnation, &mut reports);
            tokio::select! {
                () = cancel.cancelled() => {}
                () = closed.cancelled() => {}
                () = reading => {}
            }
            if leader.gone.is_cancelled() {
                // A hint for its next try; whoever has no room for it finds the end of the stream.
                let _ = last_word.try_send(Err(standing.refusal()));
            }
            drop(last_word);
            if leader.links.remove(&worker, connection) {
                tracing::info!(%worker, %incarnation, "worker detached");
                leader
                    .event(Event::Detached {
                        worker,
                        incarnation,
                    })
                    .await;
            }
        });
        Ok(Response::new(ReceiverStream::new(stream)))
    }
}

/// Until the stream ends or the leader is gone.
async fn read_reports(
    leader: &LeaderHandle,
    register: v1::Register,
    worker: &WorkerId,
    incarnation: &Incarnation,
    reports: &mut Streaming<v1::AttachRequest>,
) {
    let received = leader.clock.now().monotonic;
    let capacity = register.capacity.unwrap_or_default();
    let registration = WorkerRegistration {
        worker: worker.clone(),
        incarnation: incarnation.clone(),
        total_millicores: capacity.total_millicores,
        free_millicores: capacity.free_millicores,
        draining: register.draining,
        go_live: register.go_live,
        sessions: register
            .sessions
            .into_iter()
            .map(|s| convert::observed(s, received))
            .collect(),
    };
    if !leader.event(Event::Attached(Box::new(registration))).await {
        return;
    }
    while let Some(Ok(report)) = reports.next().await {
        use v1::attach_request::Message;
        let event = match report.message {
            Some(Message::Heartbeat(beat)) => {
                let received = leader.clock.now().monotonic;
                Event::Beat {
                    worker: worker.clone(),
                    incarnation: incarnation.clone(),
                    free_millicores: beat.capacity.unwrap_or_default().free_millicores,
                    observed: beat
                        .sessions
                        .into_iter()
                        .map(|s| convert::observed(s, received))
                        .collect(),
                }
            }
            Some(Message::ConfirmLeases(question)) => Event::ConfirmLeases {
                worker: worker.clone(),
                incarnation: incarnation.clone(),
                request: question.request_id,
                leases: question
                    .leases
                    .into_iter()
                    .map(convert::lease_ref)
                    .collect(),
            },
            Some(Message::Drain(_)) => {
                tracing::info!(%worker, %incarnation, "worker is about to go");
                Event::Drain {
                    worker: worker.clone(),
                    cause: DrainCause::Worker(incarnation.clone()),
                }
            }
            Some(Message::LeaseDeclined(declined)) => Event::LeaseDeclined {
                worker: worker.clone(),
                incarnation: incarnation.clone(),
                session: SessionId::new(declined.session_id),
                token: FencingToken::new(declined.token),
                plan: declined.plan.map(convert::known_plan),
            },
            Some(Message::Register(_)) | None => continue,
        };
        if !leader.event(event).await {
            return;
        }
    }
}
