//! A worker that is cut off from the scheduler and plays on: what ends its party must not need its consent.

mod link;

use std::time::{Duration, Instant};

use discord_sim::{ChannelId, Fault, GuildId, RecordEvent};
use link::Link;
use orb_e2e::{API_TOKEN, Api, Environment, OrbProcess, Party, Setting, Surroundings, until};

const GUILD: u64 = 111;
/// Of every party.
const CHANNEL: u64 = 456;
const OTHER_CHANNEL: u64 = 457;

/// For anything that opens a file and starts an encoder, on a busy machine.
const SOON: Duration = Duration::from_secs(15);

/// The old channel is silent so soon after the party was stopped, or is elsewhere.
const SILENT_WITHIN: Duration = Duration::from_secs(3);

/// Longer than any grace of a worker that is not heard of: whoever would speak again had the time to.
const WATCH: Duration = Duration::from_secs(6);

/// Dropped from the top.
struct Divided {
    party: Party,
    /// Between the worker and the scheduler.
    link: Link,
    _worker: OrbProcess,
    _gateway: OrbProcess,
    scheduler: OrbProcess,
    environment: Environment,
    surroundings: Surroundings,
}

impl Divided {
    /// A party that plays on a worker beyond the link.
    async fn playing() -> Self {
        let surroundings = Surroundings::start(Setting::default()).await;
        let environment = surroundings.environment();
        let mut scheduler = OrbProcess::start("scheduler", &environment);
        let address = scheduler.grpc_addr().await;
        let link = Link::to(address).await;
        let environment = environment.with("ORB_SCHEDULER_URL", format!("http://{address}"));
        let beyond = environment
            .clone()
            .with("ORB_SCHEDULER_URL", link.url())
            .with("ORB_WORKER_ID", "worker-1");
        let worker = OrbProcess::start("worker", &beyond);
        let mut gateway = OrbProcess::start("gateway", &environment);
        let api = Api::new(gateway.http_addr().await, API_TOKEN);
        let party = Party::playing(&api, &surroundings, GUILD).await;
        Self {
            party,
            link,
            _worker: worker,
            _gateway: gateway,
            scheduler,
            environment,
            surroundings,
        }
    }

    /// When the last packet came that was heard in that channel.
    fn last_heard(&self, channel: u64) -> Option<Instant> {
        let heard = self.surroundings.discord.heard(GUILD);
        let here = heard
            .connections
            .iter()
            .filter(|connection| connection.info.channel == ChannelId(channel));
        here.flat_map(|connection| &connection.packets)
            .map(|packet| packet.at)
            .max()
    }

    /// It is cut off, and plays on all the same.
    async fn cut_off(&self) {
        self.link.fall_silent();
        let since = Instant::now();
        until("sound after the cut", SOON, async || {
            self.last_heard(CHANNEL).filter(|at| *at > since)
        })
        .await;
    }

    /// What was tried on the voice side since.
    fn voice_attempts(&self, since: Instant) -> Vec<RecordEvent> {
        let record = self.surroundings.discord.record().into_iter();
        let since = record.filter(|entry| entry.at > since);
        since
            .map(|entry| entry.event)
            .filter(|event| {
                matches!(
                    event,
                    RecordEvent::VoiceIdentify { .. } | RecordEvent::VoiceResume { .. }
                )
            })
            .collect()
    }

    /// Silent within the bound since, and for good.
    async fn assert_silent(&self, since: Instant) {
        tokio::time::sleep_until((since + SILENT_WITHIN + WATCH).into()).await;
        let last = self.last_heard(CHANNEL).unwrap();
        let after = last.saturating_duration_since(since);
        println!("the old channel was silent after {} ms", after.as_millis());
        assert!(after <= SILENT_WITHIN, "{after:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_silences_a_worker_that_does_not_hear_of_it() {
    let divided = Divided::playing().await;
    divided.cut_off().await;
    let asked = Instant::now();
    let answer = divided.party.control("stop").await;
    assert!(matches!(answer.code, 200 | 202), "{}", answer.text);
    divided.assert_silent(asked).await;
    let attempts = divided.voice_attempts(asked);
    assert!(attempts.is_empty(), "{attempts:?}: its lease is in doubt");
    divided.party.becomes("stopped", SOON).await;

    // It hears everything at last, and begins nothing.
    let healed = Instant::now();
    divided.link.heal();
    tokio::time::sleep(WATCH).await;
    let attempts = divided.voice_attempts(healed);
    assert!(attempts.is_empty(), "{attempts:?}");
    assert!(divided.last_heard(CHANNEL).unwrap() < healed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_silences_the_old_channel_and_another_worker_plays_in_the_new_one() {
    let divided = Divided::playing().await;
    let next = divided
        .environment
        .clone()
        .with("ORB_WORKER_ID", "worker-2");
    let next = OrbProcess::start("worker", &next);
    until("the second worker's attachment", SOON, async || {
        let log = divided.scheduler.log();
        (log.matches("worker attached").count() >= 2).then_some(())
    })
    .await;
    divided.cut_off().await;
    let moved = Instant::now();
    let hits = divided.surroundings.discord.fault(&Fault::Move {
        guild: GuildId(GUILD),
        user: None,
        channel: ChannelId(OTHER_CHANNEL),
    });
    assert_eq!(hits.unwrap(), 1);
    let heard = until("the film in the new channel", SOON, async || {
        divided.last_heard(OTHER_CHANNEL)
    })
    .await;
    println!("in the new channel by {} ms", (heard - moved).as_millis());
    divided.assert_silent(moved).await;

    // The link heals; the old worker leaves the party to the new one.
    divided.link.heal();
    let healed = Instant::now();
    tokio::time::sleep(WATCH).await;
    assert!(divided.voice_attempts(healed).is_empty());
    let healed = Instant::now();
    until("it to play on", SOON, async || {
        divided
            .last_heard(OTHER_CHANNEL)
            .filter(|last| *last > healed)
    })
    .await;
    divided.party.assert_plays().await;
    drop(next);
}
