//! `SessionService`: calls and readers.

use std::sync::Arc;
use std::time::Duration;

use orb_jellyfin::SourcePolicy;
use orb_proto::v1;
use orb_proto::v1::session_service_server::SessionService;
use orb_scheduler_core::{
    Action, Answer, Call, CommandId, PlaybackState, Refusal, Request as Wanted, SessionId,
    SessionView, TraceParent,
};
use prost::Message;
use sha2::{Digest, Sha256};
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use crate::handle::CallError;
use crate::{LeaderHandle, Standing, convert, refusals, source_check, spans};

/// A watcher that does not read sees fewer states, never more memory.
const WATCH_QUEUE: usize = 4;

/// Longer ids are somebody's mistake, and would be stored for a day.
const MAX_COMMAND_ID: usize = 256;

pub(crate) struct Sessions {
    pub(crate) standing: Standing,
    pub(crate) sources: Arc<SourcePolicy>,
    /// How often a watcher of a playing session hears of it even if nothing changed.
    pub(crate) watch_interval: Duration,
    pub(crate) cancel: CancellationToken,
}

impl Sessions {
    async fn call(
        &self,
        session_id: String,
        command_id: String,
        request_hash: [u8; 32],
        request: Wanted,
        trace: Option<TraceParent>,
    ) -> Result<(v1::Session, Answer), Status> {
        if session_id.is_empty() {
            return Err(refusals::missing("session_id"));
        }
        if command_id.len() > MAX_COMMAND_ID {
            let refusal = Refusal::invalid(
                "command_id",
                "invalid_id",
                "must not be longer than 256 bytes",
            );
            return Err(refusals::status(&refusal));
        }
        let command = if command_id.is_empty() {
            Uuid::new_v4().to_string()
        } else {
            command_id
        };
        let leader = self.standing.leader()?;
        let call = Call {
            id: leader.call_id(),
            command: CommandId(command),
            request_hash,
            known: None,
            stored: None,
            session: SessionId::new(session_id),
            request,
            trace,
        };
        match leader.call(call).await {
            Ok(answer) => Ok((session_message(&leader, &answer.view), *answer)),
            Err(CallError::Refused(refusal)) => Err(refusals::status(&refusal)),
            Err(CallError::Unavailable) if leader.gone.is_cancelled() => {
                Err(self.standing.refusal())
            }
            Err(CallError::Unavailable) => Err(refusals::unavailable()),
        }
    }
}

fn session_message(leader: &LeaderHandle, view: &SessionView) -> v1::Session {
    convert::session(view, leader.clock.now())
}

/// Of the request without its command id, and of what kind it is.
fn request_hash(kind: &str, request: &impl Message) -> [u8; 32] {
    let mut hash = Sha256::new_with_prefix(kind);
    hash.update(request.encode_to_vec());
    hash.finalize().into()
}

#[tonic::async_trait]
impl SessionService for Sessions {
    type WatchStream = ReceiverStream<Result<v1::WatchResponse, Status>>;

    async fn create(
        &self,
        request: Request<v1::CreateRequest>,
    ) -> Result<Response<v1::CreateResponse>, Status> {
        let trace = spans::origin(request.metadata());
        let mut request = request.into_inner();
        let command = std::mem::take(&mut request.command_id);
        let hash = request_hash("create", &request);
        let wanted = Wanted::Create {
            guild_id: request.guild_id,
            voice_channel_id: request.voice_channel_id,
            text_channel_id: request.text_channel_id,
            worker_session_id: Uuid::new_v4().to_string(),
        };
        let (session, answer) = self
            .call(request.session_id, command, hash, wanted, trace)
            .await?;
        Ok(Response::new(v1::CreateResponse {
            session: Some(session),
            created: answer.created,
        }))
    }

    async fn play(
        &self,
        request: Request<v1::PlayRequest>,
    ) -> Result<Response<v1::PlayResponse>, Status> {
        let trace = spans::origin(request.metadata());
        let mut request = request.into_inner();
        let command = std::mem::take(&mut request.command_id);
        let hash = request_hash("play", &request);
        let item = request.item.ok_or_else(|| refusals::missing("item"))?;
        let item = source_check::item(&self.sources, item).map_err(|r| refusals::status(&r))?;
        let wanted = Wanted::Play(Box::new(item));
        let (session, answer) = self
            .call(request.session_id, command, hash, wanted, trace)
            .await?;
        Ok(Response::new(v1::PlayResponse {
            session: Some(session),
            settled: answer.settled,
        }))
    }

    async fn control(
        &self,
        request: Request<v1::ControlRequest>,
    ) -> Result<Response<v1::ControlResponse>, Status> {
        use v1::control_request::Action as Asked;
        let trace = spans::origin(request.metadata());
        let mut request = request.into_inner();
        let command = std::mem::take(&mut request.command_id);
        let hash = request_hash("control", &request);
        let action = match request.action.ok_or_else(|| refusals::missing("action"))? {
            Asked::Pause(_) => Action::Pause,
            Asked::Resume(_) => Action::Resume,
            Asked::Seek(seek) => Action::Seek {
                position_ms: seek.position_ms,
            },
            Asked::Skip(_) => Action::Skip,
            Asked::SeekBy(_) | Asked::Previous(_) | Asked::Start(_) | Asked::End(_) => {
                return Err(Status::unimplemented("not served yet"));
            }
            Asked::Stop(_) => Action::Stop,
        };
        let wanted = Wanted::Control(action);
        let (session, answer) = self
            .call(request.session_id, command, hash, wanted, trace)
            .await?;
        Ok(Response::new(v1::ControlResponse {
            session: Some(session),
            settled: answer.settled,
        }))
    }

    async fn get(
        &self,
        request: Request<v1::GetRequest>,
    ) -> Result<Response<v1::GetResponse>, Status> {
        let id = SessionId::new(request.into_inner().session_id);
        let leader = self.standing.leader()?;
        let view = match leader.views.get(&id) {
            Some(view) => view,
            None => leader.over.view(&id).await?,
        };
        Ok(Response::new(v1::GetResponse {
            session: Some(session_message(&leader, &view)),
        }))
    }

    async fn list(
        &self,
        _: Request<v1::ListRequest>,
    ) -> Result<Response<v1::ListResponse>, Status> {
        let leader = self.standing.leader()?;
        let sessions = leader
            .views
            .all()
            .iter()
            .map(|view| session_message(&leader, view))
            .collect();
        Ok(Response::new(v1::ListResponse { sessions }))
    }

    async fn watch(
        &self,
        request: Request<v1::WatchRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let id = SessionId::new(request.into_inner().session_id);
        let leader = self.standing.leader()?;
        let views = match leader.views.watch(&id) {
            Some(views) => views,
            // Nothing more will happen to it: the stream says how it ended, and ends.
            None => watch::channel(leader.over.view(&id).await?).1,
        };
        let (sender, stream) = mpsc::channel(WATCH_QUEUE);
        let (standing, interval, cancel) = (
            self.standing.clone(),
            self.watch_interval,
            self.cancel.clone(),
        );
        tokio::spawn(async move {
            tokio::select! {
                () = cancel.cancelled() => {}
                () = leader.gone.cancelled() => {
                    // A watcher that does not read finds the end of the stream.
                    let _ = sender.try_send(Err(standing.refusal()));
                }
                () = sender.closed() => {}
                () = follow(&leader, views, interval, &sender) => {}
            }
        });
        Ok(Response::new(ReceiverStream::new(stream)))
    }
}

/// The state now, at every change, and once an interval while it plays.
async fn follow(
    leader: &LeaderHandle,
    mut views: watch::Receiver<SessionView>,
    interval: Duration,
    sender: &mpsc::Sender<Result<v1::WatchResponse, Status>>,
) {
    loop {
        let (session, playing) = {
            let view = views.borrow_and_update();
            (
                session_message(leader, &view),
                view.playback == PlaybackState::Playing,
            )
        };
        if sender
            .send(Ok(v1::WatchResponse {
                session: Some(session),
            }))
            .await
            .is_err()
        {
            return;
        }
        tokio::select! {
            changed = views.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(interval), if playing => {}
        }
    }
}
