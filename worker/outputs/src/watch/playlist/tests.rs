#![allow(clippy::unwrap_used)]
use m3u8_rs::parse_media_playlist_res;

use super::*;

fn segments(numbers: std::ops::Range<u64>) -> impl Iterator<Item = Segment> {
    numbers.map(|n| Segment {
        number: n,
        file: format!("seg-{n}.m4s"),
        start_ms: n * 2000,
        duration: 2.0,
    })
}

fn rendered(timeline: &Timeline) -> MediaPlaylist {
    parse_media_playlist_res(timeline.render().unwrap().as_bytes()).unwrap()
}

fn one_run(numbers: std::ops::Range<u64>) -> Timeline {
    let mut timeline = Timeline::new(0);
    timeline.begin_run(1);
    timeline.extend("a", segments(numbers));
    timeline
}

fn uris(playlist: &MediaPlaylist) -> Vec<&str> {
    playlist
        .segments
        .iter()
        .map(|segment| &*segment.uri)
        .collect()
}

#[test]
fn a_segments_date_is_its_media_time() {
    let mut timeline = Timeline::new(0);
    timeline.begin_run(7);
    let segment = Segment {
        number: 0,
        file: "seg-0.m4s".into(),
        start_ms: 3_723_004,
        duration: 1.92,
    };
    timeline.extend("a", [segment]);
    let expected = "\
        #EXTM3U\n\
        #EXT-X-VERSION:7\n\
        #EXT-X-INDEPENDENT-SEGMENTS\n\
        #EXT-X-TARGETDURATION:2\n\
        #EXT-X-MAP:URI=\"a/init.mp4\"\n\
        #EXT-X-PROGRAM-DATE-TIME:1970-01-01T01:02:03.004Z\n\
        #EXT-X-ORB-GENERATION:7\n\
        #EXTINF:1.92,\n\
        a/seg-0.m4s\n";
    assert_eq!(timeline.render().unwrap(), expected);
}

#[test]
fn nothing_is_rendered_without_a_segment() {
    assert_eq!(Timeline::new(0).render(), None);
}

#[test]
fn what_lies_thirty_seconds_behind_the_clock_goes_and_all_ahead_stays() {
    let mut timeline = one_run(0..60);
    timeline.forget_before(70_000);
    let playlist = rendered(&timeline);
    // Segment 19 ends at 40 s, on the edge of the window.
    assert_eq!((playlist.media_sequence, playlist.segments.len()), (19, 41));
    assert_eq!(playlist.segments[0].uri, "a/seg-19.m4s");
    assert!(
        playlist.segments[0].map.is_some(),
        "whatever is first names its init segment"
    );
    assert_eq!(playlist.discontinuity_sequence, 0);
}

#[test]
fn a_clock_from_before_a_seek_back_empties_nothing() {
    let mut timeline = one_run(0..5);
    timeline.forget_before(3_000_000);
    assert_eq!(rendered(&timeline).segments.len(), 5);
}

#[test]
fn a_restarted_encoder_goes_on_after_a_discontinuity_without_doubles() {
    let mut timeline = one_run(0..5);
    timeline.begin_run(1);
    timeline.extend("b", segments(3..7));
    let playlist = rendered(&timeline);
    assert_eq!(
        uris(&playlist)[4..],
        ["a/seg-4.m4s", "b/seg-5.m4s", "b/seg-6.m4s"]
    );
    let at: Vec<bool> = playlist
        .segments
        .iter()
        .map(|segment| segment.discontinuity)
        .collect();
    assert_eq!(at, [false, false, false, false, false, true, false]);
    assert_eq!(playlist.segments[5].map.as_ref().unwrap().uri, "b/init.mp4");
    assert_eq!(
        (playlist.media_sequence, playlist.discontinuity_sequence),
        (0, 0)
    );
}

#[test]
fn the_discontinuity_sequence_rises_when_the_discontinuity_leaves_the_window() {
    let mut timeline = one_run(0..5);
    timeline.begin_run(1);
    timeline.extend("b", segments(5..40));
    timeline.forget_before(60_000);
    let playlist = rendered(&timeline);
    assert_eq!(
        (playlist.media_sequence, playlist.discontinuity_sequence),
        (14, 1)
    );
    assert!(!playlist.segments[0].discontinuity);
}

#[test]
fn a_seek_lists_the_new_run_only_and_the_numbers_rise() {
    let mut timeline = one_run(100..105);
    timeline.begin_run(2);
    assert_eq!(
        timeline.render(),
        None,
        "the old place is not shown as the new one"
    );
    timeline.extend("b", segments(0..2));
    let playlist = rendered(&timeline);
    assert_eq!(uris(&playlist), ["b/seg-0.m4s", "b/seg-1.m4s"]);
    assert_eq!(
        (playlist.media_sequence, playlist.discontinuity_sequence),
        (5, 1)
    );
    let generation = &playlist.segments[0].unknown_tags[0];
    assert_eq!(generation.to_string(), "#EXT-X-ORB-GENERATION:2");
}

#[test]
fn a_run_that_made_nothing_leaves_no_trace() {
    let mut timeline = one_run(0..2);
    timeline.begin_run(1);
    timeline.extend("empty", segments(0..0));
    timeline.begin_run(1);
    timeline.extend("c", segments(2..3));
    let playlist = rendered(&timeline);
    assert_eq!(
        playlist
            .segments
            .iter()
            .filter(|segment| segment.discontinuity)
            .count(),
        1
    );
}

#[test]
fn an_end_is_an_end_until_a_new_run_begins() {
    let mut timeline = one_run(0..2);
    timeline.complete();
    assert!(rendered(&timeline).end_list);
    timeline.begin_run(2);
    timeline.extend("b", segments(0..1));
    assert!(!rendered(&timeline).end_list);
}

#[test]
fn a_film_that_is_followed_has_no_end() {
    let mut timeline = one_run(0..2);
    timeline.complete();
    timeline.followed(true);
    assert!(!rendered(&timeline).end_list);
    timeline.followed(false);
    assert!(rendered(&timeline).end_list);
}

#[test]
fn the_target_duration_never_falls() {
    let mut timeline = Timeline::new(0);
    timeline.begin_run(1);
    timeline.extend(
        "a",
        [Segment {
            number: 0,
            file: "seg-0.m4s".into(),
            start_ms: 0,
            duration: 9.2,
        }],
    );
    timeline.begin_run(2);
    timeline.extend("b", segments(0..3));
    assert_eq!(rendered(&timeline).target_duration, 10);
}

#[test]
fn a_later_lease_has_higher_numbers() {
    let last = rendered(&one_run(0..60));
    let mut timeline = Timeline::new(1);
    timeline.begin_run(1);
    timeline.extend("c", segments(0..1));
    let first = rendered(&timeline);
    assert!(first.media_sequence > last.media_sequence + 60);
    assert!(first.discontinuity_sequence > last.discontinuity_sequence);
}

#[test]
fn what_ffmpeg_deletes_is_not_listed_even_if_nobody_knows_the_time() {
    let mut timeline = one_run(0..10);
    timeline.forget_deleted("other", 9);
    timeline.forget_deleted("a", 4);
    let playlist = rendered(&timeline);
    assert_eq!((playlist.media_sequence, playlist.segments.len()), (4, 6));
}
