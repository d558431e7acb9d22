//! Every time-out of the protocol between leader, workers and Discord, in one place.
//!
//! They lean on each other: a worker must notice an outage later than it must survive one, a new
//! leader must wait longer than the slowest worker takes to come back. [`Timing::check`] holds
//! these relations and runs whenever a configuration is loaded. Operators leave them alone; tests
//! shorten them under `[timing]` or by `ORB_TIMING__<KEY>` (`250ms`, `2s`, `5m`, `24h`).

use std::time::Duration;

use serde::Deserialize;

use crate::{Problem, parse};

/// Declares each time-out once: its doc, its key and its default.
macro_rules! timing {
    ($($(#[$doc:meta])* $name:ident = $default:expr;)*) => {
        /// Every time-out of the protocol, each with the reason of its value.
        #[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
        #[serde(default, deny_unknown_fields)]
        pub struct Timing {
            $(
                $(#[$doc])*
                #[serde(deserialize_with = "parse::duration")]
                pub $name: Duration,
            )*
        }

        impl Default for Timing {
            fn default() -> Self {
                Self { $($name: $default,)* }
            }
        }

        impl Timing {
            /// The keys of `[timing]`.
            pub const KEYS: &'static [&'static str] = &[$(stringify!($name),)*];

            /// Key and value, in the order of [`Timing::KEYS`].
            pub fn entries(&self) -> Vec<(&'static str, Duration)> {
                vec![$((stringify!($name), self.$name),)*]
            }
        }
    };
}

const fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

timing! {
    /// Between two beats of a worker that plays. Positions in a status are at most this old, and
    /// eight beats fit into `suspect_after`, so that a few lost ones suspect nobody.
    heartbeat_playing = millis(250);

    /// Between two beats of a worker that plays nothing: nobody waits for its position.
    /// Twice this is `suspect_after`, so that one late beat is forgiven.
    heartbeat_idle = secs(1);

    /// Without a beat for so long, a worker is suspect and its sessions are granted elsewhere.
    /// Shorter: a machine that stalls for a second loses its parties. Longer: viewers hear the gap.
    suspect_after = secs(2);

    /// After its stream was reset, so long a worker has to attach again before it is suspect.
    /// A reset says that the process is gone or restarted its connection; a live one is back
    /// within a round trip, so there is no need to wait for `suspect_after`.
    reset_grace = millis(150);

    /// A worker that was told that its lease stands may open a voice connection for so long, counted
    /// from when it asked. Below `reset_grace`, for which a confirmed lease is granted to nobody else:
    /// the two may count at somewhat different speeds. Shorter: a busy scheduler's answer comes too
    /// late. Longer: a worker that is stopped (SIGSTOP) may use more of it when it wakes up.
    dial_permit = millis(100);

    /// After an election or a pause of the leader, every lease is unknown for so long and is not
    /// granted elsewhere. Must outlast the slowest worker's way back: see `check`.
    reattach_grace = secs(10);

    /// How often the leader looks at its clock and its leases.
    leader_tick = millis(100);

    /// A tick that comes so late means that the leader itself was paused: the silence that it then
    /// sees is its own, so it treats every lease as unknown instead of suspecting all workers.
    leader_pause = secs(1);

    /// First wait of a worker before it dials the scheduler again; doubles at every failure.
    /// Below `reset_grace`, so that a dropped connection alone moves no session.
    reconnect_backoff_min = millis(50);

    /// The wait stops growing here: after an outage everybody is back within `reattach_grace`. Each wait is a random
    /// share of what it may be at most, so that workers do not come back in step: this is the largest jitter.
    reconnect_backoff_max = secs(2);

    /// All workers hear of a new leader in the same moment; each waits a random time up to this before it dials. A
    /// thousand of them are then ten a millisecond. Well below the quarter of a second that a planned hand-over may
    /// take.
    reconnect_spread = millis(100);

    /// Both ends of a gRPC connection on which nothing came for so long ask over HTTP/2 whether the other is there.
    /// Beats say that to a leader within `suspect_after`; this says it to workers, who hear nothing as long as nothing
    /// changes, and to gateways, whose streams are silent while a party pauses.
    http2_keepalive_interval = secs(2);

    /// Without an answer to that question for so long, the connection is closed. Above `suspect_after`: it is the beats
    /// that decide about a worker that stands still for a moment, and a stream that was cut early would cost it
    /// `reset_grace` only.
    http2_keepalive_timeout = secs(4);

    /// The scheduler outage that a party must survive: voice and sources go on without it.
    outage_survived = secs(60);

    /// A worker that has heard no scheduler for so long stops by itself: by then nobody may know
    /// any more that it plays. 1.5 times the outage that a party must survive.
    self_stop_after = secs(90);

    /// An HTTP or gRPC call waits so long for the worker to have done it, then answers that it has
    /// not yet (202). Below the ten seconds after which common HTTP clients give up.
    call_wait = secs(5);

    /// How often a watcher of a playing session hears of it even if nothing changed.
    watch_interval = secs(1);

    /// Bounded wait for Discord's answer to a voice state command: it comes within a fraction of a
    /// second or not at all; then the leader leaves the channel and joins again.
    voice_event_wait = secs(5);

    /// A session whose last item ended leaves the channel after so long, and frees its account.
    /// Time enough for the party to pick the next film.
    idle_leave = secs(300);

    /// A channel with nobody but bots in it is left after so long. A viewer whose client crashed
    /// is back sooner.
    empty_leave = secs(120);

    /// How long the outcome of a command id is kept. Far beyond every client's retries; a day, so
    /// that one who retries after a night's outage still gets the first outcome.
    command_retention = secs(24 * 3_600);

    /// Positions are stored so often, in one batch, never a write a beat. What a scheduler's crash
    /// can cost of a position.
    position_checkpoint = secs(1);

    /// From SIGTERM to the end: hand-overs, last answers, tidy closes. Below the 30 s after which
    /// Kubernetes kills.
    drain_grace = secs(25);
}

impl Timing {
    /// The relations that the protocol leans on; empty when all hold.
    pub fn check(&self) -> Vec<Problem> {
        let mut relations = Relations::default();
        for (key, value) in self.entries() {
            relations.hold(key, !value.is_zero(), "must be above zero");
        }
        relations.hold(
            "suspect_after",
            self.suspect_after >= 2 * self.heartbeat_idle
                && self.suspect_after >= 4 * self.heartbeat_playing,
            "must be at least 2 x heartbeat_idle and 4 x heartbeat_playing, or a late beat moves a session",
        );
        relations.hold(
            "reset_grace",
            self.reset_grace < self.suspect_after && self.reset_grace > self.reconnect_backoff_min,
            "must be below suspect_after and above reconnect_backoff_min, so that a worker can be back in time",
        );
        relations.hold(
            "dial_permit",
            self.dial_permit < self.reset_grace && self.dial_permit < self.suspect_after,
            "must be below reset_grace and suspect_after, or a worker may take a voice channel from its successor",
        );
        relations.hold(
            "reattach_grace",
            self.reattach_grace >= self.reconnect_backoff_max + 2 * self.suspect_after
                && self.reattach_grace >= self.cut_noticed_within() + self.reconnect_backoff_max,
            "must be at least reconnect_backoff_max + 2 x suspect_after, and http2_keepalive_interval + \
             http2_keepalive_timeout + reconnect_backoff_max, or a new leader grants sessions that live workers still hold",
        );
        relations.hold(
            "http2_keepalive_timeout",
            self.http2_keepalive_timeout > self.suspect_after,
            "must be above suspect_after, or a worker that stands still for a moment loses its stream before the beats say so",
        );
        relations.hold(
            "reconnect_spread",
            self.reconnect_spread <= self.reconnect_backoff_max,
            "must be at most reconnect_backoff_max, which is the longest way back",
        );
        relations.hold(
            "reconnect_backoff_max",
            self.reconnect_backoff_max >= self.reconnect_backoff_min,
            "must be at least reconnect_backoff_min",
        );
        relations.hold(
            "self_stop_after",
            2 * self.self_stop_after >= 3 * self.outage_survived
                && self.self_stop_after > self.reattach_grace + self.suspect_after,
            "must be at least 1.5 x outage_survived and above reattach_grace + suspect_after, \
             or workers stop parties that a scheduler is about to claim",
        );
        relations.hold(
            "http2_keepalive_interval",
            self.outage_survived + self.cut_noticed_within() + self.reconnect_backoff_max
                <= self.self_stop_after,
            "with http2_keepalive_timeout and reconnect_backoff_max must be at most self_stop_after - outage_survived, \
             or a worker that was cut off notices too late that a scheduler is back",
        );
        relations.hold(
            "leader_pause",
            self.leader_pause > self.leader_tick && self.leader_pause <= self.suspect_after,
            "must be above leader_tick and at most suspect_after, or a paused leader suspects everybody",
        );
        relations.hold(
            "command_retention",
            self.command_retention >= 2 * self.call_wait,
            "must be at least 2 x call_wait, or a retry of a slow call is a new command",
        );
        relations.hold(
            "drain_grace",
            self.drain_grace >= self.call_wait,
            "must be at least call_wait, or calls in flight are cut off",
        );
        relations.problems
    }
}

impl Timing {
    /// After so long, an end whose peer vanished without a word knows it.
    fn cut_noticed_within(&self) -> Duration {
        self.http2_keepalive_interval + self.http2_keepalive_timeout
    }
}

#[derive(Default)]
struct Relations {
    problems: Vec<Problem>,
}

impl Relations {
    fn hold(&mut self, key: &str, holds: bool, otherwise: &str) {
        if !holds {
            let key = format!("timing.{key}");
            self.problems.push(Problem::new(key, otherwise));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_hold() {
        assert_eq!(Timing::default().check(), []);
    }

    #[test]
    fn each_broken_relation_is_named() {
        type Break = fn(&mut Timing);
        let table: [(&str, Break); 15] = [
            ("timing.suspect_after", |t| t.suspect_after = secs(1)),
            ("timing.reset_grace", |t| t.reset_grace = secs(3)),
            ("timing.reset_grace", |t| t.reset_grace = millis(20)),
            ("timing.dial_permit", |t| t.dial_permit = millis(150)),
            ("timing.reattach_grace", |t| t.reattach_grace = secs(7)),
            ("timing.reattach_grace", |t| t.suspect_after = millis(4_001)),
            ("timing.reattach_grace", |t| {
                t.http2_keepalive_interval = millis(4_001);
            }),
            ("timing.http2_keepalive_timeout", |t| {
                t.http2_keepalive_timeout = t.suspect_after;
            }),
            ("timing.http2_keepalive_interval", |t| {
                t.http2_keepalive_interval = secs(25);
            }),
            ("timing.reconnect_spread", |t| {
                t.reconnect_spread = secs(3);
            }),
            ("timing.self_stop_after", |t| t.outage_survived = secs(61)),
            ("timing.self_stop_after", |t| t.reattach_grace = secs(88)),
            ("timing.leader_pause", |t| t.leader_pause = secs(3)),
            ("timing.command_retention", |t| {
                t.command_retention = secs(9);
            }),
            ("timing.call_wait", |t| t.call_wait = Duration::ZERO),
        ];
        for (key, break_it) in table {
            let mut timing = Timing::default();
            break_it(&mut timing);
            let problems = timing.check();
            assert!(problems.iter().any(|p| p.key == key), "{key}: {problems:?}");
        }
    }
}
