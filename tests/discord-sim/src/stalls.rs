//! Voice listeners that stall: a server that is there, but does not answer.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::Instant;

/// How far a connection gets while a voice listener stalls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StallAt {
    /// TCP is not accepted: dials wait in the kernel's queue, and stand in the record only when
    /// the stall is over.
    Accept,
    /// TCP is accepted and recorded; the TLS handshake is not answered.
    Tls,
    /// The WebSocket opens; HELLO does not come, and nothing is read.
    Hello,
}

#[derive(Clone, Copy)]
struct Stall {
    at: StallAt,
    until: Instant,
}

/// The stalls of both voice listeners.
pub(crate) struct Stalls {
    by_listener: [watch::Sender<Option<Stall>>; 2],
}

impl Stalls {
    pub(crate) fn new() -> Self {
        Self {
            by_listener: [watch::Sender::new(None), watch::Sender::new(None)],
        }
    }

    /// Has a listener stall for so long from now; an older stall of it ends.
    pub(crate) fn set(&self, listener: usize, at: StallAt, lasts: Duration) {
        let until = Instant::now() + lasts;
        if let Some(stall) = self.by_listener.get(listener) {
            stall.send_replace(Some(Stall { at, until }));
        }
    }

    /// Waits while the listener stalls at this point.
    pub(crate) async fn pass(&self, listener: usize, at: StallAt) {
        let Some(stall) = self.by_listener.get(listener) else {
            return;
        };
        let mut stall = stall.subscribe();
        loop {
            let current = *stall.borrow_and_update();
            let until = match current {
                Some(stall) if stall.at == at && stall.until > Instant::now() => stall.until,
                _ => return,
            };
            tokio::select! {
                () = tokio::time::sleep_until(until) => return,
                changed = stall.changed() => if changed.is_err() {
                    return;
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(200);

    #[tokio::test]
    async fn waits_at_its_own_point_and_listener_until_it_is_over() {
        let stalls = Stalls::new();
        stalls.set(0, StallAt::Tls, SHORT);
        let begin = Instant::now();
        stalls.pass(0, StallAt::Accept).await;
        stalls.pass(1, StallAt::Tls).await;
        let others = begin.elapsed();
        stalls.pass(0, StallAt::Tls).await;
        let (waited, once) = (begin.elapsed(), Instant::now());
        // The clock of the stall began a moment before.
        assert!(waited + Duration::from_millis(5) >= SHORT, "{waited:?}");
        stalls.pass(0, StallAt::Tls).await;
        assert!(others + once.elapsed() < waited, "{others:?} {waited:?}");
    }

    #[tokio::test]
    async fn a_newer_stall_ends_the_older_one() {
        let stalls = Stalls::new();
        let hour = Duration::from_hours(1);
        stalls.set(0, StallAt::Hello, hour);
        let passing = stalls.pass(0, StallAt::Hello);
        let ending = async { stalls.set(0, StallAt::Hello, Duration::ZERO) };
        let both = async { tokio::join!(passing, ending) };
        tokio::time::timeout(Duration::from_secs(20), both)
            .await
            .expect("the stall was ended");
    }
}
