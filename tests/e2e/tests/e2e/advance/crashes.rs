//! Processes that are killed around a join: nothing is skipped or played twice.

use std::time::{Duration, Instant};

use discord_sim::CodedSecond;
use orb_e2e::{Ears, OrbProcess, Party, Queue, Roles, Setting, Surroundings, Title};
use orb_proto::v1::QueueStatus;

use super::{FILLED_MS, FILMS, GAP_MS, GUILD, SOON, assert_heard_once, joins};

/// Kills fall so far before and after the join.
const AROUND_MS: i64 = 300;

/// The most that a take-over may repeat or skip: `takeover_position_error_max_ms` of docs/benchmarks.md.
const TAKE_OVER_MS: f64 = 250.0;

/// How often: `ORB_ADVANCE_RUNS`, or three times.
fn runs() -> i64 {
    let asked = std::env::var("ORB_ADVANCE_RUNS").ok();
    asked.and_then(|runs| runs.parse().ok()).unwrap_or(3)
}

/// When the kill of a run falls, beside the join: evenly from one end to the other.
fn beside_join_ms(run: i64) -> i64 {
    match runs() - 1 {
        0 => 0,
        last => 2 * AROUND_MS * run / last - AROUND_MS,
    }
}

/// Waits until a kill beside the join of the first film is due, by the first packet of it.
async fn kill_is_due(ears: &Ears<'_>, since: Instant, beside_ms: i64) {
    let begun = ears.sound(since, SOON).await;
    let film = i64::from(FILMS[0].seconds()) * 1000;
    let after = Duration::from_millis((film + beside_ms) as u64);
    tokio::time::sleep_until((begun + after).into()).await;
}

/// How much more film the member heard than there is, in ms, from the first film's beginning to a second of the last of
/// `films`: what is above zero was played twice, what is below was skipped.
async fn surplus_ms(ears: &Ears<'_>, since: Instant, films: &[Title], second: u32) -> f64 {
    let sure = |one: &&CodedSecond| one.confirmed;
    let (last, before) = films.split_last().unwrap();
    orb_e2e::until("the last film", 2 * SOON, async || {
        let report = ears.report(since);
        let seconds: Vec<_> = report.seconds.iter().filter(sure).collect();
        // Each film is known by its last second.
        let mut from = 0;
        for film in before {
            let end = film.seconds() - 1;
            from += seconds[from..].iter().position(|one| one.second == end)? + 1;
        }
        let mut rest = seconds[from..].iter();
        let to = rest.rfind(|one| one.second == second)?;
        assert!(second < last.seconds());
        let whole: u32 = before.iter().map(|film| film.seconds()).sum();
        let begin = seconds.first()?;
        let heard = ears.heard(since).film_ms(begin, to);
        Some(heard - f64::from(whole + second - begin.second) * 1000.0)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_killed_around_a_join_is_replaced_there() {
    let surroundings = Surroundings::start(Setting::with(&FILMS).alone()).await;
    let mut roles = Roles::start(surroundings).await;
    let mut second = roles.start_worker("worker-2");
    let party = Party::create(&roles.api, GUILD).await;
    let mut queue = Queue::of(&party, roles.scheduler.grpc_addr().await);
    let mut worst: f64 = 0.0;
    for run in 0..runs() {
        second.media_addr().await;
        let ears = party.ears(&roles.surroundings.discord);
        // Short films are read at once, so that there may be no ffmpeg to know the holder by.
        let opened = |worker: &OrbProcess| worker.log().matches("source is open").count();
        let before = opened(&roles.worker);
        let since = Instant::now();
        let entries = queue.add(&roles.surroundings, &FILMS[..2]).await;
        queue.start().await;
        kill_is_due(&ears, since, beside_join_ms(run)).await;
        let first_holds = opened(&roles.worker) > before;
        if first_holds {
            roles.worker.kill().await;
        } else {
            second.kill().await;
        }
        let surplus = surplus_ms(&ears, since, &FILMS[..2], 2).await;
        let (last, again) = ears.longest_hole(since);
        println!(
            "measured worker killed {:+} ms beside the join: {surplus:+.0} ms heard too much, silent for {} ms",
            beside_join_ms(run),
            (again - last).as_millis()
        );
        worst = worst.max((surplus - FILLED_MS).abs());
        queue.becomes(entries[1], QueueStatus::Played, SOON).await;
        let status = queue.status_of(entries[0]).await;
        assert_eq!(status, Some(QueueStatus::Played), "not skipped, not failed");
        if first_holds {
            roles.start_worker_again();
            roles.worker.media_addr().await;
        } else {
            second = roles.start_worker("worker-2");
        }
    }
    println!(
        "measured worker killed around a join: off by at most {worst:.0} ms in {} runs",
        runs()
    );
    assert!(worst <= TAKE_OVER_MS, "{worst:.0} ms");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scheduler_that_is_killed_around_a_join_is_not_missed() {
    let surroundings = Surroundings::start(Setting::with(&FILMS).alone()).await;
    let mut roles = Roles::start(surroundings).await;
    let party = Party::create(&roles.api, GUILD).await;
    let mut queue = Queue::of(&party, roles.scheduler.grpc_addr().await);
    let (mut worst_gap, mut worst): (f64, f64) = (0.0, 0.0);
    for run in 0..runs() {
        let since = Instant::now();
        let entries = {
            let ears = party.ears(&roles.surroundings.discord);
            let entries = queue.add(&roles.surroundings, &FILMS).await;
            queue.start().await;
            kill_is_due(&ears, since, beside_join_ms(run)).await;
            entries
        };
        roles.scheduler.kill().await;
        roles.start_scheduler_again().await;
        let ears = party.ears(&roles.surroundings.discord);
        let surplus = surplus_ms(&ears, since, &FILMS, 2).await;
        let (_, joins) = joins(&ears, since);
        let join = joins.first().expect("the first join was heard");
        println!(
            "measured scheduler killed {:+} ms beside the join: gap {:+.1} ms, {surplus:+.0} ms heard too much",
            beside_join_ms(run),
            join.gap_ms
        );
        worst_gap = worst_gap.max(join.gap_ms);
        assert_heard_once(surplus, 2);
        worst = worst.max(surplus);
        queue.becomes(entries[2], QueueStatus::Played, SOON).await;
        for entry in &entries[..2] {
            let status = queue.status_of(*entry).await;
            assert_eq!(status, Some(QueueStatus::Played), "not skipped, not failed");
        }
    }
    println!(
        "measured scheduler killed around a join: worst gap {worst_gap:.1} ms, worst {worst:.0} ms of {} runs",
        runs()
    );
    assert!(worst_gap <= GAP_MS);
}
