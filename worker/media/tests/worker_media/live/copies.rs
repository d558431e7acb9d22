//! Films whose own packets are sent.

use orb_worker_media::VideoPlan;

use super::*;

#[tokio::test]
async fn a_film_that_can_be_sent_is_copied_picture_by_picture() {
    let server = Server::with(sendable_film()).await;
    let (media, _spool) = media(&server, RUN_AHEAD).await;
    let film = source_pts(&sendable_film());
    for watch in [false, true] {
        let mut spec = live(spec(&server.url("/ok/film"), 0));
        if watch {
            spec = watched(&media, spec);
        }
        let mut pipeline = media.open(spec);
        let plan = planned(&mut pipeline).await;
        assert!(matches!(plan.video, VideoPlan::Copy { .. }), "{plan:?}");
        let picture = plan.picture.unwrap();
        assert!(picture.copies && picture.rung.is_none());
        assert_eq!(
            (picture.current().width, picture.current().height),
            (640, 360)
        );
        assert_eq!(picture.index() + 1, picture.ladder.rungs().len());
        let mut shown = Shown::default();
        shown.play_to_the_end(&pipeline).await;
        assert_eq!(shown.pts(), film);
        assert_eq!(shown.rungs(), [None]);
        shown.assert_whole(10_001);
        assert_eq!(clicks(&shown.sound).len(), 60);
        event_until(&mut pipeline, |e| {
            (*e == PipelineEvent::Finished).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn after_a_seek_the_key_frame_before_is_first_and_sound_begins_where_asked() {
    let server = Server::with(sendable_film()).await;
    let (media, _spool) = media(&server, RUN_AHEAD).await;
    let film = source_pts(&sendable_film());
    for (start, watch) in [(25_340, false), (39_960, true), (40_000, false)] {
        let mut spec = live(spec(&server.url("/ok/film"), start));
        if watch {
            spec = watched(&media, spec);
        }
        let mut pipeline = media.open(spec);
        assert_eq!(first_frame(&mut pipeline).await, start);
        let mut shown = Shown::default();
        shown.play(&pipeline, start + 5_000).await;
        assert_eq!(shown.sound[0].pts_ms, start);
        let before = film.partition_point(|pts| *pts <= start) - 1;
        assert_eq!(shown.pts()[0], film[before / 240 * 240], "a key frame");
        assert_from_film(&shown.pts(), &film);
        shown.assert_whole(10_001);
    }
}

/// The first picture is there before the sound's place is reached: it can be sent at once.
#[tokio::test]
async fn the_first_picture_after_a_seek_does_not_wait_for_the_sound() {
    let server = Server::with(sendable_film()).await;
    let (media, _spool) = media(&server, RUN_AHEAD).await;
    let spec = live(spec(&server.url("/ok/film"), 29_900));
    let pipeline = media.open(watched(&media, spec));
    let pictures = pipeline.pictures.clone().unwrap();
    let frames = std::sync::Arc::clone(&pipeline.frames);
    let (told, mut first) = tokio::sync::mpsc::unbounded_channel();
    let other = told.clone();
    pictures.wake_when_ready(move || told.send("picture").unwrap());
    frames.wake_when_ready(move || other.send("sound").unwrap());
    assert_eq!(first.recv().await, Some("picture"));
    assert_eq!(
        pictures.peek_pts(),
        PeekPicture::Pts(source_pts(&sendable_film())[480])
    );
}

#[tokio::test]
async fn other_containers_are_copied_as_well() {
    let server = Server::start().await;
    let (media, _spool) = media(&server, RUN_AHEAD).await;
    for name in ["sent.mp4", "sent.ts", "sent.mkv"] {
        let film = film(name, 12, &SENDABLE.replace("240", "48"), "-c:a ac3 -ac 2");
        server.put(name, std::fs::read(&film).unwrap());
        for start in [0, 5_000] {
            let mut spec = live(spec(&server.url(&format!("/ok/{name}")), start));
            if start == 0 {
                spec = watched(&media, spec);
            }
            let mut pipeline = media.open(spec);
            let plan = planned(&mut pipeline).await;
            assert!(
                matches!(plan.video, VideoPlan::Copy { .. }),
                "{name}: {plan:?}"
            );
            let mut shown = Shown::default();
            shown.play_to_the_end(&pipeline).await;
            // A transport stream has no index: ffmpeg finds a place near the asked one, then the next key frame.
            let latest = start + if name == "sent.ts" { 2_000 } else { 50 };
            assert!(shown.pts()[0] <= latest, "{name}: {:?}", shown.pts()[0]);
            assert_from_film(&shown.pts(), &source_pts(&film));
            shown.assert_whole(2_100);
        }
    }
}

#[tokio::test]
async fn a_film_above_the_limit_is_not_copied() {
    let server = Server::with(sendable_film()).await;
    let (media, _spool) = media(&server, RUN_AHEAD).await;
    let mut spec = live(spec(&server.url("/ok/film"), 0));
    spec.picture.as_mut().unwrap().most_bits_per_second = 100_000;
    let plan = planned(&mut media.open(spec)).await;
    let picture = plan.picture.unwrap();
    assert!(!picture.copies);
    assert_eq!(picture.rung, Some(picture.ladder.rungs()[0]));
}
