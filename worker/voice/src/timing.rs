//! Every time that the driver waits, in one place.

use std::time::Duration;

use crate::Error;

/// Time-outs and intervals of a voice connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VoiceTiming {
    /// From the dial until media may flow. Discord needs well under a second; a party shall go on within five.
    pub attempt: Duration,
    /// After so long of attempts that all failed, the connection is lost and its owner decides. Time at the gate does
    /// not count. More than two attempts.
    pub give_up: Duration,
    /// Heartbeats are sent at least so often, whatever the server asks: an interval of 13.75 s would notice a dead
    /// connection only after 27 s. Other clients do the same.
    pub heartbeat_at_most: Duration,
    /// The first wait after an attempt that failed; each next one is twice as long.
    pub backoff_first: Duration,
    /// The longest wait between attempts. Less than `give_up`.
    pub backoff_most: Duration,
    /// IP discovery is asked again after so long: it is one datagram each way. Several fit into an attempt.
    pub discovery_retry: Duration,
    /// A WebSocket message that cannot be handed to the kernel for so long has found a dead connection.
    pub write: Duration,
    /// While the connection is cut and cannot be dialled for so long, nobody hears: the film waits. While it could be
    /// dialled or the gate is shut, sending goes on.
    pub unreachable: Duration,
}

impl Default for VoiceTiming {
    fn default() -> Self {
        Self {
            attempt: Duration::from_secs(4),
            give_up: Duration::from_secs(10),
            heartbeat_at_most: Duration::from_secs(5),
            backoff_first: Duration::from_millis(100),
            backoff_most: Duration::from_secs(2),
            discovery_retry: Duration::from_millis(300),
            write: Duration::from_secs(2),
            unreachable: Duration::from_secs(3),
        }
    }
}

impl VoiceTiming {
    /// Checks that the times fit each other.
    pub fn check(&self) -> Result<(), Error> {
        let rules = [
            (
                self.give_up > 2 * self.attempt,
                "give_up must be more than two attempts",
            ),
            (
                self.backoff_first <= self.backoff_most && self.backoff_most < self.give_up,
                "backoff_first <= backoff_most < give_up",
            ),
            (
                3 * self.discovery_retry < self.attempt,
                "three discovery_retry must fit into an attempt",
            ),
            (
                self.write < self.attempt,
                "write must be less than an attempt",
            ),
            (
                self.unreachable < self.give_up,
                "unreachable must be less than give_up",
            ),
        ];
        match rules.iter().find(|(holds, _)| !holds) {
            Some((_, rule)) => Err(Error::Timing(rule)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_fit_each_other_and_others_are_refused() {
        VoiceTiming::default().check().expect("defaults");
        let wrong = VoiceTiming {
            give_up: Duration::from_secs(5),
            ..VoiceTiming::default()
        };
        assert!(wrong.check().is_err());
    }
}
