//! Two schedulers over one etcd and one PostgreSQL: the leader goes, the other goes on, and nobody hears of it.

pub(crate) mod cluster;

use std::time::{Duration, Instant};

use cluster::{Cluster, says, says_again};
use discord_sim::RecordEvent;
use orb_e2e::{Party, Setting, Surroundings};

const GUILD: u64 = 111;

/// For anything that opens a file and starts an encoder, on a busy machine.
const SOON: Duration = Duration::from_secs(10);

/// From the leader's crash to the first accepted call: etcd's lease, and what the next leader does then.
const FIRST_CALL_WITHIN: Duration = Duration::from_secs(4);

async fn playing() -> (Cluster, Party) {
    let cluster = Cluster::start(Surroundings::start(Setting::default()).await).await;
    let party = Party::playing(&cluster.api, &cluster.surroundings, GUILD).await;
    (cluster, party)
}

/// A call made now is accepted by whoever leads next; how long that took.
async fn call_is_accepted(cluster: &Cluster, guild: u64) -> Duration {
    let body = Party::known(&cluster.api, guild).create_body();
    let key = format!("create-{guild}");
    let answer = cluster.api.post_once("/sessions", &body, &key).await;
    println!("first call: {} after {:?}", answer.code, answer.took());
    assert_eq!(answer.code, 201, "{}", answer.text);
    answer.took()
}

/// The film goes on under the new leader, without a hole since `began`, and over the same connections.
async fn assert_unheard(cluster: &Cluster, party: &Party, began: Instant) {
    let ears = party.ears(&cluster.surroundings.discord);
    ears.seconds(Instant::now(), 2, SOON).await;
    ears.assert_unbroken(began);
    party.becomes("playing", SOON).await;
    party.assert_in_step(&ears).await;
    let dials = |event: &RecordEvent| matches!(event, RecordEvent::VoiceIdentify { guild, .. } if guild.0 == GUILD);
    assert_eq!(cluster.count(dials), 1, "no second voice connection");
    let identifies = |event: &RecordEvent| matches!(event, RecordEvent::GatewayIdentify { .. });
    assert_eq!(
        cluster.count(identifies),
        1,
        "the gateway session is resumed"
    );
    // The new leader commands the worker.
    party.control("pause").await.expect_code(200);
    party.control("resume").await.expect_code(200);
}

fn resumes(event: &RecordEvent) -> bool {
    matches!(event, RecordEvent::GatewayResume { .. })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_is_killed() {
    let (mut cluster, party) = playing().await;
    let began = Instant::now();
    cluster.schedulers[0].kill().await;
    let took = call_is_accepted(&cluster, GUILD + 1).await;
    assert!(took <= FIRST_CALL_WITHIN, "first call after {took:?}");
    assert_unheard(&cluster, &party, began).await;
    assert_eq!(cluster.count(resumes), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_is_asked_to_stop() {
    let (mut cluster, party) = playing().await;
    let began = Instant::now();
    cluster.schedulers[0].terminate();
    let took = call_is_accepted(&cluster, GUILD + 1).await;
    // No lease has to run out.
    assert!(took <= FIRST_CALL_WITHIN / 2, "first call after {took:?}");
    let ended = cluster.schedulers[0].ended(SOON).await;
    assert!(ended.success(), "{ended}");
    assert_unheard(&cluster, &party, began).await;
    let handed_over = |event: &RecordEvent| {
        matches!(
            event,
            RecordEvent::GatewayClosed {
                code: Some(4000),
                ..
            }
        )
    };
    assert_eq!((cluster.count(handed_over), cluster.count(resumes)), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_stands_still_and_wakes_up() {
    let (cluster, party) = playing().await;
    let [stale, next] = &cluster.schedulers;
    let began = Instant::now();
    stale.freeze().await;
    let took = call_is_accepted(&cluster, GUILD + 1).await;
    assert!(took <= FIRST_CALL_WITHIN, "first call after {took:?}");
    // All that it will have to say to Discord.
    says(next, "account connected").await;
    says(next, "worker attached").await;
    let said = |event: &RecordEvent| match event {
        RecordEvent::GatewayIdentify { .. } | RecordEvent::GatewayResume { .. } => true,
        // The other party's comes when it comes.
        RecordEvent::VoiceStateRequest { guild, .. } => guild.0 == GUILD,
        _ => false,
    };
    let before = cluster.count(said);
    stale.thaw();
    says(stale, "leads no more").await;
    assert_unheard(&cluster, &party, began).await;
    assert_eq!(cluster.count(said), before, "the old leader says nothing");
    assert_eq!(cluster.count(resumes), 1);

    // It is a standby now, and leads again when it is its turn.
    next.terminate();
    call_is_accepted(&cluster, GUILD + 2).await;
    says_again(stale, "leading", 2).await;
}
