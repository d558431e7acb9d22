//! Lost packets are sent again in time.

use std::time::Duration;

use super::{
    film::Film,
    world::{World, ms},
};
use crate::packet::MediaKind;

const ONE_WAY: Duration = Duration::from_millis(80);

/// Plays for `seconds`; returns how long after it was sent each picture was whole at the server.
fn play(loss: f64, seconds: u64) -> (World, Vec<Duration>) {
    let mut world = World::connected(ONE_WAY);
    world.up.loss = loss;
    let from = world.now - world.start;
    let mut film = Film::new(2_500_000, from);
    film.play(&mut world, from + Duration::from_secs(seconds));
    world.run_for(Duration::from_secs(2));
    let got: Vec<_> = world.got(MediaKind::Video).map(<[u8]>::to_vec).collect();
    let mut estimates: Vec<_> = world
        .reports
        .iter()
        .skip(50)
        .filter_map(|(_, report)| report.estimate)
        .collect();
    estimates.sort_unstable();
    let (least, tenth) = (estimates[0], estimates[estimates.len() / 10]);
    println!("measured: {loss} lost: estimate at least {least}, nine tenths of the time {tenth}");
    let pictures: Vec<_> = film.pictures.iter().map(|(_, picture)| picture).collect();
    assert_eq!(film.refused, 0);
    assert_eq!(got.len(), pictures.len(), "pictures were lost");
    assert!(got.iter().eq(pictures), "as they were sent, and in order");
    let arrived = world.server.frames.iter();
    let arrived = arrived.filter(|(_, frame)| frame.mid == "1".into());
    let times = arrived
        .zip(&film.pictures)
        .map(|((at, _), (sent, _))| *at - world.at(*sent))
        .collect();
    (world, times)
}

fn percentile(times: &[Duration], percent: usize) -> Duration {
    let mut times = times.to_vec();
    times.sort_unstable();
    times[(times.len() * percent / 100).min(times.len() - 1)]
}

#[test]
fn without_loss_only_the_way_is_waited_for() {
    let (world, times) = play(0.0, 20);
    let (p50, p99) = (percentile(&times, 50), percentile(&times, 99));
    println!("measured: no loss, 80 ms: p50 {p50:?} p99 {p99:?}");
    assert!(p50 < ms(90) && p99 < ms(250), "{p50:?} {p99:?}");
    assert!(world.last_report().loss < 0.001);
}

#[test]
fn two_percent_lost_are_all_sent_again() {
    let (world, times) = play(0.02, 60);
    let (p99, worst) = (percentile(&times, 99), percentile(&times, 100));
    println!("measured: 2 % lost, 80 ms: p99 {p99:?} worst {worst:?}");
    assert!(p99 < ms(500) && worst < ms(1_000), "{p99:?} {worst:?}");
    let losses: Vec<_> = world
        .reports
        .iter()
        .map(|(_, report)| report.loss)
        .collect();
    let mean = losses.iter().sum::<f32>() / losses.len() as f32;
    assert!((0.012..0.028).contains(&mean), "{mean}");
}

#[test]
fn five_percent_lost_are_all_sent_again() {
    let (_, times) = play(0.05, 60);
    let (p99, worst) = (percentile(&times, 99), percentile(&times, 100));
    println!("measured: 5 % lost, 80 ms: p99 {p99:?} worst {worst:?}");
    assert!(p99 < ms(800) && worst < ms(1_000), "{p99:?} {worst:?}");
}
