//! Following the leader's key: list, watch from there, and list anew whenever in doubt.

use etcd_client::{EventType, KeyValue};
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::task::AbortOnDropHandle;

use super::jittered;
use super::leader_key::{LeaderKey, record};
use super::members::error_of;
use crate::{Error, LeaderRecord, LeaderWatch, Timing};

type Seen = watch::Sender<Option<LeaderRecord>>;

/// Follows until the last clone of what it returns is dropped.
pub(super) fn start(key: LeaderKey, timing: Timing) -> LeaderWatch {
    let seen = Seen::new(None);
    let receiver = seen.subscribe();
    let follower = tokio::spawn(follow(key, timing, seen));
    LeaderWatch::of(receiver, Some(AbortOnDropHandle::new(follower)))
}

async fn follow(key: LeaderKey, timing: Timing, seen: Seen) {
    let mut failing = false;
    loop {
        match list_and_watch(&key, timing, &seen, &mut failing).await {
            Ok(()) => {}
            Err(error) => {
                if !std::mem::replace(&mut failing, true) {
                    tracing::warn!(%error, code = error.code(), "cannot see where the leader is; trying on");
                }
                sleep(jittered(timing.retry_after)).await;
            }
        }
    }
}

/// Returns when it is time to list anew.
async fn list_and_watch(
    key: &LeaderKey,
    timing: Timing,
    seen: &Seen,
    failing: &mut bool,
) -> Result<(), Error> {
    let (listed, revision) = key.list().await?;
    publish(seen, listed.as_ref());
    // From the revision after the list: nothing falls in between.
    let mut events = key.watch_from(revision + 1).await?;
    *failing = false;
    let relist = sleep(jittered(timing.relist_every));
    tokio::pin!(relist);
    loop {
        let told = tokio::select! {
            () = &mut relist => return Ok(()),
            told = events.message() => told.map_err(error_of)?,
        };
        match told {
            // Compacted meanwhile, or the member has no leader.
            Some(told) if told.canceled() => {
                return Err(Error::Unavailable(format!(
                    "the watch was cancelled: {}",
                    told.cancel_reason()
                )));
            }
            Some(told) => {
                for event in told.events() {
                    let key = event.kv().filter(|_| event.event_type() == EventType::Put);
                    publish(seen, key);
                }
            }
            None => return Err(Error::Unavailable("the watch ended".into())),
        }
    }
}

fn publish(seen: &Seen, key: Option<&KeyValue>) {
    let now = key.and_then(|key| {
        record(key)
            .inspect_err(
                |error| tracing::warn!(%error, code = error.code(), "nobody can find this leader"),
            )
            .ok()
    });
    seen.send_if_modified(|known| {
        // That nobody leads is always told: to one who has just begun to follow, nothing heard yet looks the same, and a
        // candidate that read the key a moment before it went would wait in vain.
        let is_news = *known != now || now.is_none();
        *known = now;
        is_news
    });
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn that_nobody_leads_is_told_even_if_nothing_was_known_before() {
        let seen = Seen::new(None);
        let receiver = seen.subscribe();
        publish(&seen, None);
        assert!(receiver.has_changed().unwrap(), "the first list is news");
    }
}
