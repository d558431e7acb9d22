//! A session's queue, as any client of the scheduler's gRPC API speaks to it.

use std::net::SocketAddr;
use std::time::Duration;

use orb_proto::v1;
use orb_proto::v1::party_service_client::PartyServiceClient;
use orb_proto::v1::session_service_client::SessionServiceClient;
use tonic::Request;
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};

use crate::films::Title;
use crate::party::Party;
use crate::surroundings::{API_TOKEN, Surroundings};
use crate::waiting::until;

type Authorized = InterceptedService<Channel, Bearer>;

/// Puts the token into each call.
#[derive(Clone, Copy)]
struct Bearer;

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, tonic::Status> {
        let bearer = format!("Bearer {API_TOKEN}");
        let bearer = bearer.parse().expect("the token is a header value");
        request.metadata_mut().insert("authorization", bearer);
        Ok(request)
    }
}

/// The queue of one session.
pub struct Queue {
    session: String,
    sessions: SessionServiceClient<Authorized>,
    parties: PartyServiceClient<Authorized>,
}

impl Queue {
    /// Of this party, by way of the scheduler that listens there. It may go and come back.
    pub fn of(party: &Party, scheduler: SocketAddr) -> Self {
        let channel = Endpoint::from_shared(format!("http://{scheduler}"))
            .expect("an address makes a URL")
            .connect_lazy();
        Self {
            session: party.id().to_owned(),
            sessions: SessionServiceClient::with_interceptor(channel.clone(), Bearer),
            parties: PartyServiceClient::with_interceptor(channel, Bearer),
        }
    }

    /// Puts titles at its end, and gives their entries.
    pub async fn add(&mut self, surroundings: &Surroundings, titles: &[Title]) -> Vec<u64> {
        let items = titles.iter().map(|title| item(surroundings, *title));
        let add = v1::Add {
            items: items.collect(),
            next: false,
        };
        let request = v1::EditQueueRequest {
            session_id: self.session.clone(),
            edit: Some(v1::edit_queue_request::Edit::Add(add)),
            ..v1::EditQueueRequest::default()
        };
        let answer = self.parties.edit_queue(request).await;
        answer
            .expect("titles are added")
            .into_inner()
            .added_entry_ids
    }

    /// Plays its head, unless something plays.
    pub async fn start(&mut self) {
        self.control(v1::control_request::Action::Start(v1::Start {
            entry_id: 0,
        }))
        .await;
    }

    /// The next one plays, if this one still does.
    pub async fn skip(&mut self, entry_id: u64) {
        self.control(v1::control_request::Action::Skip(v1::Skip { entry_id }))
            .await;
    }

    async fn control(&mut self, action: v1::control_request::Action) {
        let request = v1::ControlRequest {
            session_id: self.session.clone(),
            action: Some(action),
            ..v1::ControlRequest::default()
        };
        self.sessions.control(request).await.expect("it is done");
    }

    /// What became of an entry; none while no scheduler answers.
    pub async fn status_of(&mut self, entry_id: u64) -> Option<v1::QueueStatus> {
        let session_id = self.session.clone();
        let queue = self.parties.get_queue(v1::GetQueueRequest { session_id });
        let queue = queue.await.ok()?.into_inner().queue?;
        let is_it = |entry: &&v1::QueueEntry| {
            entry
                .item
                .as_ref()
                .is_some_and(|item| item.entry_id == entry_id)
        };
        queue.entries.iter().find(is_it).map(v1::QueueEntry::status)
    }

    /// Waits until an entry has that status.
    pub async fn becomes(&mut self, entry_id: u64, status: v1::QueueStatus, within: Duration) {
        let what = format!("entry {entry_id} to be {status:?}");
        until(&what, within, async || {
            (self.status_of(entry_id).await == Some(status)).then_some(())
        })
        .await;
    }
}

fn item(surroundings: &Surroundings, title: Title) -> v1::Item {
    v1::Item {
        item_id: title.id().to_owned(),
        source_id: title.id().to_owned(),
        title: title.name().to_owned(),
        media_type: "movie".to_owned(),
        stream_url: surroundings.stream_url(title),
        download_url: surroundings.download_url(title),
        duration_ms: i64::from(title.seconds()) * 1000,
        ..v1::Item::default()
    }
}
