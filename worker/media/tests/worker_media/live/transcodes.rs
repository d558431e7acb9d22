//! Films whose packets cannot be sent.

use orb_worker_media::VideoPlan;

use super::*;

/// As in the other films.
const CLICKS: &str = "aevalsrc=exprs='if(lt(mod(t,1),0.03),0.8*sin(2*PI*1000*t),0)':s=48000:d=12";

/// A film with the pictures of testsrc2 at other times or of other sizes than `film` makes them.
fn odd_film(name: &str, source: &str, video: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("orb-films");
    std::fs::create_dir_all(&dir).unwrap();
    let path = dir.join(name);
    if path.exists() {
        return path;
    }
    let aside = dir.join(format!("{}-{name}", std::process::id()));
    let made = Command::new("ffmpeg")
        .args(["-v", "error", "-y", "-f", "lavfi", "-i", source])
        .args(["-f", "lavfi", "-i", CLICKS, "-c:a", "aac"])
        .args(video.split_whitespace())
        .arg(&aside)
        .status()
        .unwrap();
    assert!(made.success());
    std::fs::rename(&aside, &path).unwrap();
    path
}

#[tokio::test]
async fn whatever_cannot_be_sent_is_encoded_for_the_channel() {
    let x264 = "-c:v libx264 -preset ultrafast -g 240";
    let clicks = "-c:a aac -ac 2";
    let vfr = "testsrc2=s=640x360:r=25:d=12,select='lt(mod(n\\,7)\\,3)'";
    let odd = "testsrc2=s=642x362:r=24:d=12,crop=641:361";
    let films = [
        (
            film("b.mkv", 12, &format!("{x264} -bf 3"), clicks),
            "B frames",
        ),
        (
            film(
                "hevc10.mkv",
                12,
                "-c:v libx265 -preset ultrafast -x265-params log-level=error -pix_fmt yuv420p10le",
                clicks,
            ),
            "hevc",
        ),
        (
            odd_film("odd-live.mkv", odd, "-c:v ffv1 -pix_fmt yuv444p"),
            "ffv1",
        ),
        (
            odd_film(
                "vfr25.mkv",
                vfr,
                "-c:v mpeg4 -fps_mode vfr -enc_time_base 1:1000",
            ),
            "mpeg4",
        ),
        (
            film(
                "plain.avi",
                12,
                "-c:v libx264 -preset ultrafast -bf 0",
                "-c:a mp3",
            ),
            "avi",
        ),
    ];
    let server = Server::start().await;
    let (media, _spool) = media(&server, RUN_AHEAD).await;
    for (path, word) in films {
        let name = path.file_name().unwrap().to_str().unwrap();
        server.put(name, std::fs::read(&path).unwrap());
        for start in [0, 5_000] {
            let spec = live(spec(&server.url(&format!("/ok/{name}")), start));
            let mut pipeline = media.open(spec);
            let plan = planned(&mut pipeline).await;
            assert!(plan.explain().contains(word), "{name}: {}", plan.explain());
            let picture = plan.picture.unwrap();
            let rung = picture.rung.expect("not copied");
            let mut shown = Shown::default();
            shown.play_to_the_end(&pipeline).await;
            assert_eq!(shown.rungs(), [Some(rung)], "{name}");
            let from = shown.pts().iter().position(|pts| *pts >= start).unwrap();
            assert_from_film(&shown.pts()[from..], &source_pts(&path));
            assert!(
                shown.pts()[from] < start + 250,
                "{name}: {}",
                shown.pts()[from]
            );
            assert!(*shown.pts().last().unwrap() > 11_800, "{name}");
            shown.assert_whole(1_200);
        }
    }
}

#[tokio::test]
async fn a_film_whose_packets_turn_out_unsendable_is_transcoded_by_itself() {
    let x264 = "-c:v libx264 -preset ultrafast -bf 0 -g 240";
    let slices = film(
        "slices.mkv",
        12,
        &format!("{x264} -x264-params slices=4"),
        "-c:a aac",
    );
    let fields = format!("{x264} -flags +ildct+ilme -x264-params slices=1:sliced-threads=0");
    let fields = film("fields-live.mkv", 12, &fields, "-c:a aac");
    let server = Server::with(slices.clone()).await;
    server.put("fields", std::fs::read(&fields).unwrap());
    let (media, _spool) = media(&server, RUN_AHEAD).await;
    for (name, film, why, start, plans) in [
        ("film", &slices, "several slices", 0, 2),
        ("film", &slices, "several slices", 5_000, 1),
        ("fields", &fields, "interlaced", 5_000, 2),
    ] {
        let url = server.url(&format!("/ok/{name}"));
        let mut pipeline = media.open(live(spec(&url, start)));
        let mut shown = Shown::default();
        shown.play_to_the_end(&pipeline).await;
        let mut events = Vec::new();
        while events.last() != Some(&PipelineEvent::Finished) {
            events.push(event(&mut pipeline).await);
        }
        let planned: Vec<_> = events
            .iter()
            .filter_map(|event| match event {
                PipelineEvent::Planned { plan, known, .. } => Some((plan, known)),
                _ => None,
            })
            .collect();
        assert_eq!(
            planned.len(),
            plans,
            "tried once, then remembered: {events:?}"
        );
        let (plan, known) = planned[plans - 1];
        assert!(plan.explain().contains(why), "{}", plan.explain());
        assert!(known.contains(why), "the next worker knows: {known}");
        assert!(!plan.picture.as_ref().unwrap().copies);
        let restarted = |e: &PipelineEvent| matches!(e, PipelineEvent::Restarted { .. });
        assert!(!events.iter().any(restarted), "nothing broke");
        assert_eq!(shown.sound[0].pts_ms, start);
        let from = shown.pts().iter().position(|pts| *pts >= start).unwrap();
        assert_from_film(&shown.pts()[from..], &source_pts(film));
        shown.assert_whole(1_200);
    }
}

#[tokio::test]
async fn one_encode_feeds_channel_and_page() {
    let server = Server::with(copy_film()).await;
    let (media, _spool) = media(&server, RUN_AHEAD).await;
    let spec = watched(&media, live(spec(&server.url("/ok/film"), 12_000)));
    let mut pipeline = media.open(spec);
    let dir = event_until(&mut pipeline, |e| match e {
        PipelineEvent::WatchRun { dir, .. } => Some(dir.clone()),
        _ => None,
    })
    .await;
    // What is heard before is of the head start.
    let pictures = pipeline.pictures.clone().unwrap();
    eventually("a picture", || pictures.last_pts_ms().is_some()).await;
    let mut shown = Shown::default();
    shown.play(&pipeline, 30_000).await;
    eventually("one ffmpeg", || children().len() == 1).await;
    assert!(dir.join(orb_worker_media::PLAYLIST).exists());
    shown.assert_whole(1_200);
}

/// A key frame is to be spread by the sender, so it must not be large: it takes the line no more than 0.4 s.
#[tokio::test]
async fn no_picture_is_a_burst() {
    let server = Server::with(transcode_film()).await;
    let (media, _spool) = media(&server, RUN_AHEAD).await;
    let mut spec = live(spec(&server.url("/ok/film"), 0));
    spec.picture.as_mut().unwrap().start_rung = Some(MIDDLE);
    let mut pipeline = media.open(spec);
    let plan = planned(&mut pipeline).await;
    let VideoPlan::Transcode { width, height, .. } = plan.video else {
        panic!("{plan:?}");
    };
    assert_eq!((width, height), (MIDDLE.width, MIDDLE.height));
    let mut shown = Shown::default();
    shown.play(&pipeline, 30_000).await;
    let bits = |p: &QueuedPicture| p.picture.data.len() as u64 * 8;
    let largest = shown.pictures.iter().map(bits).max().unwrap();
    let all: u64 = shown.pictures.iter().map(bits).sum();
    assert!(largest <= MIDDLE.bits_per_second * 2 / 5, "{largest}");
    let rate = all / 30;
    assert!(rate <= MIDDLE.bits_per_second * 11 / 10, "{rate}");
}

#[tokio::test]
async fn a_lower_frame_rate_leaves_pictures_out() {
    let server = Server::with(transcode_film()).await;
    let (media, _spool) = media(&server, RUN_AHEAD).await;
    let mut spec = live(spec(&server.url("/ok/film"), 0));
    spec.picture.as_mut().unwrap().start_rung = Some(Rung {
        frame_rate: 12.0,
        ..SMALL
    });
    let pipeline = media.open(spec);
    let mut shown = Shown::default();
    shown.play(&pipeline, 10_000).await;
    let film = source_pts(&transcode_film());
    let every_other: Vec<u64> = film.into_iter().step_by(2).collect();
    assert_from_film(&shown.pts(), &every_other);
}

#[tokio::test]
async fn sound_and_picture_of_different_lengths_are_shown_to_the_longer_ones_end() {
    let server = Server::start().await;
    let (media, _spool) = media(&server, RUN_AHEAD).await;
    let films = [
        ("no-sound.mkv", SENDABLE, "-an"),
        ("short-sound-live.mkv", SENDABLE, "-c:a aac -af atrim=end=8"),
        ("no-sound-b.mkv", "-c:v mpeg4", "-an"),
        (
            "short-sound-b.mkv",
            "-c:v mpeg4",
            "-c:a aac -af atrim=end=8",
        ),
        ("late-sound.mkv", SENDABLE, "-c:a aac -af atrim=start=10"),
        ("short-picture.mkv", "-c:v mpeg4 -vf trim=end=8", "-c:a aac"),
    ];
    for (name, video, audio) in films {
        let path = film(name, 20, video, audio);
        server.put(name, std::fs::read(&path).unwrap());
        let pipeline = media.open(live(spec(&server.url(&format!("/ok/{name}")), 3_000)));
        let mut shown = Shown::default();
        shown.play_to_the_end(&pipeline).await;
        assert_contiguous(&shown.sound);
        assert!(shown.position() >= 19_900, "{name}: {}", shown.position());
        let film = source_pts(&path);
        assert!(
            shown.pts().last().unwrap().abs_diff(*film.last().unwrap()) <= 1,
            "{name}"
        );
        let from = shown.pts().iter().position(|pts| *pts >= 3_000).unwrap();
        assert_from_film(&shown.pts()[from..], &film);
        assert_eq!(decoded(&shown.pictures), shown.pictures.len(), "{name}");
    }
}
