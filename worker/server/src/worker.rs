//! The worker: starts, attaches, comes back, stops.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::middleware::from_fn;
use orb_jellyfin::SourcePolicy;
use orb_operation::Metrics;
use orb_proto::v1;
use orb_scheduler_client::{LeaderChannel, Reconnect, Route};
use orb_tls::{Listener, MutualTls, Peer, Protocol, demand_certificate};
use orb_worker_media::Media;
use orb_worker_outputs::voice::VoiceDriver;
use orb_worker_outputs::watch::{WatchRegistry, router};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tonic::metadata::{Ascii, MetadataValue};
use uuid::Uuid;

use crate::actor::Shared;
use crate::attachment::Attachment;
use crate::changed::Changed;
use crate::metrics::{Counters, Gauges};
use crate::presence::Presence;
use crate::room::Room;
use crate::sessions::Sessions;
use crate::{Drain, Error};

/// Until the scheduler has said its own value: the default of `Timing::self_stop_after`.
const SELF_STOP_AFTER: Duration = Duration::from_secs(90);

/// So long a leader is waited for before it is looked whether the worker has to stop by itself.
const LOOK_FOR_LEADER: Duration = Duration::from_secs(1);

/// Between two looks at what the sessions have sent. A pause or a seek between two is seen by its generation.
const COUNT_EVERY: Duration = Duration::from_secs(1);

/// A stream this short counts as a failure to attach.
const SHORT_LIVED: Duration = Duration::from_secs(1);

/// What a worker needs to know.
pub struct WorkerConfig {
    /// Its name, kept over restarts.
    pub id: String,
    /// This life of it.
    pub incarnation: Uuid,
    /// In thousandths of a core.
    pub capacity_millicores: u32,
    /// Where gateways fetch the watch output; port 0 takes a free one.
    pub media_addr: SocketAddr,
    /// How gateways reach it, where that is not `media_addr`.
    pub media_url: Option<String>,
    /// Which sources may be opened.
    pub sources: SourcePolicy,
    /// Whether it may send pictures into voice channels: its operator has turned that on, and `voice` can.
    pub go_live: bool,
    /// What such a picture is sent with at most.
    pub most_picture_bits_per_second: u64,
    /// How it comes back after its stream was cut.
    pub reconnect: Reconnect,
    /// With it, gateways have to show a certificate where they fetch the watch output.
    pub tls: Option<MutualTls>,
    /// What this process counts; the worker adds its own, and shows all of it beside the watch output.
    pub metrics: Metrics,
}

/// A worker process, ready to attach.
pub struct Worker {
    config: WorkerConfig,
    incarnation: String,
    media_url: String,
    media_token: SecretString,
    listener: Listener,
    shared: Arc<Shared>,
    sessions: Arc<Sessions>,
}

impl Worker {
    /// Takes the port for the watch output, which `/healthz`, `/readyz` and `/metrics` share. All sessions connect to
    /// voice through `voice`.
    pub fn start(
        config: WorkerConfig,
        media: Arc<Media>,
        voice: VoiceDriver,
    ) -> Result<Self, Error> {
        let addr = config.media_addr;
        let listen = |source| Error::Listen { addr, source };
        let listener = Listener::bind(addr, config.tls.clone(), Protocol::Http).map_err(listen)?;
        let bound = listener.local_addr();
        let scheme = if config.tls.is_some() {
            "https"
        } else {
            "http"
        };
        let media_url = config
            .media_url
            .clone()
            .unwrap_or_else(|| format!("{scheme}://{bound}"));
        let shared = Arc::new(Shared {
            media,
            voice,
            sources: config.sources.clone(),
            registry: Arc::default(),
            changed: Changed::default(),
            gates: Arc::default(),
            counters: Counters::registered_in(&config.metrics),
            room: Room::of(config.capacity_millicores),
            most_picture_bits_per_second: config.most_picture_bits_per_second,
        });
        let sessions = Arc::new(Sessions::new(Arc::clone(&shared)));
        tracing::info!(addr = %bound, "media listens");
        let incarnation = config.incarnation.to_string();
        Ok(Self {
            config,
            incarnation,
            media_url,
            media_token: SecretString::from(Uuid::new_v4().simple().to_string()),
            listener,
            shared,
            sessions,
        })
    }

    /// Where gateways fetch the watch output.
    pub fn media_url(&self) -> &str {
        &self.media_url
    }

    /// Attached to whoever leads until cancelled, or until it was drained; then all sessions end here.
    pub async fn run(
        self,
        leader: impl Into<LeaderChannel>,
        token: &SecretString,
        drain: Drain,
        cancel: CancellationToken,
    ) {
        let registry: Arc<WatchRegistry> = Arc::clone(&self.shared.registry);
        let presence = Presence::of(drain.clone());
        Gauges::register(&self.sessions, presence.clone(), &self.config.metrics);
        let ready = presence.clone();
        let operation = orb_operation::router(move || ready.ready(), self.config.metrics.clone());
        let router = router(registry, self.media_token.clone())
            .merge(operation)
            .layer(from_fn(demand_certificate));
        let service = router.into_make_service_with_connect_info::<Peer>();
        let serving = axum::serve(self.listener, service)
            .with_graceful_shutdown(cancel.clone().cancelled_owned())
            .into_future();
        let bearer = bearer(token);
        let attaching = attach_again(
            &self.config,
            &self.incarnation,
            (&self.media_url, &self.media_token),
            (&self.sessions, &self.shared),
            (&drain, &presence),
            leader.into(),
            bearer,
        );
        tokio::select! {
            () = cancel.cancelled() => {}
            () = drain.done.cancelled() => tracing::info!("nothing is left here"),
            () = attaching => {}
            () = count(&self.sessions) => {}
            served = serving => if let Err(error) = served {
                tracing::error!(%error, "the watch output's server ended");
            }
        }
        self.sessions.clear();
    }
}

/// Takes the counters of the sessions, so that what nobody scrapes is not lost.
async fn count(sessions: &Sessions) {
    loop {
        tokio::time::sleep(COUNT_EVERY).await;
        sessions.readings();
    }
}

/// A token that is no header value cannot be a valid one: the scheduler refuses the empty one.
fn bearer(token: &SecretString) -> MetadataValue<Ascii> {
    let mut bearer: MetadataValue<Ascii> = format!("Bearer {}", token.expose_secret())
        .parse()
        .unwrap_or_else(|_| MetadataValue::from_static("Bearer"));
    bearer.set_sensitive(true);
    bearer
}

async fn attach_again(
    config: &WorkerConfig,
    incarnation: &str,
    (media_url, media_token): (&str, &SecretString),
    (sessions, shared): (&Sessions, &Shared),
    (drain, presence): (&Drain, &Presence),
    leader: LeaderChannel,
    bearer: MetadataValue<Ascii>,
) {
    let mut failures = 0;
    let mut last_route: Option<Route> = None;
    let mut last_attached = Instant::now();
    let mut self_stop_after = SELF_STOP_AFTER;
    loop {
        let wait = config.reconnect.wait(failures, &mut rand::rng());
        if replaced(last_route.as_ref(), wait).await {
            // The one that was not there is not waited for any longer; but not all workers come at once.
            failures = 0;
            let wait = config.reconnect.after_announcement(&mut rand::rng());
            tokio::time::sleep(wait).await;
        }
        if last_attached.elapsed() > self_stop_after && !sessions.is_empty() {
            tracing::error!("no scheduler for too long; stopping all sessions");
            sessions.clear();
        }
        let Ok(route) = tokio::time::timeout(LOOK_FOR_LEADER, leader.route()).await else {
            continue;
        };
        let route = last_route.insert(route);
        let register = v1::Register {
            worker_id: config.id.clone(),
            incarnation: incarnation.to_owned(),
            capacity: Some(sessions.capacity()),
            media_url: media_url.to_owned(),
            media_token: media_token.expose_secret().to_owned(),
            sessions: sessions.reports(None),
            draining: drain.asked.is_cancelled(),
            go_live: config.go_live,
        };
        let attached = tokio::select! {
            attached = Attachment::open(route.channel(), bearer.clone(), register) => attached,
            // A leader that stands still answers nothing.
            () = route.replaced() => Err(Status::unavailable("another scheduler leads by now")),
        };
        let status = match attached {
            Ok(attachment) => {
                tracing::info!(worker = %config.id, "attached");
                let _attached = presence.attached();
                self_stop_after = attachment.times.self_stop_after;
                let since = Instant::now();
                let status = tokio::select! {
                    status = attachment.run(sessions, shared, drain) => status,
                    () = route.replaced() => Status::unavailable("another scheduler leads by now"),
                };
                last_attached = Instant::now();
                // A stream that ends as soon as it is open was turned away: no reason to hurry.
                failures = u32::from(since.elapsed() < SHORT_LIVED);
                status
            }
            Err(status) => {
                failures += 1;
                status
            }
        };
        leader.learn(&status);
        tracing::warn!(
            worker = %config.id, code = ?status.code(), message = status.message(), failures,
            "not attached; trying again"
        );
    }
}

/// Waits; true when another scheduler was elected meanwhile.
async fn replaced(route: Option<&Route>, wait: Duration) -> bool {
    let Some(route) = route else {
        tokio::time::sleep(wait).await;
        return false;
    };
    tokio::time::timeout(wait, route.replaced()).await.is_ok()
}
