#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use orb_video::ladder::Ladder;
use orb_voice::Wants;

use super::*;

mod stage;

use stage::{Bench, MS, PICTURE_MS, append_pictures, append_sound, each, film, picture};

#[test]
fn a_film_is_shown_in_order_in_step_and_on_time() {
    let mut bench = Bench::new();
    bench.play(&film(1, 90_000, 90_000, 93_000));
    bench.runs(2_000);
    assert_eq!(bench.shown(), each(90_000, 92_000));
    bench.is_in_step();
    bench.is_prompt(2 * MS);
    let counts = bench.screen.total();
    assert_eq!((counts.sent, counts.late, counts.left_out), (50, 0, 0));
}

#[test]
fn pause_cut_and_starvation_hold_the_picture_and_it_goes_on_in_step() {
    let mut bench = Bench::new();
    let track = film(1, 0, 7, 10_000);
    bench.play(&track);
    bench.runs(995);
    bench.clock.pause();
    let before = bench.shown().len();
    bench.runs(3_333);
    assert_eq!(bench.shown().len(), before, "it stands");
    bench.clock.resume();
    bench.runs(500);
    bench.connected = false;
    bench.runs(777);
    bench.connected = true;
    bench.runs(500);
    assert_eq!(
        bench.shown(),
        each(7, bench.shown().len() as u64 * PICTURE_MS)
    );
    bench.is_in_step();
    // The cut came between a frame of sound and its picture, which comes with the next frame.
    bench.is_prompt(7 * MS);

    // The sound is away, the pictures are there.
    let mut bench = Bench::new();
    let track = film(1, 0, 0, 400);
    append_pictures(&track, 400, 2_000);
    bench.play(&track);
    bench.runs(1_000);
    assert_eq!(bench.shown(), each(0, 400));
    append_sound(&track, 400, 2_000);
    bench.runs(1_000);
    assert_eq!(bench.shown().len(), 35);
    bench.is_in_step();
    bench.is_prompt(6 * MS);
}

#[test]
fn pictures_that_come_late_go_at_once_in_order() {
    let mut bench = Bench::new();
    let track = film(1, 0, 0, 200);
    append_sound(&track, 200, 4_000);
    bench.play(&track);
    bench.runs(599);
    assert_eq!(bench.shown(), each(0, 200));
    append_pictures(&track, 200, 4_000);
    bench.runs(1);
    assert_eq!(bench.shown(), each(0, 600), "at once");
    bench.runs(400);
    assert_eq!(bench.shown(), each(0, 1_000));
    bench.is_in_step();
    assert_eq!(bench.screen.total().late, 10);
}

#[test]
fn a_seek_leads_in_with_what_the_decoder_needs() {
    let mut bench = Bench::new();
    bench.play(&film(1, 0, 0, 10_000));
    bench.runs(500);
    let before = bench.shown().len();
    // Its pictures begin at the key frame before.
    let track = film(2, 60_000, 60_000, 60_000);
    append_sound(&track, 60_000, 61_000);
    let queue = track.pictures.as_ref().unwrap();
    for pts_ms in each(58_000, 61_000) {
        queue.push(picture(pts_ms, pts_ms == 58_000, None)).unwrap();
    }
    bench.play(&track);
    bench.runs(5);
    bench.runs(20);
    let (begun, _) = bench.sound.iter().find(|(ms, _)| *ms == 60_000).unwrap();
    assert_eq!(*begun, 60_000);
    assert_eq!(bench.shown()[before..], each(58_000, 60_040));
    bench.runs(400);
    bench.is_in_step();
    assert_eq!(bench.screen.total().late, 0, "what leads in is not late");
}

#[test]
fn the_next_films_pictures_begin_with_its_sound() {
    let mut bench = Bench::new();
    let (first, second) = (film(1, 0, 0, 1_000), film(2, 0, 0, 5_000));
    // The picture of the first is a little longer than its sound.
    append_pictures(&first, 1_000, 1_200);
    first.frames.finish();
    bench.play(&first);
    bench.clock.follow_with(second);
    bench.runs(2_000);
    let mut both = each(0, 1_000);
    both.extend(each(0, 1_000));
    assert_eq!(bench.shown(), both);
    let joined = bench.pictures[25];
    let heard = bench.sound[50];
    let decoded = heard.1 + Duration::from_micros(6_500);
    assert_eq!((joined.2, heard.0), (decoded, 0));
    bench.is_prompt(2 * MS);
    let film = bench.clock.film();
    let snapshot = bench.screen.read(film.as_ref().unwrap()).unwrap();
    assert_eq!(snapshot.entry.sent, 25, "of the second");
}

#[test]
fn an_end_of_the_sound_ends_the_pictures_until_it_goes_on() {
    let mut bench = Bench::new();
    let track = film(1, 0, 0, 3_000);
    bench.play(&track);
    track.frames.end_at(Some(1_000));
    bench.runs(1_500);
    assert_eq!(bench.shown(), each(0, 1_000));
    track.frames.go_on();
    bench.play(&track);
    bench.runs(500);
    assert_eq!(bench.shown(), each(0, 1_500));
    bench.is_in_step();
}

#[test]
fn a_gap_in_the_sound_is_followed_at_once() {
    let mut bench = Bench::new();
    let track = film(1, 0, 0, 1_000);
    append_sound(&track, 1_300, 3_000);
    append_pictures(&track, 1_000, 3_000);
    bench.play(&track);
    bench.runs(1_000);
    assert_eq!(bench.shown(), each(0, 1_000));
    bench.runs(10);
    assert_eq!(
        bench.shown(),
        each(0, 1_320),
        "what was passed over and what is due"
    );
    bench.runs(500);
    bench.is_in_step();
}

#[test]
fn what_lay_in_the_queue_while_there_was_no_stream_is_passed_over() {
    let mut bench = Bench::new();
    let track = film(1, 0, 0, 20_000);
    bench.play(&track);
    for _ in 0..500 {
        bench.tick(bench.start);
    }
    bench.runs(100);
    assert_eq!(bench.shown()[0], 10_000);
}

#[test]
fn without_a_picture_nothing_is_shown_and_without_a_film_nobody_asks_again() {
    let mut bench = Bench::new();
    let now = bench.now;
    let idle = bench.screen.next(None, now);
    assert_eq!(idle, NextPicture::Idle);
    let mut track = film(1, 0, 0, 1_000);
    track.pictures = None;
    bench.play(&track);
    bench.runs(100);
    assert!(bench.shown().is_empty());
    let film = bench.clock.film();
    assert_eq!(bench.screen.format(film.as_ref().unwrap()), None);
    assert_eq!(bench.screen.read(film.as_ref().unwrap()), None);
}

#[test]
fn a_line_that_breaks_down_drains_and_goes_on_with_the_new_encoder() {
    let mut bench = Bench::new();
    let rungs = Ladder::for_film(1280, 720, 25.0, 4_000_000);
    let top = *rungs.rungs().last().unwrap();
    let track = film(1, 0, 0, 0);
    append_sound(&track, 0, 20_000);
    let queue = Arc::clone(track.pictures.as_ref().unwrap());
    let push = |from, to, rung| {
        for pts_ms in each(from, to) {
            let idr = pts_ms % 1_000 == 0;
            queue.push(picture(pts_ms, idr, Some(rung))).unwrap();
        }
    };
    push(0, 4_000, top);
    bench.screen.planned(
        1,
        Some(PicturePlan {
            ladder: rungs,
            copies: false,
            rung: Some(top),
            costs: Vec::new(),
        }),
    );
    bench.play(&track);
    let mut asked = None;
    while asked.is_none() {
        bench.runs(100);
        let report = LineReport {
            estimate: Some(1_000_000),
            sent: 4_000_000,
            loss: 0.0,
            queue_delay: Duration::from_millis(250),
            rtt: None,
            wants: Wants::default(),
        };
        let film = bench.clock.film();
        let (_, ask) = bench.screen.line(film.as_ref(), &report, bench.now);
        asked = ask.map(|ask| (ask, bench.shown().len()));
        assert!(bench.ticks < 100, "within 2 s");
    }
    let ((run, rung), before) = asked.unwrap();
    assert_eq!(run, 1);
    let low = rung.unwrap();
    assert!(low.bits_per_second < top.bits_per_second);
    bench.runs(400);
    assert_eq!(bench.shown().len(), before, "it drains");
    push(4_000, 6_000, low);
    bench.screen.rung_changed(1, rung);
    bench.runs(6_000 - u64::from(bench.ticks) * 20);
    let shown = bench.shown();
    assert_eq!(shown[before], 4_000, "with its first picture: {shown:?}");
    assert_eq!(bench.screen.total().rung_changes, 1);
    bench.is_in_step();
    let film = bench.clock.film();
    let format = bench.screen.format(film.as_ref().unwrap()).unwrap();
    assert_eq!(format.bits_per_second, low.bits_per_second);
    // Of a seek's pipeline nothing is known yet.
    bench.play(&self::film(2, 0, 0, 1_000));
    let film = bench.clock.film();
    assert_eq!(bench.screen.format(film.as_ref().unwrap()), Some(format));
    assert_eq!(
        bench.screen.read(film.as_ref().unwrap()).unwrap().format,
        None
    );
}

/// The owner hears of a change on another way than its first picture comes, and later on a busy machine.
#[test]
fn what_is_told_of_the_picture_is_of_the_one_that_was_sent() {
    let mut bench = Bench::new();
    let ladder = Ladder::for_film(1280, 720, 25.0, 4_000_000);
    let (low, top) = (ladder.rungs()[0], *ladder.rungs().last().unwrap());
    let track = film(1, 0, 0, 0);
    append_sound(&track, 0, 4_000);
    let queue = Arc::clone(track.pictures.as_ref().unwrap());
    for pts_ms in each(0, 4_000) {
        let rung = if pts_ms < 2_000 { top } else { low };
        queue
            .push(picture(pts_ms, pts_ms % 1_000 == 0, Some(rung)))
            .unwrap();
    }
    let plan = PicturePlan {
        ladder,
        copies: false,
        rung: Some(top),
        costs: Vec::new(),
    };
    bench.screen.planned(1, Some(plan));
    bench.play(&track);
    for (changes, rung) in [(0, top), (1, low)] {
        bench.runs(1_500);
        let film = bench.clock.film();
        let snapshot = bench.screen.read(film.as_ref().unwrap()).unwrap();
        assert_eq!(snapshot.entry.rung_changes, changes);
        let format = snapshot.format.unwrap();
        assert_eq!(format.bits_per_second, rung.bits_per_second);
    }
}

#[test]
fn a_line_says_nothing_while_the_sound_stands() {
    let mut bench = Bench::new();
    let track = film(1, 0, 0, 10_000);
    bench.screen.planned(
        1,
        Some(PicturePlan {
            ladder: Ladder::for_film(1280, 720, 25.0, 4_000_000),
            copies: false,
            rung: None,
            costs: Vec::new(),
        }),
    );
    bench.play(&track);
    bench.runs(500);
    bench.clock.pause();
    let report = LineReport {
        estimate: Some(100_000),
        sent: 0,
        loss: 0.5,
        queue_delay: Duration::from_secs(1),
        rtt: None,
        wants: Wants::default(),
    };
    for _ in 0..50 {
        bench.runs(100);
        let film = bench.clock.film();
        let answer = bench.screen.line(film.as_ref(), &report, bench.now);
        assert_eq!(answer, (0, None));
    }
    let film = bench.clock.film();
    let snapshot = bench.screen.read(film.as_ref().unwrap()).unwrap();
    assert_eq!((snapshot.estimate, snapshot.loss), (Some(100_000), 0.5));
}

#[test]
fn key_frames_that_were_asked_for_are_counted_for_each_film_over_all_connections() {
    let mut bench = Bench::new();
    bench.play(&film(1, 0, 0, 1_000));
    let asked = |bench: &mut Bench, on_connection| {
        bench.screen.key_frames_asked(on_connection);
        let film = bench.clock.film();
        let snapshot = bench.screen.read(film.as_ref().unwrap()).unwrap();
        snapshot.entry.key_frame_requests
    };
    assert_eq!(
        [0, 2, 2, 3].map(|seen| asked(&mut bench, seen)),
        [0, 2, 2, 3]
    );
    assert_eq!(asked(&mut bench, 1), 4, "of another connection");
    assert_eq!(asked(&mut bench, 0), 4, "of one more");
    bench.play(&film(2, 0, 0, 1_000));
    assert_eq!(asked(&mut bench, 0), 0, "for the first film");
    assert_eq!(bench.screen.total().key_frame_requests, 4);
}

#[test]
fn a_film_without_a_picture_ends_that_of_the_one_before() {
    let mut bench = Bench::new();
    let ladder = Ladder::for_film(1280, 720, 25.0, 4_000_000);
    let rung = Some(ladder.rungs()[0]);
    let plan = PicturePlan {
        ladder,
        copies: false,
        rung,
        costs: Vec::new(),
    };
    bench.screen.planned(1, Some(plan.clone()));
    bench.play(&film(1, 0, 0, 1_000));
    let look = |bench: &mut Bench| {
        let film = bench.clock.film();
        let film = film.as_ref().unwrap();
        let (format, read) = (bench.screen.format(film), bench.screen.read(film));
        (format.is_some(), read.is_some())
    };
    assert_eq!(look(&mut bench), (true, true));
    // Its pictures were asked for, and the probe found none.
    bench.play(&film(2, 0, 0, 1_000));
    assert_eq!(
        look(&mut bench),
        (true, true),
        "nobody has looked at it yet"
    );
    bench.screen.planned(2, None);
    assert_eq!(look(&mut bench), (false, false));
    bench.play(&film(3, 0, 0, 1_000));
    assert_eq!(look(&mut bench), (false, true), "as before it");
    bench.screen.planned(3, Some(plan));
    assert_eq!(look(&mut bench), (true, true));
}
