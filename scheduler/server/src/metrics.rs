//! What a scheduler counts. Gauges are of the leader, looked at while a scrape is answered: a standby has none, and
//! says only that it does not lead.

use std::sync::{Arc, Mutex, PoisonError};

use orb_operation::{Metrics, gauge, gauges};
use orb_scheduler_core::{GrantCause, PlaybackState, Pool, Refusal};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

use crate::Standing;

/// Counters of this process, over all its terms.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counters {
    grants: Family<Cause, Counter>,
    refusals: Family<Code, Counter>,
    reports: Family<Outcome, Counter>,
    pool: Arc<Mutex<Pool>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Cause {
    cause: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Code {
    code: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

impl Counters {
    /// What came of a report to Jellyfin.
    pub(crate) fn reported(&self, is_told: bool) {
        let outcome = if is_told { "told" } else { "failed" };
        self.reports.get_or_create(&Outcome { outcome }).inc();
    }

    pub(crate) fn granted(&self, cause: GrantCause) {
        let cause = match cause {
            GrantCause::Placed => "placed",
            GrantCause::HandedOver => "handed_over",
            GrantCause::TakenOver { .. } => "taken_over",
        };
        self.grants.get_or_create(&Cause { cause }).inc();
    }

    pub(crate) fn refused(&self, refusal: &Refusal) {
        let code = refusal.code.clone();
        self.refusals.get_or_create(&Code { code }).inc();
    }

    pub(crate) fn pool_is(&self, pool: Pool) {
        *self.pool.lock().unwrap_or_else(PoisonError::into_inner) = pool;
    }

    fn pool(&self) -> Pool {
        *self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is looked at.
#[derive(Debug)]
struct Gauges(Standing);

impl Standing {
    /// Shows what this scheduler counts.
    pub fn register(&self, metrics: &Metrics) {
        let counters = self.counters();
        metrics.register(|registry| {
            let registry = registry.sub_registry_with_prefix("scheduler");
            let help = "Leases granted, by why the session needed a worker";
            registry.register("leases_granted", help, counters.grants.clone());
            let help = "Calls refused, by the refusal's code";
            registry.register("calls_refused", help, counters.refusals.clone());
            let help = "Reports of what plays, by whether Jellyfin took them";
            registry.register("jellyfin_reports", help, counters.reports.clone());
            registry.register_collector(Box::new(Gauges(self.clone())));
        });
    }
}

impl Collector for Gauges {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> std::fmt::Result {
        let encoder = &mut encoder;
        let leader = self.0.leader().ok();
        let leading = i64::from(leader.is_some());
        gauge(encoder, "leading", "1 in the process that leads", leading)?;
        let Some(leader) = leader else {
            return Ok(());
        };
        let epoch = leader.epoch.get() as i64;
        gauge(
            encoder,
            "leader_epoch",
            "The epoch that this leader writes under",
            epoch,
        )?;
        let sessions = leader.views.count_by(|view| view.playback);
        let states = [
            PlaybackState::Idle,
            PlaybackState::Loading,
            PlaybackState::Playing,
            PlaybackState::Paused,
            PlaybackState::Ended,
            PlaybackState::Stopped,
        ]
        .map(|state| {
            let count = sessions.get(&state).copied().unwrap_or_default();
            ([("state", state.as_str())], count as i64)
        });
        gauges(
            encoder,
            "sessions",
            "Sessions in memory, by what their callers see",
            states,
        )?;
        let mut queued = 0;
        leader.views.each(|view| queued += view.queued);
        let help = "Entries that wait in the queues of sessions in memory";
        gauge(encoder, "queued_entries", help, queued as i64)?;
        let pool = self.0.counters().pool();
        let workers = [
            ("alive", pool.alive),
            ("draining", pool.draining),
            ("unknown", pool.unknown),
            ("suspect", pool.suspect),
        ]
        .map(|(state, count)| ([("state", state)], count as i64));
        gauges(
            encoder,
            "workers",
            "Workers, by what this leader knows of them",
            workers,
        )
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use orb_coordinator::LeaderWatch;

    use super::*;

    #[test]
    fn causes_are_counted_and_a_standby_shows_no_sessions() {
        let standing = Standing::new(LeaderWatch::fixed("http://elsewhere"), "http://here");
        let metrics = Metrics::default();
        standing.register(&metrics);
        let counters = standing.counters();
        counters.granted(GrantCause::TakenOver { unheard_ms: None });
        counters.granted(GrantCause::TakenOver {
            unheard_ms: Some(7),
        });
        counters.refused(&Refusal::invalid("x", "missing_field", "is required"));
        counters.reported(false);
        let text = metrics.text().unwrap();
        for line in [
            r#"orb_scheduler_leases_granted_total{cause="taken_over"} 2"#,
            r#"orb_scheduler_calls_refused_total{code="missing_field"} 1"#,
            r#"orb_scheduler_jellyfin_reports_total{outcome="failed"} 1"#,
            "orb_scheduler_leading 0",
        ] {
            assert!(text.lines().any(|one| one == line), "{line} in:\n{text}");
        }
        assert!(!text.contains("orb_scheduler_sessions"), "{text}");
    }
}
