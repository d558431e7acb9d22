//! What a worker counts. All of it is of the worker as a whole: sessions come and go.

use std::sync::{Arc, Weak};

use orb_operation::{Metrics, gauge, gauges};
use orb_worker_core::Playback;
use orb_worker_outputs::voice::{Counts, PictureCounts};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

use crate::presence::Presence;
use crate::sessions::Sessions;

/// Counters, which never fall, whatever ends.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counters {
    frames: Family<FrameOutcome, Counter>,
    late: Counter,
    restarts: Counter,
    fallbacks: Counter,
    failures: Family<FailureCode, Counter>,
    next_items: Family<NextOutcome, Counter>,
    pictures: Family<FrameOutcome, Counter>,
    pictures_late: Counter,
    key_frame_requests: Counter,
    rungs: Family<NextOutcome, Counter>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FrameOutcome {
    outcome: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FailureCode {
    code: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
struct NextOutcome {
    outcome: &'static str,
}

impl Counters {
    pub(crate) fn registered_in(metrics: &Metrics) -> Self {
        let own = Self::default();
        metrics.register(|registry| {
            let registry = registry.sub_registry_with_prefix("worker");
            let help = "Frames of 20 ms that were due: sent, or nulled because there was none";
            registry.register("frames", help, own.frames.clone());
            let help = "Frames sent more than 20 ms after their time";
            registry.register("frames_late", help, own.late.clone());
            let help = "Times ffmpeg was started again for a source that it had begun";
            registry.register("ffmpeg_restarts", help, own.restarts.clone());
            let help = "Times the first source of a title was given up for the second";
            registry.register("source_fallbacks", help, own.fallbacks.clone());
            let help = "Titles of which no source played on, by the code of the failure";
            registry.register("source_failures", help, own.failures.clone());
            let help =
                "Titles opened ahead: joined without a gap, fed late or by a word, or dropped";
            registry.register("next_items", help, own.next_items.clone());
            let help = "Pictures for voice channels: sent, or left out because the line does not bear them";
            registry.register("pictures", help, own.pictures.clone());
            let help = "Pictures sent more than 20 ms after their time";
            registry.register("pictures_late", help, own.pictures_late.clone());
            let help = "Key frames that viewers' clients asked for";
            registry.register("key_frame_requests", help, own.key_frame_requests.clone());
            let help = "Encoders for a line that bears more or less: changed, failed, or refused for lack of room";
            registry.register("rungs", help, own.rungs.clone());
        });
        own
    }

    pub(crate) fn restarted(&self) {
        self.restarts.inc();
    }

    pub(crate) fn fell_back(&self) {
        self.fallbacks.inc();
    }

    pub(crate) fn failed(&self, code: &'static str) {
        self.failures.get_or_create(&FailureCode { code }).inc();
    }

    /// What became of a title that was opened ahead: `joined`, `fed` or `dropped`.
    pub(crate) fn next_item(&self, outcome: &'static str) {
        self.next_items
            .get_or_create(&NextOutcome { outcome })
            .inc();
    }

    /// What became of an encoder that a line asked for: `changed`, `failed` or `refused`.
    pub(crate) fn rung(&self, outcome: &'static str) {
        self.rungs.get_or_create(&NextOutcome { outcome }).inc();
    }

    /// As [`Counters::frames`].
    pub(crate) fn pictures(&self, seen: &mut PictureCounts, now: PictureCounts) {
        let add = |outcome, count| {
            // A worker that sends no pictures has no such series.
            if count > 0 {
                let outcome = FrameOutcome { outcome };
                self.pictures.get_or_create(&outcome).inc_by(count);
            }
        };
        add("sent", now.sent.saturating_sub(seen.sent));
        add("left_out", now.left_out.saturating_sub(seen.left_out));
        let late = now.late.saturating_sub(seen.late);
        self.pictures_late.inc_by(late);
        let asked = now
            .key_frame_requests
            .saturating_sub(seen.key_frame_requests);
        self.key_frame_requests.inc_by(asked);
        *seen = now;
    }

    /// Adds what came to a session's totals since they were last seen.
    pub(crate) fn frames(&self, seen: &mut Counts, now: Counts) {
        let add = |outcome, count| {
            let outcome = FrameOutcome { outcome };
            self.frames.get_or_create(&outcome).inc_by(count);
        };
        add("sent", now.sent.saturating_sub(seen.sent));
        add("nulled", now.nulled.saturating_sub(seen.nulled));
        self.late.inc_by(now.late.saturating_sub(seen.late));
        *seen = now;
    }
}

/// One session as a scrape sees it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading {
    pub(crate) playback: Playback,
    pub(crate) lateness_p50_ms: u32,
    pub(crate) lateness_p99_ms: u32,
    pub(crate) missing: u64,
}

/// What is looked at while a scrape is answered.
#[derive(Debug)]
pub(crate) struct Gauges {
    sessions: Weak<Sessions>,
    presence: Presence,
}

impl Gauges {
    /// For as long as the sessions are there.
    pub(crate) fn register(sessions: &Arc<Sessions>, presence: Presence, metrics: &Metrics) {
        let sessions = Arc::downgrade(sessions);
        metrics.register(|registry| {
            registry
                .sub_registry_with_prefix("worker")
                .register_collector(Box::new(Self { sessions, presence }));
        });
    }
}

impl Collector for Gauges {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> std::fmt::Result {
        let Some(sessions) = self.sessions.upgrade() else {
            return Ok(());
        };
        let encoder = &mut encoder;
        let readings = sessions.readings();
        let states = ["idle", "loading", "playing", "paused", "ended"].map(|state| {
            let of_it = readings.iter().filter(|one| name(one.playback) == state);
            ([("state", state)], of_it.count() as i64)
        });
        gauges(
            encoder,
            "sessions",
            "Sessions leased to this worker, by what is heard of them",
            states,
        )?;
        let worst = |of: fn(&Reading) -> u32| {
            let heard = readings
                .iter()
                .filter(|one| one.playback == Playback::Playing);
            f64::from(heard.map(of).max().unwrap_or_default()) / 1000.0
        };
        let lateness = [
            ([("quantile", "0.5")], worst(|one| one.lateness_p50_ms)),
            ([("quantile", "0.99")], worst(|one| one.lateness_p99_ms)),
        ];
        let help = "Seconds by which frames were late, of the session where that is worst; 0.1 stands for that and more";
        gauges(encoder, "lateness_seconds", help, lateness)?;
        let missing: u64 = readings.iter().map(|one| one.missing).sum();
        let help = "Frames due in the last minute at most that were neither sent nor nulled, over all sessions";
        gauge(encoder, "frame_deficit", help, missing as i64)?;
        let capacity = sessions.capacity();
        let capacity = [
            ([("of", "total")], i64::from(capacity.total_millicores)),
            ([("of", "free")], i64::from(capacity.free_millicores)),
        ];
        gauges(
            encoder,
            "capacity_millicores",
            "Thousandths of a core that sessions may use",
            capacity,
        )?;
        let attached = i64::from(self.presence.is_attached());
        gauge(
            encoder,
            "attached",
            "1 while it is attached to a leader",
            attached,
        )?;
        let draining = i64::from(self.presence.is_draining());
        gauge(
            encoder,
            "draining",
            "1 from the moment that it was asked to go",
            draining,
        )
    }
}

fn name(playback: Playback) -> &'static str {
    match playback {
        Playback::Idle => "idle",
        Playback::Loading => "loading",
        Playback::Playing => "playing",
        Playback::Paused => "paused",
        Playback::Ended(_) => "ended",
    }
}
