//! Who leads, seen from outside: standbys, hand-over, leaderships that end.

use std::sync::Arc;
use std::time::Duration;

use discord_sim::{ClosedBy, RecordEvent};
use orb_cluster::Etcd;
use orb_coordinator::{
    Coordinator, EtcdConfig, EtcdCoordinator, LEADER_METADATA, LeaderRecord, LeaderWatch,
    SingleCoordinator, SingleLeadership,
};
use orb_proto::v1;
use orb_scheduler_core::Epoch;
use orb_scheduler_store::Store;
use tokio::time::timeout;
use tonic::{Code, Status};

use crate::installation::{API, Scheduler, Surroundings, create, play, playing, with_token};
use crate::reason;

/// One seat, several candidates.
struct Shared(Arc<SingleCoordinator>);

impl Coordinator for Shared {
    type Leadership = SingleLeadership;

    async fn campaign(&self, address: &str) -> Result<SingleLeadership, orb_coordinator::Error> {
        self.0.campaign(address).await
    }

    async fn leader(&self) -> Result<Option<LeaderRecord>, orb_coordinator::Error> {
        self.0.leader().await
    }

    fn follow(&self) -> LeaderWatch {
        self.0.follow()
    }
}

#[tokio::test]
async fn a_standby_names_the_leader_and_goes_on_after_it() {
    let surroundings = Surroundings::new().await;
    let seat = Arc::new(SingleCoordinator::new());
    let first = surroundings
        .candidate(Shared(Arc::clone(&seat)), "http://a:1")
        .await;
    first.ready().await;
    let second = surroundings.candidate(Shared(seat), "http://b:1").await;

    let refused = list(&second).await.unwrap_err();
    assert_eq!(
        (refused.code(), reason(&refused).as_str()),
        (Code::Unavailable, "not_leading")
    );
    assert_eq!(
        refused.metadata().get(LEADER_METADATA).unwrap(),
        "http://a:1"
    );
    let refused = second.attach("w1", "life-1", vec![]).await.err().unwrap();
    assert_eq!(reason(&refused), "not_leading", "nor does it take workers");

    let mut worker = first.attach("w1", "life-1", vec![]).await.unwrap();
    first
        .sessions()
        .create(with_token(API, create("s")))
        .await
        .unwrap();
    let mut sessions = first.sessions();
    let call = tokio::spawn(async move { sessions.play(with_token(API, play("s", "c1"))).await });
    let lease = worker
        .lease_where(|desired| desired.current.is_some() && desired.voice.is_some())
        .await;

    // It is committed, and not answered yet.
    first.stop().await;
    let unanswered = call.await.unwrap().unwrap_err();
    assert_eq!(unanswered.code(), Code::Unavailable);
    assert!(
        worker.word().await.is_none(),
        "the stream ends with the leader"
    );

    second.ready().await;
    let mut worker = second
        .attach("w1", "life-1", vec![playing(&lease, 1_000)])
        .await
        .unwrap();
    let again = worker
        .lease_where(|desired| desired.current.is_some())
        .await;
    let (before, after) = (lease.fence.unwrap(), again.fence.unwrap());
    assert_eq!(after.token, before.token, "the worker keeps its lease");
    assert!(after.epoch > before.epoch);
    let answer = second
        .sessions()
        .play(with_token(API, play("s", "c1")))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        answer.session.unwrap().queue_entry_id,
        12,
        "the retry finds what was committed"
    );

    let record = surroundings.discord.record();
    let closes: Vec<_> = record
        .iter()
        .filter_map(|entry| match entry.event {
            RecordEvent::GatewayClosed { code, .. } => Some(code),
            _ => None,
        })
        .collect();
    assert_eq!(closes, [Some(4000)], "handed over");
    assert_eq!(
        count(&surroundings, |e| matches!(
            e,
            RecordEvent::GatewayIdentify { .. }
        )),
        1
    );
    assert_eq!(
        count(&surroundings, |e| matches!(
            e,
            RecordEvent::GatewayResume { .. }
        )),
        1
    );
    second.stop().await;
}

#[tokio::test]
async fn a_leader_that_the_store_has_replaced_does_nothing_more() {
    let surroundings = Surroundings::new().await;
    let stale = surroundings
        .candidate(SingleCoordinator::new(), "http://a:1")
        .await;
    stale.ready().await;
    let mut worker = stale.attach("w1", "life-1", vec![]).await.unwrap();

    // As another leader would, which this one has not heard of.
    let other = surroundings.store().await;
    let epoch = other.lead(Epoch::default()).await.unwrap();
    let refused = stale
        .sessions()
        .create(with_token(API, create("s")))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    assert!(worker.word().await.is_none(), "the worker is let go, too");
    assert!(
        other.load(0).await.unwrap().is_empty(),
        "nothing was committed"
    );

    // It lives on, and when it leads again, then under an epoch of its own.
    stale.ready().await;
    stale.attach("w1", "life-1", vec![]).await.unwrap();
    let mut sessions = stale.sessions();
    sessions.create(with_token(API, create("s"))).await.unwrap();
    assert_eq!(other.load(0).await.unwrap().len(), 1);
    let next = other.lead(Epoch::default()).await.unwrap();
    assert!(next.get() > epoch.get() + 1, "{epoch}, then {next}");
    stale.stop().await;
}

#[tokio::test]
async fn a_leader_without_etcd_lets_go_of_everything_and_comes_back() {
    let surroundings = Surroundings::new().await;
    let etcd = Etcd::start().await.unwrap();
    let coordinator = EtcdCoordinator::connect(EtcdConfig {
        endpoints: vec![etcd.endpoint()],
        ..EtcdConfig::default()
    })
    .await
    .unwrap();
    let scheduler = surroundings.candidate(coordinator, "http://a:1").await;
    scheduler.ready().await;
    let mut worker = scheduler.attach("w1", "life-1", vec![]).await.unwrap();

    etcd.pause();
    assert!(worker.word().await.is_none(), "its streams end");
    let refused = list(&scheduler).await.unwrap_err();
    assert_eq!(reason(&refused), "not_leading");
    assert!(
        refused.metadata().get(LEADER_METADATA).is_none(),
        "what the key still says is no help: {refused:?}"
    );
    let dropped = |event: &RecordEvent| {
        matches!(
            event,
            RecordEvent::GatewayClosed {
                code: None,
                by: ClosedBy::Client,
                ..
            }
        )
    };
    until("Discord's gateway is dropped without a close frame", || {
        count(&surroundings, dropped) == 1
    })
    .await;
    etcd.resume();
    scheduler.ready().await;
    assert!(list(&scheduler).await.is_ok());
    assert_eq!(
        count(&surroundings, |e| matches!(
            e,
            RecordEvent::GatewayIdentify { .. }
        )),
        1
    );
    assert_eq!(
        count(&surroundings, |e| matches!(
            e,
            RecordEvent::GatewayResume { .. }
        )),
        1
    );
    scheduler.stop().await;
}

async fn list(scheduler: &Scheduler) -> Result<v1::ListResponse, Status> {
    let request = with_token(API, v1::ListRequest {});
    Ok(scheduler.sessions().list(request).await?.into_inner())
}

fn count(surroundings: &Surroundings, wanted: impl Fn(&RecordEvent) -> bool) -> usize {
    let record = surroundings.discord.record();
    record.iter().filter(|entry| wanted(&entry.event)).count()
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    assert!(
        timeout(Duration::from_secs(10), waiting).await.is_ok(),
        "not in time: {what}"
    );
}
