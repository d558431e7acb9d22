//! Before a source plays: it is opened, looked at, and decided on.

use tokio::time::timeout;

use orb_jellyfin::SourceUrl;

use super::{Opened, Supervisor};
use crate::child::{Limits, Spawn};
use crate::command;
use crate::known::{Known, Source};
use crate::pipeline::PipelineEvent as Event;
use crate::plan::Abilities;
use crate::probe::Probe;
use crate::proxy::{Patience, Route, RouteGuard};
use crate::{Failure, Plan, code, timing};

impl Supervisor {
    /// Probes, unless that was done minutes ago, here or by the worker that played it before, and plans.
    pub(super) async fn open(
        &mut self,
        (which, source): (Source, &SourceUrl),
        patience: Patience,
    ) -> Result<Opened, Failure> {
        let cached = self.shared.cached_probe(source);
        let route = Route::new(source.clone(), patience, cached.is_some());
        let route = self.shared.proxy.add(route);
        let told = self.spec.known.as_deref();
        let told = told.and_then(|known| Known::probe_of(which, known));
        let is_told = cached.is_none() && told.is_some();
        let probe = if let Some(probe) = cached.or(told) {
            probe
        } else {
            let probe = self.probe(&route).await?;
            self.shared.keep_probe(source, probe.clone());
            probe
        };
        let opened = Opened {
            route,
            plan: Plan::new(&probe, self.abilities()),
            duration_ms: probe.duration_ms.or(self.spec.duration_ms),
            probe,
            is_told,
            source: which,
            copied_before: false,
        };
        self.planned(&opened).await;
        Ok(opened)
    }

    async fn probe(&self, route: &RouteGuard) -> Result<Probe, Failure> {
        let spawn = Spawn {
            program: self.shared.ffprobe.clone(),
            args: command::ffprobe(route.url()),
            dir: None,
            limits: Limits {
                niceness: 0,
                ..self.shared.limits
            },
        };
        let ask = async {
            let process = self.shared.spawner.spawn(spawn).await?;
            process.output(self.spec.session.clone()).await
        };
        let answer = tokio::select! {
            biased;
            // Known before ffprobe has printed it.
            failure = route.route().failed() => return Err(failure),
            answer = timeout(timing::PROBE, ask) => answer,
        };
        let (json, tail, status) = match answer {
            Err(_) => {
                let message = "the source is too slow to be understood";
                return Err(Failure::new(code::SOURCE_UNREACHABLE, message));
            }
            Ok(Err(error)) => {
                let message = format!("ffprobe cannot be started: {}", error.kind());
                return Err(Failure::new(code::FFMPEG_NOT_STARTED, message));
            }
            Ok(Ok(answer)) => answer,
        };
        if status.is_some_and(|status| status.success()) {
            return Probe::parse(&json);
        }
        Err(route
            .route()
            .failure()
            .or(tail.reason())
            .unwrap_or_else(|| {
                Failure::new(
                    code::SOURCE_UNDECODABLE,
                    "the source is not a film that ffmpeg can decode",
                )
            }))
    }

    pub(super) fn abilities(&self) -> Abilities {
        Abilities {
            tone_map: self.shared.tone_map,
            watched: self.spec.watch.is_some(),
            live: self.spec.picture,
        }
    }

    pub(super) async fn planned(&mut self, opened: &Opened) {
        let plan = opened.plan.clone();
        self.tell(Event::Planned {
            cost_millicores: plan.cost_millicores,
            duration_ms: opened.duration_ms,
            plan,
            known: Known::text(opened.source, &opened.probe),
        })
        .await;
    }
}
