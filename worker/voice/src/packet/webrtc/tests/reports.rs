//! What both ends say of the media.

use std::time::{Duration, SystemTime};

use str0m::media::KeyframeRequestKind;

use super::{
    film::Film,
    world::{World, ms, rtp_time},
};
use crate::packet::{MediaKind, PacketLayer};

/// By a sender report: the sender's wall clock at an RTP time.
fn wall_clock(world: &World, kind: MediaKind, rtp: u32, until: usize) -> Option<SystemTime> {
    let (mid, rate) = match kind {
        MediaKind::Audio => ("0", 48_000.0),
        MediaKind::Video => ("1", 90_000.0),
    };
    let reports = world.server.reports[..until].iter();
    let mut of_kind = reports.filter(|(_, report)| report.mid == mid.into());
    let info = &of_kind.next_back()?.1.sender_info;
    let ticks = rtp.wrapping_sub(info.rtp_time.numer() as u32).cast_signed();
    let seconds = f64::from(ticks) / rate;
    let away = Duration::from_secs_f64(seconds.abs());
    Some(if seconds < 0.0 {
        info.ntp_time - away
    } else {
        info.ntp_time + away
    })
}

#[test]
fn sender_reports_put_sound_and_picture_of_one_moment_on_one_time() {
    let mut world = World::connected(ms(30));
    let from = world.now - world.start;
    Film::new(2_000_000, from).play(&mut world, from + Duration::from_secs(4));
    // Nothing is sent for a while, as in a pause, and the clocks go on.
    world.run_for(ms(1_500));
    let from = world.now - world.start;
    Film::new(2_000_000, from).play(&mut world, from + Duration::from_secs(4));
    world.run_for(ms(500));

    let reports = world.server.reports.len();
    assert!(reports >= 16, "{reports}");
    let (mut compared, mut worst) = (0, Duration::ZERO);
    for until in 1..=reports {
        let moment = from + ms(1_000);
        let at = |kind| wall_clock(&world, kind, rtp_time(kind, moment), until);
        let (Some(sound), Some(picture)) = (at(MediaKind::Audio), at(MediaKind::Video)) else {
            continue;
        };
        let apart = sound
            .duration_since(picture)
            .unwrap_or_else(|earlier| earlier.duration());
        worst = worst.max(apart);
        compared += 1;
    }
    println!("measured: sound and picture of one moment are at most {worst:?} apart");
    assert!(compared >= 15, "{compared}");
    assert!(worst < ms(1), "{worst:?}");
}

#[test]
fn the_first_reports_come_with_the_first_frames_and_are_right() {
    let mut world = World::connected(ms(10));
    world.run_for(ms(1_500));
    assert!(world.server.reports.is_empty(), "nothing to report on yet");
    let from = world.now - world.start;
    Film::new(2_000_000, from).play(&mut world, from + ms(200));
    assert_eq!(world.server.reports.len(), 2);
    for kind in [MediaKind::Audio, MediaKind::Video] {
        let rtp = rtp_time(kind, from);
        let said = wall_clock(&world, kind, rtp, 2).unwrap();
        let other = match kind {
            MediaKind::Audio => MediaKind::Video,
            MediaKind::Video => MediaKind::Audio,
        };
        let same = wall_clock(&world, other, rtp_time(other, from), 2).unwrap();
        let apart = said
            .duration_since(same)
            .unwrap_or_else(|earlier| earlier.duration());
        assert!(apart < ms(1), "{apart:?}");
    }
}

#[test]
fn requests_for_key_frames_are_counted() {
    let mut world = World::connected(ms(10));
    let from = world.now - world.start;
    let mut film = Film::new(1_000_000, from);
    film.play(&mut world, from + ms(500));
    assert_eq!(world.layer.key_frame_requests(), 0);
    world.server.ask_for_a_key_frame(KeyframeRequestKind::Pli);
    film.play(&mut world, from + ms(1_000));
    assert_eq!(world.layer.key_frame_requests(), 1);
    world.server.ask_for_a_key_frame(KeyframeRequestKind::Fir);
    film.play(&mut world, from + ms(1_500));
    assert_eq!(world.layer.key_frame_requests(), 2);
}

#[test]
fn ten_reports_a_second_say_what_is_sent_and_how_long_the_way_is() {
    let mut world = World::connected(ms(40));
    let from = world.now - world.start;
    let mut film = Film::new(2_000_000, from);
    film.play(&mut world, from + Duration::from_secs(5));
    let reports = world.reports.len();
    world.reports.clear();
    assert!((40..=51).contains(&reports), "{reports}");
    film.play(&mut world, from + Duration::from_secs(10));
    for (at, report) in &world.reports {
        let sent = report.sent as f64;
        assert!((1.5e6..6.0e6).contains(&sent), "{at:?} {report:?}");
        assert!(report.estimate.is_some(), "{report:?}");
        assert!(
            report.loss == 0.0 && report.queue_delay < ms(30),
            "{report:?}"
        );
        let rtt = report.rtt.unwrap();
        assert!((ms(80)..ms(85)).contains(&rtt), "{rtt:?}");
    }
}
