//! Another encoding, in the middle of a film.

use super::*;

/// The pictures of the whole film once each, whatever they were encoded with.
fn assert_seamless(shown: &Shown, film: &Path) {
    shown.assert_whole(10_001);
    let pts = shown.pts();
    assert_from_film(&pts, &source_pts(film));
}

#[tokio::test]
async fn a_change_in_mid_film_is_seamless() {
    let server = Server::with(transcode_film()).await;
    let (media, _spool) = media(&server, RUN_AHEAD).await;
    let mut spec = watched(&media, live(spec(&server.url("/ok/film"), 0)));
    spec.picture.as_mut().unwrap().start_rung = Some(MIDDLE);
    let mut pipeline = media.open(spec);
    let mut shown = Shown::default();
    for (at, rung) in [(10_000, SMALL), (20_000, MIDDLE), (30_000, SMALL)] {
        shown.play(&pipeline, at).await;
        pipeline.change_rung(Some(rung), at + 300);
        assert_eq!(changed(&mut pipeline).await, Some(rung));
    }
    shown.play_to_the_end(&pipeline).await;
    let rungs = [MIDDLE, SMALL, MIDDLE, SMALL].map(Some);
    assert_eq!(shown.rungs(), rungs);
    for (at, rung) in [(10_000, SMALL), (20_000, MIDDLE), (30_000, SMALL)] {
        let mut of_it = shown.pictures.iter().filter(|p| p.rung == Some(rung));
        let first = of_it.find(|p| p.pts_ms >= at).unwrap();
        assert_eq!(first.picture.entry, Entry::Idr);
        assert!(
            first.pts_ms < at + 2_000,
            "felt within 2 s: {}",
            first.pts_ms
        );
    }
    assert_seamless(&shown, &transcode_film());
    assert_eq!(clicks(&shown.sound).len(), 60);
}

/// As a channel plays: once the new encoder has given a key frame, what was read ahead is not played out first, and the
/// old ffmpeg is gone.
#[tokio::test]
async fn a_change_drops_what_was_read_ahead() {
    let (_media, _server, mut pipeline, mut shown) = encoded(5_000).await;
    eventually("a full queue", || pipeline.frames.is_full()).await;
    pipeline.change_rung(Some(SMALL), 5_300);
    let mut tick = tokio::time::interval(Duration::from_millis(20));
    let deadline = Instant::now() + PATIENCE;
    let changed_at = loop {
        tick.tick().await;
        shown.play(&pipeline, shown.position() + 20).await;
        if let Ok(PipelineEvent::RungChanged { rung, .. }) = pipeline.events.try_recv() {
            assert_eq!(rung, Some(SMALL));
            break shown.position();
        }
        assert!(Instant::now() < deadline);
    };
    eventually("one ffmpeg", || children().len() == 1).await;
    shown.play(&pipeline, changed_at + 5_000).await;
    let first = shown.pictures.iter().find(|p| p.rung == Some(SMALL));
    let first = first.unwrap().pts_ms;
    assert!(first < changed_at + 1_100, "{first}, told at {changed_at}");
    assert_seamless(&shown, &transcode_film());
}

#[tokio::test]
async fn a_copy_goes_to_a_transcode_and_back() {
    let server = Server::with(sendable_film()).await;
    let (media, _spool) = media(&server, RUN_AHEAD).await;
    let mut pipeline = media.open(live(spec(&server.url("/ok/film"), 0)));
    let mut shown = Shown::default();
    shown.play(&pipeline, 12_000).await;
    pipeline.change_rung(Some(SMALL), 12_300);
    assert_eq!(changed(&mut pipeline).await, Some(SMALL));
    shown.play(&pipeline, 22_000).await;
    pipeline.change_rung(None, 22_300);
    // As near to the key frame as a channel comes in the time that an ffmpeg takes to start; the pictures up to it are
    // read ahead by then, however long it takes here.
    shown.play(&pipeline, 28_000).await;
    assert_eq!(changed(&mut pipeline).await, None);
    shown.play_to_the_end(&pipeline).await;
    assert_eq!(shown.rungs(), [None, Some(SMALL), None]);
    let back = shown
        .pictures
        .iter()
        .rev()
        .find(|p| p.rung.is_some())
        .unwrap();
    let next_key_frame = source_pts(&sendable_film())[720];
    assert!((next_key_frame - 50..next_key_frame).contains(&back.pts_ms));
    assert_seamless(&shown, &sendable_film());
}

#[tokio::test]
async fn of_changes_in_quick_succession_the_last_one_counts() {
    let (_media, server, mut pipeline, mut shown) = encoded(5_000).await;
    let never = Rung {
        width: 160,
        height: 90,
        ..SMALL
    };
    // The first one must not be done before the second one is asked for.
    server.hold();
    pipeline.change_rung(Some(never), 5_300);
    eventually("a second ffmpeg", || children().len() == 2).await;
    pipeline.change_rung(Some(SMALL), 5_300);
    server.let_go();
    assert_eq!(changed(&mut pipeline).await, Some(SMALL));
    shown.play(&pipeline, 15_000).await;
    assert!(!shown.rungs().contains(&Some(never)));
    // Back to what plays: nothing is started, and that is said.
    server.hold();
    pipeline.change_rung(Some(MIDDLE), 15_300);
    eventually("a second ffmpeg", || children().len() == 2).await;
    pipeline.change_rung(Some(SMALL), 15_300);
    server.let_go();
    assert_eq!(changed(&mut pipeline).await, Some(SMALL));
    eventually("one ffmpeg", || children().len() == 1).await;
    shown.play_to_the_end(&pipeline).await;
    assert_eq!(shown.rungs(), [Some(MIDDLE), Some(SMALL)]);
    assert_seamless(&shown, &transcode_film());
}

#[tokio::test]
async fn what_cannot_be_had_is_said() {
    let server = Server::with(transcode_film()).await;
    let (media, _spool) = media(&server, RUN_AHEAD).await;
    let mut pipeline = media.open(live(spec(&server.url("/ok/film"), 0)));
    let mut shown = Shown::default();
    shown.play(&pipeline, 1_000).await;
    let odd = Rung {
        width: 321,
        ..SMALL
    };
    for rung in [None, Some(odd)] {
        pipeline.change_rung(rung, 1_300);
        let failed = event_until(&mut pipeline, |e| match e {
            PipelineEvent::RungFailed { rung, cause } => Some((*rung, cause.code)),
            _ => None,
        })
        .await;
        assert_eq!(failed, (rung, "rung_unavailable"));
    }
    shown.play(&pipeline, 5_000).await;
    shown.assert_whole(1_200);
}

/// ffmpeg has read the film to its end, and the line breaks down.
#[tokio::test]
async fn the_end_of_a_film_can_be_changed_after_it_was_read() {
    let server = Server::with(transcode_film()).await;
    let (media, _spool) = media(&server, Duration::from_secs(16)).await;
    let mut spec = live(spec(&server.url("/ok/film"), 46_000));
    spec.picture.as_mut().unwrap().start_rung = Some(MIDDLE);
    let mut pipeline = media.open(spec);
    let mut shown = Shown::default();
    shown.play(&pipeline, 47_000).await;
    event_until_finished(&mut pipeline).await;
    pipeline.change_rung(Some(SMALL), 47_300);
    let answer = event(&mut pipeline).await;
    assert!(
        matches!(
            answer,
            PipelineEvent::RungChanged {
                rung: Some(SMALL),
                ..
            }
        ),
        "{answer:?}"
    );
    shown.play_to_the_end(&pipeline).await;
    assert_eq!(shown.rungs(), [Some(MIDDLE), Some(SMALL)]);
    assert!(pipeline.pictures.as_ref().unwrap().is_played_to_end());
    assert_seamless(&shown, &transcode_film());
    assert_eq!(shown.pts().last(), source_pts(&transcode_film()).last());
}

async fn event_until_finished(pipeline: &mut Pipeline) {
    event_until(pipeline, |e| (*e == PipelineEvent::Finished).then_some(())).await;
}

#[tokio::test]
async fn viewers_of_the_page_follow() {
    let server = Server::with(transcode_film()).await;
    let (media, _spool) = media(&server, RUN_AHEAD).await;
    let mut spec = watched(&media, live(spec(&server.url("/ok/film"), 0)));
    spec.picture.as_mut().unwrap().start_rung = Some(MIDDLE);
    let mut pipeline = media.open(spec);
    let mut shown = Shown::default();
    shown.play(&pipeline, 5_000).await;
    pipeline.change_rung(Some(SMALL), 5_300);
    let dir = event_until(&mut pipeline, |e| match e {
        PipelineEvent::WatchRun { dir, name } if name == "film-1" => Some(dir.clone()),
        PipelineEvent::RungChanged { .. } => panic!("the run is told first"),
        _ => None,
    })
    .await;
    assert_eq!(changed(&mut pipeline).await, Some(SMALL));
    shown.play(&pipeline, 15_000).await;
    eventually("a segment", || {
        dir.join(orb_worker_media::PLAYLIST).exists()
    })
    .await;
    // One that comes to nothing is not told, and leaves nothing.
    server.hold();
    pipeline.change_rung(Some(MIDDLE), 15_300);
    eventually("a third folder", || {
        media.spool_dir().join("film-2").exists()
    })
    .await;
    pipeline.change_rung(Some(SMALL), 15_300);
    server.let_go();
    assert_eq!(changed(&mut pipeline).await, Some(SMALL));
    eventually("it is gone", || !media.spool_dir().join("film-2").exists()).await;
    shown.play(&pipeline, 20_000).await;
    shown.assert_whole(2_000);
}

#[tokio::test]
async fn nothing_is_left_of_a_change_when_the_film_is_dropped() {
    let (_media, server, pipeline, _shown) = encoded(1_000).await;
    server.hold();
    pipeline.change_rung(Some(SMALL), 1_300);
    eventually("a second ffmpeg", || children().len() == 2).await;
    drop(pipeline);
    eventually("no child", || children().is_empty()).await;
}
