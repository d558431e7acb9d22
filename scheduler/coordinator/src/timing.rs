//! All times of the election, and how they must relate.

use std::time::Duration;

use crate::Error;

/// How long etcd may take to notice that a lease has expired; 0.5 s, measured on etcd 3.4.
const EXPIRY_SWEEP: Duration = Duration::from_millis(500);

/// What etcd grants at least: 1.5 of its election time-outs (1 s unless configured), rounded up to whole
/// seconds. A lease of 1 s is granted as 2 s.
const TTL_FLOOR: Duration = Duration::from_secs(2);

/// Times of the election. The defaults are for an etcd with its own defaults; only tests change them.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// How long the leader's lease lives without a keep-alive, in whole seconds. 2 s is the least that
    /// etcd grants; a crashed leader is missed for this long, so it is not more.
    pub ttl: Duration,
    /// How much earlier than `ttl` the leader steps down: room for what it did just before.
    pub margin: Duration,
    /// From the sending of a keep-alive to the next.
    pub renew_every: Duration,
    /// How long one question to etcd may take, all its members together.
    pub request_timeout: Duration,
    /// Without an answer for so long, the next member is asked, too. Well above what a healthy member
    /// takes (1 ms), well below the time-out.
    pub hedge_after: Duration,
    /// Between a failed question and the next; jittered by half where many ask at once.
    pub retry_after: Duration,
    /// How often a candidate looks whether nobody leads, besides being told.
    pub campaign_every: Duration,
    /// How often a follower lists anew, jittered by half: a watch may have lost something. A thousand
    /// workers ask 200 times a second.
    pub relist_every: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            ttl: TTL_FLOOR,
            margin: Duration::from_millis(250),
            renew_every: Duration::from_millis(500),
            request_timeout: Duration::from_millis(500),
            hedge_after: Duration::from_millis(150),
            retry_after: Duration::from_millis(100),
            campaign_every: Duration::from_secs(1),
            relist_every: Duration::from_secs(5),
        }
    }
}

impl Timing {
    /// The longest that nobody leads after a leader crashed, while etcd is well: the lease was renewed a
    /// moment before, is missed late, and then a candidate writes twice. 2.75 s.
    pub fn takeover_bound(&self) -> Duration {
        self.ttl + EXPIRY_SWEEP + Duration::from_millis(250)
    }

    /// The relations that the election leans on.
    pub fn check(&self) -> Result<(), Error> {
        let pauses = [
            self.margin,
            self.renew_every,
            self.request_timeout,
            self.hedge_after,
            self.retry_after,
            self.campaign_every,
            self.relist_every,
        ];
        let relations = [
            (
                pauses.iter().all(|time| !time.is_zero()),
                "each must be above zero",
            ),
            (
                self.ttl >= TTL_FLOOR && self.ttl.subsec_nanos() == 0,
                "ttl must be whole seconds, at least 2",
            ),
            (self.margin < self.ttl, "margin must be below ttl"),
            (
                // One question that is never answered must not cost the leadership.
                self.renew_every + self.request_timeout * 2 + self.retry_after + self.margin
                    <= self.ttl,
                "renew_every + 2 request_timeout + retry_after + margin must be at most ttl",
            ),
            (
                self.hedge_after * 2 < self.request_timeout,
                "2 hedge_after must be below request_timeout, so that a third member is asked in time",
            ),
            (
                self.campaign_every <= self.ttl,
                "campaign_every must be at most ttl",
            ),
        ];
        match relations.iter().find(|(holds, _)| !holds) {
            Some((_, relation)) => Err(Error::Timing(relation)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_fit() {
        Timing::default().check().expect("they fit");
        assert_eq!(
            Timing::default().takeover_bound(),
            Duration::from_millis(2750)
        );
    }

    #[test]
    fn each_broken_relation_is_refused() {
        let broken: [fn(&mut Timing); 6] = [
            |timing| timing.retry_after = Duration::ZERO,
            |timing| timing.ttl = Duration::from_millis(2500),
            |timing| timing.ttl = Duration::from_secs(1),
            |timing| timing.request_timeout = Duration::from_millis(600),
            |timing| timing.hedge_after = Duration::from_millis(250),
            |timing| timing.campaign_every = Duration::from_secs(3),
        ];
        for (number, brake) in broken.into_iter().enumerate() {
            let mut timing = Timing::default();
            brake(&mut timing);
            let refused = timing.check();
            assert!(
                matches!(refused, Err(Error::Timing(_))),
                "number {number}: {refused:?}"
            );
        }
    }
}
