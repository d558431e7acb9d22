//! `SessionService`: calls and readers.

use std::sync::Arc;
use std::time::Duration;

use orb_jellyfin::SourcePolicy;
use orb_proto::v1;
use orb_proto::v1::control_request::Action as AskedAction;
use orb_proto::v1::session_service_server::SessionService;
use orb_scheduler_core::{
    Action, AtQueueEnd, PlaybackState, Request as Wanted, SessionId, SessionView,
};
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use crate::calls::{self, Asked, call, request_hash};
use crate::convert::picture::go_live;
use crate::convert::queue::{at_queue_end, entry_id};
use crate::{LeaderHandle, Standing, refusals, source_check, spans};

/// A watcher that does not read sees fewer states, never more memory.
const WATCH_QUEUE: usize = 4;

pub(crate) struct Sessions {
    pub(crate) standing: Standing,
    pub(crate) sources: Arc<SourcePolicy>,
    /// Of parties that do not say.
    pub(crate) at_queue_end: AtQueueEnd,
    /// How often a watcher of a playing session hears of it even if nothing changed.
    pub(crate) watch_interval: Duration,
    pub(crate) cancel: CancellationToken,
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
        let command_id = std::mem::take(&mut request.command_id);
        let actor = std::mem::take(&mut request.actor);
        let request_hash = request_hash("create", &request, &[]);
        let asked = Asked {
            command_id,
            actor,
            request_hash,
            wanted: Wanted::Create {
                at_queue_end: at_queue_end(request.at_queue_end(), self.at_queue_end),
                go_live: go_live(request.go_live()),
                guild_id: request.guild_id,
                voice_channel_id: request.voice_channel_id,
                text_channel_id: request.text_channel_id,
                worker_session_id: Uuid::new_v4().to_string(),
                title: request.title,
                owner_user_id: request.owner_user_id,
            },
            session_id: request.session_id,
            trace,
        };
        let (session, answer) = call(&self.standing, asked).await?;
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
        let command_id = std::mem::take(&mut request.command_id);
        let actor = std::mem::take(&mut request.actor);
        let request_hash = request_hash("play", &request, &request.fingerprint);
        let item = request.item.ok_or_else(|| refusals::missing("item"))?;
        let item =
            source_check::item(&self.sources, "item", item).map_err(|r| refusals::status(&r))?;
        let asked = Asked {
            session_id: request.session_id,
            command_id,
            actor,
            request_hash,
            wanted: Wanted::Play(Box::new(item)),
            trace,
        };
        let (session, answer) = call(&self.standing, asked).await?;
        Ok(Response::new(v1::PlayResponse {
            session: Some(session),
            settled: answer.settled,
        }))
    }

    async fn control(
        &self,
        request: Request<v1::ControlRequest>,
    ) -> Result<Response<v1::ControlResponse>, Status> {
        let trace = spans::origin(request.metadata());
        let mut request = request.into_inner();
        let command_id = std::mem::take(&mut request.command_id);
        let actor = std::mem::take(&mut request.actor);
        let request_hash = request_hash("control", &request, &[]);
        let action = request.action.ok_or_else(|| refusals::missing("action"))?;
        let asked = Asked {
            session_id: request.session_id,
            command_id,
            actor,
            request_hash,
            wanted: Wanted::Control(action_of(&action)),
            trace,
        };
        let (session, answer) = call(&self.standing, asked).await?;
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
            None => leader.rows.view(&id).await?,
        };
        Ok(Response::new(v1::GetResponse {
            session: Some(calls::message(&leader, &view)),
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
            .map(|view| calls::message(&leader, view))
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
            None => watch::channel(leader.rows.view(&id).await?).1,
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

fn action_of(asked: &AskedAction) -> Action {
    match asked {
        AskedAction::Pause(_) => Action::Pause,
        AskedAction::Resume(_) => Action::Resume,
        AskedAction::Seek(seek) => Action::Seek {
            position_ms: seek.position_ms,
        },
        AskedAction::SeekBy(seek) => Action::SeekBy {
            delta_ms: seek.delta_ms,
        },
        AskedAction::Skip(skip) => Action::Skip {
            entry: entry_id(skip.entry_id),
        },
        AskedAction::Previous(previous) => Action::Previous {
            entry: entry_id(previous.entry_id),
        },
        AskedAction::Start(start) => Action::Start {
            entry: entry_id(start.entry_id),
        },
        AskedAction::Stop(_) => Action::Stop,
        AskedAction::End(_) => Action::End,
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
                calls::message(leader, &view),
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
