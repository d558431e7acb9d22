//! What Jellyfin is told of what plays.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::BoxFuture;
use jellyfin_sim::film::{Container, FilmSpec, generate};
use jellyfin_sim::{Film, JellyfinSim, JellyfinSimConfig, PlaybackEvent, PlaybackReport};
use orb_jellyfin::client::{JellyfinClient, JellyfinConfig};
use orb_proto::v1;
use orb_proto::v1::control_request::Action;
use orb_scheduler::{ItemProgress, JellyfinReporter, ProgressKind, ProgressReporter};
use secrecy::SecretString;
use tokio::time::timeout;

use crate::installation::{FakeWorker, Scheduler, Surroundings, playing};
use crate::queue::{add, control, edit, party, start};

const SOON: Duration = Duration::from_secs(20);

/// Nobody watches it here.
const FILM: FilmSpec = FilmSpec {
    seconds: 2,
    width: 320,
    height: 180,
    fps: 1,
    gop_seconds: 1,
    bframes: 0,
    audio: None,
    container: Container::Mkv,
};

/// Keeps what it is told.
#[derive(Debug, Default)]
struct Told {
    reports: Mutex<Vec<(ProgressKind, ItemProgress)>>,
    /// As a Jellyfin does that is away.
    fails: bool,
}

impl Told {
    /// The kinds and items so far, in order, once there are so many.
    async fn until(&self, count: usize) -> Vec<(ProgressKind, String)> {
        let waiting = async {
            loop {
                let known = self.reports.lock().unwrap().clone();
                if known.len() >= count {
                    return known;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let known = timeout(SOON, waiting).await.expect("it is told in time");
        known
            .into_iter()
            .map(|(kind, progress)| (kind, progress.item_id))
            .collect()
    }
}

impl ProgressReporter for Told {
    fn report(
        &self,
        kind: ProgressKind,
        progress: ItemProgress,
    ) -> BoxFuture<'_, Result<(), String>> {
        self.reports.lock().unwrap().push((kind, progress));
        let told = if self.fails {
            Err("away".to_owned())
        } else {
            Ok(())
        };
        Box::pin(std::future::ready(told))
    }
}

/// Does so, with the worker carrying it out at that place.
async fn act(scheduler: &Scheduler, worker: &mut FakeWorker, action: Action, media_ms: i64) {
    let acting = async { control(scheduler, action).await.unwrap() };
    let carrying_out = async {
        let lease = worker.lease_where(|_| true).await;
        let mut report = playing(&lease, media_ms);
        let desired = lease.desired.as_ref().unwrap();
        if desired.paused {
            report.set_playback_state(v1::PlaybackState::Paused);
            report.position.as_mut().unwrap().rate_permille = 0;
        }
        worker.report(report).await;
    };
    tokio::join!(acting, carrying_out);
}

#[tokio::test]
async fn jellyfin_is_told_once_of_each_change_and_by_the_next_leader_only_what_is_new() {
    use ProgressKind::{GoesOn, Started, Stopped};
    let surroundings = Surroundings::new().await;
    let told = Arc::new(Told::default());
    let scheduler = surroundings.telling(told.clone()).await;
    let mut worker = scheduler.attach("w1", "life-1", vec![]).await.unwrap();
    party(&scheduler).await;
    edit(&scheduler, add(&["A", "B"])).await;
    let lease = start(&scheduler, &mut worker).await;
    let item = |kind: ProgressKind, name: &str| (kind, format!("item-{name}"));
    let mut expected = vec![item(Started, "A")];
    assert_eq!(told.until(1).await, expected);
    act(&scheduler, &mut worker, Action::Pause(v1::Pause {}), 500).await;
    expected.push(item(GoesOn, "A"));
    assert_eq!(told.until(2).await, expected);
    let paused = told.reports.lock().unwrap()[1].1.clone();
    assert!(paused.paused);
    assert_eq!(paused.session.as_str(), "s");
    assert_eq!(
        (paused.position_ms, paused.duration_ms),
        (500, Some(60_000))
    );
    drop(worker);
    scheduler.stop().await;

    let told = Arc::new(Told::default());
    let scheduler = surroundings.telling(told.clone()).await;
    let holds = vec![playing(&lease, 5_000)];
    let mut worker = scheduler.attach("w1", "life-1", holds).await.unwrap();
    let lease = worker
        .lease_where(|desired| desired.current.is_some())
        .await;
    let mut report = playing(&lease, 500);
    report.set_playback_state(v1::PlaybackState::Paused);
    worker.report(report).await;
    let mut expected = vec![item(GoesOn, "A")];
    assert_eq!(told.until(1).await, expected, "it was begun before");
    let skip = Action::Skip(v1::Skip::default());
    act(&scheduler, &mut worker, skip, 20).await;
    expected.extend([item(Stopped, "A"), item(Started, "B")]);
    assert_eq!(told.until(3).await, expected);
    scheduler.stop().await;
}

#[tokio::test]
async fn a_jellyfin_that_is_away_is_nothing_to_a_party() {
    let surroundings = Surroundings::new().await;
    let told = Arc::new(Told {
        fails: true,
        ..Told::default()
    });
    let scheduler = surroundings.telling(told.clone()).await;
    let mut worker = scheduler.attach("w1", "life-1", vec![]).await.unwrap();
    party(&scheduler).await;
    edit(&scheduler, add(&["A", "B"])).await;
    start(&scheduler, &mut worker).await;
    told.until(1).await;
    let skip = Action::Skip(v1::Skip::default());
    act(&scheduler, &mut worker, skip, 20).await;
    // It goes on being told: no report is lost for another one's failure.
    assert_eq!(told.until(3).await.len(), 3);
    scheduler.stop().await;
}

#[tokio::test]
async fn a_jellyfin_hears_what_plays_in_its_own_words() {
    let surroundings = Surroundings::new().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("film.mkv");
    generate(&path, FILM).await.unwrap();
    let config = JellyfinSimConfig {
        films: vec![
            Film::new("item-A", "A", &path),
            Film::new("item-B", "B", &path),
        ],
        ..JellyfinSimConfig::default()
    };
    let sim = JellyfinSim::start(config).await.unwrap();
    let key = SecretString::from(sim.api_key().to_owned());
    let client = JellyfinConfig::new(sim.base_url(), key).unwrap();
    let client = JellyfinClient::new(client).unwrap();
    let reporter = Arc::new(JellyfinReporter::new(client));
    let scheduler = surroundings.telling(reporter).await;
    let mut worker = scheduler.attach("w1", "life-1", vec![]).await.unwrap();
    party(&scheduler).await;
    edit(&scheduler, add(&["A", "B"])).await;
    start(&scheduler, &mut worker).await;
    heard(&sim, 1).await;
    act(&scheduler, &mut worker, Action::Pause(v1::Pause {}), 500).await;
    heard(&sim, 2).await;
    let skip = Action::Skip(v1::Skip::default());
    act(&scheduler, &mut worker, skip, 20).await;
    let heard = heard(&sim, 4).await;
    let words: Vec<_> = heard
        .iter()
        .map(|report| (report.event, report.body["ItemId"].as_str().unwrap()))
        .collect();
    let expected = [
        (PlaybackEvent::Started, "item-A"),
        (PlaybackEvent::Progress, "item-A"),
        (PlaybackEvent::Stopped, "item-A"),
        (PlaybackEvent::Started, "item-B"),
    ];
    assert_eq!(words, expected);
    assert_eq!(heard[1].body["IsPaused"], true);
    assert_eq!(heard[1].body["PositionTicks"], 5_000_000, "of 100 ns");
    scheduler.stop().await;
    sim.shutdown().await;
}

/// What the simulator was told, once it is so much.
async fn heard(sim: &JellyfinSim, count: usize) -> Vec<PlaybackReport> {
    let waiting = async {
        while sim.reports().len() < count {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let in_time = timeout(SOON, waiting).await;
    let reports = sim.reports();
    assert!(in_time.is_ok(), "{count} expected: {reports:?}");
    reports
}
