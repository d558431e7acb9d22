//! The picture in the voice channel: what a member sees of a film, and that it is the one that is heard.

mod changes;
mod losses;
mod silent;

use std::time::{Duration, Instant};

use discord_sim::TimedPicture;
use orb_e2e::{Answer, ApiParty, Ears, Eyes, Party, Roles, Setting, Surroundings, Title, until};
use serde_json::json;

const GUILD: u64 = 111;

/// For anything that opens a file and starts an encoder, on a busy machine.
const SOON: Duration = Duration::from_secs(20);

/// Where pictures come 24 times a second.
const TWO_SECONDS: usize = 48;

/// How far picture and sound may be apart, in ms, on a machine that does other things meanwhile. (The figure of a quiet
/// machine is a benchmark's: docs/benchmarks.md.)
const IN_STEP_MS: f64 = 80.0;

struct Stage {
    roles: Roles,
    party: Party,
}

impl Stage {
    /// A party with a picture, and nothing that plays.
    async fn set(titles: &[Title]) -> Self {
        let setting = Setting {
            go_live: true,
            ..Setting::with(titles)
        };
        let roles = Roles::start(Surroundings::start(setting.alone()).await).await;
        let created = ApiParty::create(&roles.api, GUILD, json!({"goLive": true})).await;
        let party = created.contract().clone();
        Self { roles, party }
    }

    async fn playing(title: Title) -> Self {
        let stage = Self::set(&[title]).await;
        stage.play(title).await;
        stage
    }

    async fn play(&self, title: Title) {
        let answer = self.party.play_title(&self.roles.surroundings, title).await;
        assert!(matches!(answer.code, 200 | 202), "{}", answer.text);
    }

    fn eyes(&self) -> Eyes<'_> {
        Eyes::of(&self.roles.surroundings.discord, GUILD)
    }

    fn ears(&self) -> Ears<'_> {
        self.party.ears(&self.roles.surroundings.discord)
    }

    /// Waits for some seconds of film from now on, and says how far picture and sound are apart at most.
    async fn assert_in_step(&self, what: &str) -> Vec<TimedPicture> {
        let since = Instant::now();
        let pictures = self.eyes().sees(3 * TWO_SECONDS, since, SOON).await;
        self.ears().seconds(since, 3, SOON).await;
        let skews = self.eyes().skews(since);
        assert!(skews.len() >= 2, "{what}: too few to tell");
        let mut behind: Vec<_> = skews.iter().map(|skew| skew.came_ms).collect();
        behind.sort_by(f64::total_cmp);
        let middle = behind[behind.len() / 2];
        let (least, most) = (behind[0], behind[behind.len() - 1]);
        println!(
            "measured {what}: pictures came behind the sound of {} seconds by {least:+.1}, {middle:+.1}, {most:+.1} ms",
            behind.len()
        );
        assert!(middle.abs() <= IN_STEP_MS, "{what}: out of step");
        pictures
    }

    /// Waits until all connections that showed pictures are closed.
    async fn streams_end(&self) {
        until("the streams to end", SOON, async || {
            let seen = self.eyes().seen();
            let mut connections = seen.connections.iter();
            connections
                .all(|connection| connection.closed_at.is_some())
                .then_some(())
        })
        .await;
    }

    fn assert_nothing_in_the_clear(&self) {
        let seen = self.eyes().seen().totals();
        assert_eq!((seen.in_the_clear, seen.unannounced), (0, 0), "{seen:?}");
        assert_eq!(seen.undecryptable, 0, "{seen:?}");
        let heard = self.roles.surroundings.discord.heard(GUILD).totals();
        assert_eq!(heard.in_the_clear, 0, "{heard:?}");
    }
}

/// Each shows a later time than the one before, by no more than two pictures' time.
fn assert_unbroken(pictures: &[TimedPicture]) {
    let times: Vec<_> = pictures
        .iter()
        .filter_map(|picture| picture.media)
        .collect();
    for pair in times.windows(2) {
        let by = pair[1].checked_sub(pair[0]);
        let fits = by.is_some_and(|by| by > Duration::ZERO && by <= Duration::from_millis(90));
        assert!(fits, "{:?} after {:?}", pair[1], pair[0]);
    }
}

fn has_picture(status: &Answer) -> bool {
    status.body["picture"]["picturesSent"]
        .as_u64()
        .is_some_and(|sent| sent > 0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_film_is_seen_as_it_is_heard() {
    let began = Instant::now();
    let stage = Stage::playing(Title::Clock).await;
    let pictures = stage.assert_in_step("play").await;
    assert_unbroken(&pictures);
    let told = stage
        .party
        .becomes_so("its picture told", SOON, has_picture)
        .await;
    let told = told.body;
    assert_eq!(
        told["capabilities"],
        json!(["voice", "watch", "golive"]),
        "{told}"
    );
    println!("status: {told}");

    stage.party.control("pause").await.expect_code(200);
    let paused = Instant::now() + Duration::from_millis(300);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(
        stage.eyes().count(paused),
        0,
        "a paused film sends no pictures"
    );
    let before = stage.eyes().pictures(began);
    let stood = before.last().and_then(|picture| picture.media).unwrap();
    let since = Instant::now();
    stage.party.control("resume").await.expect_code(200);
    let resumed = stage.eyes().sees(TWO_SECONDS, since, SOON).await;
    let went_on = resumed[0].media.unwrap();
    assert!(
        went_on > stood && went_on <= stood + Duration::from_millis(90),
        "stood at {stood:?}, went on at {went_on:?}"
    );
    stage.assert_in_step("after a pause").await;

    let since = Instant::now();
    stage.party.seek(60.0).await.expect_code(200);
    until("a picture of the new place", SOON, async || {
        let pictures = stage.eyes().pictures(since);
        let there = |picture: &TimedPicture| picture.media >= Some(Duration::from_secs(58));
        pictures.into_iter().find(there)
    })
    .await;
    stage.assert_in_step("after a seek").await;
    stage.assert_nothing_in_the_clear();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_film_that_has_to_be_transcoded_is_seen_too() {
    let stage = Stage::playing(Title::TenBit).await;
    let pictures = stage.assert_in_step("transcode").await;
    assert_unbroken(&pictures);
    let since = Instant::now();
    stage.party.seek(43.0).await.expect_code(200);
    until("a picture of the new place", SOON, async || {
        let pictures = stage.eyes().pictures(since);
        let there = |picture: &TimedPicture| picture.media >= Some(Duration::from_secs(43));
        pictures.into_iter().find(there)
    })
    .await;
    stage.assert_in_step("transcode after a seek").await;
    stage.assert_nothing_in_the_clear();
}

#[tokio::test(flavor = "multi_thread")]
async fn another_worker_goes_on_with_the_picture() {
    let began = Instant::now();
    let mut stage = Stage::playing(Title::Clock).await;
    stage.assert_in_step("before").await;
    stage.roles.worker.kill().await;
    let last = stage.eyes().pictures(began);
    let last = *last.last().unwrap();
    let killed = Instant::now();
    stage.roles.start_worker_again();
    let next = stage.eyes().sees(TWO_SECONDS, killed, SOON).await;
    let (stood, went_on) = (last.media.unwrap(), next[0].media.unwrap());
    println!(
        "measured take-over: {stood:?} at the kill, {went_on:?} after {:?}",
        next[0].moment.at - last.moment.at
    );
    // A copy begins at a key frame, and there is one every 2 s; the position told last is at most a second old.
    assert!(
        went_on + Duration::from_millis(3100) >= stood,
        "{stood:?} {went_on:?}"
    );
    assert!(
        went_on <= stood + Duration::from_secs(1),
        "{stood:?} {went_on:?}"
    );
    stage.assert_in_step("after a take-over").await;
    stage.assert_nothing_in_the_clear();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_film_and_a_stop() {
    let stage = Stage::set(&[Title::Clock, Title::Short]).await;
    stage.play(Title::Short).await;
    let since = Instant::now();
    stage.eyes().sees(TWO_SECONDS, since, SOON).await;
    let since = Instant::now();
    stage.play(Title::Clock).await;
    stage.eyes().sees(TWO_SECONDS, since, SOON).await;
    stage.assert_in_step("the next film").await;
    stage.party.control("stop").await.expect_code(200);
    let stopped = Instant::now() + Duration::from_secs(1);
    stage.streams_end().await;
    assert_eq!(stage.eyes().count(stopped), 0);
    stage.assert_nothing_in_the_clear();
}
