//! The gRPC server: all services, health, reflection, bearer tokens.

use std::sync::Arc;
use std::time::Duration;

use orb_jellyfin::SourcePolicy;
use orb_proto::v1;
use orb_proto::v1::admin_service_server::AdminServiceServer;
use orb_proto::v1::gateway_service_server::GatewayServiceServer;
use orb_proto::v1::party_service_server::PartyServiceServer;
use orb_proto::v1::session_service_server::SessionServiceServer;
use orb_proto::v1::worker_service_server::WorkerServiceServer;
use orb_scheduler_core::AtQueueEnd;
use orb_tls::KeepAlive;
use secrecy::SecretString;
use tokio_stream::Stream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tonic::transport::Server;
use tonic::transport::server::Connected;

use crate::admin_service::Admin;
use crate::attach::{Attach, WorkerTiming};
use crate::auth::BearerCheck;
use crate::gateway_service::Gateways;
use crate::party_service::Parties;
use crate::session_service::Sessions;
use crate::{Error, Standing, health, spans};

/// What the server needs to know.
pub struct ServerConfig {
    /// Callers of `SessionService` and `PartyService` must bear one of these.
    pub api_tokens: Vec<SecretString>,
    /// Gateways and workers must bear one of these; they are good for those services, too.
    pub internal_tokens: Vec<SecretString>,
    /// Which sources may be played.
    pub sources: SourcePolicy,
    /// What happens at the end of a queue, of parties that do not say.
    pub at_queue_end: AtQueueEnd,
    /// Told to workers.
    pub heartbeat_playing: Duration,
    /// Told to workers.
    pub heartbeat_idle: Duration,
    /// Told to workers.
    pub self_stop_after: Duration,
    /// Told to workers: below [`reset_grace_ms`](orb_scheduler_core::SchedulerTiming::reset_grace_ms), for which a
    /// confirmed lease is granted to nobody else.
    pub dial_permit: Duration,
    /// How often a watcher hears of a session that plays.
    pub watch_interval: Duration,
    /// Of all connections.
    pub keep_alive: KeepAlive,
}

/// The scheduler's gRPC face; cloned for each listener.
#[derive(Clone)]
pub struct SchedulerServer {
    standing: Standing,
    config: Arc<ServerConfig>,
}

impl SchedulerServer {
    /// A server that takes calls while `standing` says that this process leads.
    pub fn new(standing: Standing, config: ServerConfig) -> Self {
        Self {
            standing,
            config: Arc::new(config),
        }
    }

    /// Serves connections until cancelled. Open streams end with it.
    pub async fn serve<I, C, E>(self, incoming: I, cancel: CancellationToken) -> Result<(), Error>
    where
        I: Stream<Item = Result<C, E>>,
        C: tokio::io::AsyncRead + tokio::io::AsyncWrite + Connected + Unpin + Send + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (reporter, health) = tonic_health::server::health_reporter();
        let telling = health::tell(self.standing.clone(), reporter);
        let _told = AbortOnDropHandle::new(tokio::spawn(telling));
        let descriptors = || {
            tonic_reflection::server::Builder::configure()
                .register_encoded_file_descriptor_set(v1::FILE_DESCRIPTOR_SET)
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        };
        let internal = BearerCheck::new(&self.config.internal_tokens);
        let any: Vec<SecretString> =
            [&*self.config.api_tokens, &*self.config.internal_tokens].concat();
        let api = BearerCheck::new(&any);
        let gateways = Gateways {
            standing: self.standing.clone(),
        };
        let admin = Admin {
            standing: self.standing.clone(),
        };
        let sources = Arc::new(self.config.sources.clone());
        let parties = Parties {
            standing: self.standing.clone(),
            sources: Arc::clone(&sources),
            cancel: cancel.clone(),
        };
        let sessions = Sessions {
            standing: self.standing.clone(),
            sources,
            at_queue_end: self.config.at_queue_end,
            watch_interval: self.config.watch_interval,
            cancel: cancel.clone(),
        };
        let attach = Attach {
            standing: self.standing.clone(),
            timing: WorkerTiming {
                heartbeat_playing: self.config.heartbeat_playing,
                heartbeat_idle: self.config.heartbeat_idle,
                self_stop_after: self.config.self_stop_after,
                dial_permit: self.config.dial_permit,
            },
            cancel: cancel.clone(),
        };
        // Whose connections these are was checked before: they come from an `orb_tls::Listener`, or from this process.
        let server = self.config.keep_alive.of_server(Server::builder());
        server
            .trace_fn(spans::rpc)
            .add_service(health)
            .add_service(descriptors().build_v1()?)
            // What most clients of today still ask for.
            .add_service(descriptors().build_v1alpha()?)
            .add_service(SessionServiceServer::with_interceptor(
                sessions,
                api.clone(),
            ))
            .add_service(PartyServiceServer::with_interceptor(parties, api))
            .add_service(AdminServiceServer::with_interceptor(
                admin,
                internal.clone(),
            ))
            .add_service(GatewayServiceServer::with_interceptor(
                gateways,
                internal.clone(),
            ))
            .add_service(WorkerServiceServer::with_interceptor(attach, internal))
            .serve_with_incoming_shutdown(incoming, cancel.cancelled_owned())
            .await?;
        Ok(())
    }
}
