//! What breaks while pictures play.

use orb_worker_media::RUN_AHEAD as WHOLE_RUN_AHEAD;
use rustix::process::{Pid, Signal, kill_process};

use super::*;

fn kill(pid: i32) {
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
}

fn ffmpegs() -> Vec<i32> {
    children().into_iter().map(|(pid, _)| pid).collect()
}

/// Plays on until ffmpeg is started again: what is in the pipe of the last one is taken first.
async fn restarted(shown: &mut Shown, pipeline: &mut Pipeline) -> &'static str {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match pipeline.events.try_recv() {
            Ok(PipelineEvent::Restarted { cause }) => return cause.code,
            _ => shown.play(pipeline, shown.position() + 100).await,
        }
        assert!(Instant::now() < deadline, "at {}", shown.position());
    }
}

fn has(shown: &Shown, pts_ms: u64) -> bool {
    let near = |picture: &QueuedPicture| picture.pts_ms.abs_diff(pts_ms) <= 1;
    shown.pictures.iter().any(near)
}

#[tokio::test]
async fn a_killed_ffmpeg_costs_no_picture() {
    let server = Server::with(sendable_film()).await;
    server.put("encoded", std::fs::read(transcode_film()).unwrap());
    let (media, _spool) = media(&server, RUN_AHEAD).await;
    for (name, film) in [("film", sendable_film()), ("encoded", transcode_film())] {
        let mut spec = live(spec(&server.url(&format!("/ok/{name}")), 0));
        if name == "encoded" {
            spec = watched(&media, spec);
            spec.picture.as_mut().unwrap().start_rung = Some(SMALL);
        }
        let mut pipeline = media.open(spec);
        let mut shown = Shown::default();
        for at in [4_000, 30_000] {
            shown.play(&pipeline, at).await;
            eventually("a full queue", || pipeline.frames.is_full()).await;
            kill(ffmpegs()[0]);
            assert_eq!(restarted(&mut shown, &mut pipeline).await, "ffmpeg_crashed");
        }
        shown.play_to_the_end(&pipeline).await;
        assert_from_film(&shown.pts(), &source_pts(&film));
        assert_eq!(shown.pts().len(), source_pts(&film).len(), "{name}");
        shown.assert_whole(10_001);
        assert_eq!(clicks(&shown.sound).len(), 60);
    }
}

#[tokio::test]
async fn a_new_encoding_that_fails_leaves_the_old_one_playing() {
    let (_media, server, mut pipeline, mut shown) = encoded(5_000).await;
    let old = ffmpegs();
    // It must not be done before it is killed.
    server.hold();
    pipeline.change_rung(Some(SMALL), 5_300);
    eventually("a second ffmpeg", || ffmpegs().len() == 2).await;
    for pid in ffmpegs() {
        if !old.contains(&pid) {
            kill(pid);
        }
    }
    let failed = event_until(&mut pipeline, |e| match e {
        PipelineEvent::RungFailed { rung, cause } => Some((*rung, cause.code)),
        _ => None,
    })
    .await;
    assert_eq!(failed, (Some(SMALL), "ffmpeg_crashed"));
    server.let_go();
    shown.play(&pipeline, 15_000).await;
    assert_eq!(ffmpegs(), old);
    assert_eq!(shown.rungs(), [Some(MIDDLE)]);
    // And the next one is tried afresh.
    pipeline.change_rung(Some(SMALL), 15_300);
    assert_eq!(changed(&mut pipeline).await, Some(SMALL));
    shown.play_to_the_end(&pipeline).await;
    assert_from_film(&shown.pts(), &source_pts(&transcode_film()));
    shown.assert_whole(2_000);
}

#[tokio::test]
async fn a_change_outlives_the_encoder_that_it_replaces() {
    let (_media, server, mut pipeline, mut shown) = encoded(5_000).await;
    let old = ffmpegs()[0];
    // The new one must not be done before the old one is gone.
    server.hold();
    pipeline.change_rung(Some(SMALL), 5_300);
    eventually("a second ffmpeg", || ffmpegs().len() == 2).await;
    kill(old);
    eventually("its end is noticed", || !ffmpegs().contains(&old)).await;
    server.let_go();
    assert_eq!(restarted(&mut shown, &mut pipeline).await, "ffmpeg_crashed");
    assert_eq!(changed(&mut pipeline).await, Some(SMALL));
    shown.play_to_the_end(&pipeline).await;
    assert_eq!(shown.rungs(), [Some(MIDDLE), Some(SMALL)]);
    // Nothing was read ahead here, so the channel is shown what there is rather than kept waiting: less than half a
    // second may be missing at that place, and nowhere else.
    let film = source_pts(&transcode_film());
    let missing: Vec<u64> = film
        .iter()
        .filter(|pts| !has(&shown, **pts))
        .copied()
        .collect();
    let span = missing
        .first()
        .zip(missing.last())
        .map_or(0, |(first, last)| last - first);
    assert!(span < 500, "{missing:?}");
    shown.assert_whole(2_000);
}

/// After a change, a restart is of the new encoding.
#[tokio::test]
async fn a_restart_keeps_the_encoding() {
    let server = Server::with(sendable_film()).await;
    let (media, _spool) = media(&server, RUN_AHEAD).await;
    let mut pipeline = media.open(live(spec(&server.url("/ok/film"), 0)));
    let mut shown = Shown::default();
    shown.play(&pipeline, 5_000).await;
    pipeline.change_rung(Some(SMALL), 5_300);
    assert_eq!(changed(&mut pipeline).await, Some(SMALL));
    eventually("one ffmpeg", || ffmpegs().len() == 1).await;
    kill(ffmpegs()[0]);
    assert_eq!(restarted(&mut shown, &mut pipeline).await, "ffmpeg_crashed");
    shown.play_to_the_end(&pipeline).await;
    assert_eq!(shown.rungs(), [None, Some(SMALL)]);
    assert_from_film(&shown.pts(), &source_pts(&sendable_film()));
    shown.assert_whole(10_001);
}

/// A fast film of which nothing is taken: what is read ahead is bounded, and ffmpeg waits.
#[tokio::test]
async fn memory_is_bounded() {
    let noise = "-c:v libx264 -preset ultrafast -bf 0 -g 48 -b:v 11M -minrate 11M -maxrate 11M \
                 -bufsize 11M -x264-params slices=1:sliced-threads=0:nal-hrd=cbr:filler=1 \
                 -vf noise=alls=60:allf=t";
    let film = film("fast.mkv", 30, noise, "-c:a aac -ac 2");
    let server = Server::with(film.clone()).await;
    let (media, _spool) = media(&server, WHOLE_RUN_AHEAD).await;
    let pipeline = media.open(live(spec(&server.url("/ok/film"), 0)));
    let pictures = pipeline.pictures.clone().unwrap();
    let mut shown = Shown::default();
    let mut most = 0;
    for second in 1..12 {
        shown.play(&pipeline, second * 1_000).await;
        eventually("a full queue", || pictures.is_full()).await;
        most = most.max(pictures.buffered_bytes());
    }
    assert!(most > 7 << 20, "it is that bound which is met: {most}");
    assert!(most < 9 << 20, "{most}");
    shown.play_to_the_end(&pipeline).await;
    assert_from_film(&shown.pts(), &source_pts(&film));
    shown.assert_whole(2_100);
}

#[tokio::test]
async fn sound_goes_on_when_nobody_wants_the_pictures() {
    let server = Server::with(sendable_film()).await;
    let (media, _spool) = media(&server, RUN_AHEAD).await;
    for closed in [true, false] {
        let pipeline = media.open(live(spec(&server.url("/ok/film"), 0)));
        if closed {
            pipeline.pictures.as_ref().unwrap().close();
        }
        let frames = listen(&pipeline, usize::MAX).await;
        assert_contiguous(&frames);
        assert_eq!(clicks(&frames).len(), 60);
    }
}

#[tokio::test]
async fn the_second_source_goes_on_with_the_picture() {
    let server = Server::with(sendable_film()).await;
    let (media, _spool) = media(&server, RUN_AHEAD).await;
    let mut spec = live(spec(&server.url("/cut/film"), 0));
    spec.sources.stream = server.url("/status/404").parse().unwrap();
    spec.sources.download = Some(server.url("/ok/film").parse().unwrap());
    let pipeline = media.open(spec);
    let mut shown = Shown::default();
    shown.play_to_the_end(&pipeline).await;
    assert_eq!(shown.pts(), source_pts(&sendable_film()));
}
