//! Pictures for a voice channel, judged by ffprobe and by ffmpeg's decoder.

mod changes;
mod copies;
mod faults;
mod transcodes;

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use orb_video::h264::{Entry, NalType, NalUnits};
use orb_video::ladder::Rung;
use orb_worker_media::{
    Media, OpenSpec, OpusFrame, PeekPicture, PictureSpec, Pipeline, PipelineEvent, Plan, Pop,
    QueuedPicture,
};

use crate::common::*;

const RUN_AHEAD: Duration = Duration::from_secs(4);

/// Without a picture for so long, the film has none for a while: an encoder that shares its core with three others takes
/// seconds for its first one.
const NO_MORE: Duration = Duration::from_secs(10);

/// One slice a picture and no B frames: its packets can be sent. A key frame each 10 s.
pub(crate) const SENDABLE: &str = "-c:v libx264 -preset veryfast -bf 0 -g 240 -keyint_min 240 -sc_threshold 0 \
     -x264-params slices=1:sliced-threads=0";

pub(crate) fn sendable_film() -> PathBuf {
    film("sendable.mkv", 60, SENDABLE, "-c:a aac -ac 2 -b:a 128k")
}

pub(crate) fn live(mut spec: OpenSpec) -> OpenSpec {
    spec.picture = Some(PictureSpec {
        start_rung: None,
        most_bits_per_second: 12_000_000,
    });
    spec
}

/// The film that has to be encoded, as [`MIDDLE`], after its first seconds. What comes first has to outlive the rest.
pub(crate) async fn encoded(until_ms: u64) -> ((Media, Spool), Server, Pipeline, Shown) {
    let server = Server::with(transcode_film()).await;
    let (media, spool) = media(&server, RUN_AHEAD).await;
    let mut spec = live(spec(&server.url("/ok/film"), 0));
    spec.picture.as_mut().unwrap().start_rung = Some(MIDDLE);
    let pipeline = media.open(spec);
    let mut shown = Shown::default();
    shown.play(&pipeline, until_ms).await;
    ((media, spool), server, pipeline, shown)
}

pub(crate) async fn planned(pipeline: &mut Pipeline) -> Plan {
    event_until(pipeline, |event| match event {
        PipelineEvent::Planned { plan, .. } => Some(plan.clone()),
        _ => None,
    })
    .await
}

/// What a channel got.
#[derive(Default)]
pub(crate) struct Shown {
    pub sound: Vec<OpusFrame>,
    pub pictures: Vec<QueuedPicture>,
}

impl Shown {
    /// Plays on until the sound is at `media_ms`, or to the end: sound as fast as it comes, and each picture whose time
    /// has come by it.
    pub(crate) async fn play(&mut self, pipeline: &Pipeline, media_ms: u64) {
        let pictures = pipeline.pictures.as_ref().unwrap();
        let mut deadline = Instant::now() + PATIENCE;
        let mut newest = (pictures.last_pts_ms(), Instant::now());
        while self.position() < media_ms {
            // Sound alone may be read far quicker than it is heard: pictures get the chance to come along.
            let last = pictures.last_pts_ms();
            if last != newest.0 {
                newest = (last, Instant::now());
            }
            let behind = last.unwrap_or_default() + 500 < self.position();
            if behind && !pictures.is_over() && newest.1.elapsed() < NO_MORE {
                tokio::time::sleep(Duration::from_millis(2)).await;
                continue;
            }
            match pipeline.frames.pop() {
                Pop::Frame(frame) => {
                    self.sound.push(frame);
                    deadline = Instant::now() + PATIENCE;
                }
                Pop::Drained => break,
                Pop::Empty => {
                    assert!(Instant::now() < deadline, "stuck at {}", self.position());
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
            }
            while matches!(pictures.peek_pts(), PeekPicture::Pts(pts) if pts < self.position()) {
                self.pictures.extend(pictures.pop());
            }
        }
    }

    pub(crate) async fn play_to_the_end(&mut self, pipeline: &Pipeline) {
        self.play(pipeline, u64::MAX).await;
        let pictures = pipeline.pictures.as_ref().unwrap();
        eventually("no more pictures", || pictures.is_over()).await;
        self.pictures.extend(std::iter::from_fn(|| pictures.pop()));
        assert_eq!(pictures.peek_pts(), PeekPicture::Drained);
    }

    /// Media time up to which sound was heard.
    pub(crate) fn position(&self) -> u64 {
        self.sound.last().map_or(0, |frame| frame.pts_ms + 20)
    }

    pub(crate) fn pts(&self) -> Vec<u64> {
        self.pictures.iter().map(|picture| picture.pts_ms).collect()
    }

    /// The encodings, in the order of their first pictures.
    pub(crate) fn rungs(&self) -> Vec<Option<Rung>> {
        let mut rungs: Vec<_> = self.pictures.iter().map(|picture| picture.rung).collect();
        rungs.dedup();
        rungs
    }

    /// Sound in step and without a gap, pictures that rise in time and that a decoder takes without a word, one slice
    /// each, with an IDR picture at least each `gop_ms`.
    #[track_caller]
    pub(crate) fn assert_whole(&self, gop_ms: u64) {
        assert_contiguous(&self.sound);
        for at in clicks(&self.sound) {
            assert!(((at + 500) % 1000).abs_diff(500) <= 40, "click at {at}");
        }
        assert!(self.pts().is_sorted_by(|a, b| a < b), "{:?}", self.pts());
        assert_eq!(decoded(&self.pictures), self.pictures.len());
        let mut idr = self.pictures[0].pts_ms;
        for picture in &self.pictures {
            let slices = NalUnits::new(
                picture.picture.data.clone(),
                orb_video::h264::Framing::AnnexB,
            )
            .map(|unit| NalType::of(unit.unwrap()[0]))
            .filter(|kind| matches!(kind, NalType::Slice | NalType::IdrSlice));
            assert_eq!(slices.count(), 1, "at {}", picture.pts_ms);
            if picture.picture.entry == Entry::Idr {
                idr = picture.pts_ms;
            }
            assert!(
                picture.pts_ms - idr < gop_ms,
                "no IDR before {}",
                picture.pts_ms
            );
        }
    }
}

/// How many frames ffmpeg decodes, from all the pictures in a row; a word of complaint fails the test.
#[track_caller]
pub(crate) fn decoded(pictures: &[QueuedPicture]) -> usize {
    assert_eq!(pictures[0].picture.entry, Entry::Idr);
    let mut ffmpeg = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "h264", "-i", "-"])
        .args(["-fps_mode", "passthrough", "-f", "framemd5", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = ffmpeg.stdin.take().unwrap();
    let data: Vec<u8> = pictures
        .iter()
        .flat_map(|picture| picture.picture.data.to_vec())
        .collect();
    let writer = std::thread::spawn(move || input.write_all(&data).unwrap());
    let output = ffmpeg.wait_with_output().unwrap();
    writer.join().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let frames = String::from_utf8_lossy(&output.stdout);
    frames.lines().filter(|line| !line.starts_with('#')).count()
}

/// Media time of each picture of a film in ms, as ffprobe shows them, counted from the film's start.
pub(crate) fn source_pts(film: &Path) -> Vec<u64> {
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-of", "csv=p=0", "-show_entries"])
        .args([
            "format=start_time:packet=pts_time,dts_time",
            "-select_streams",
            "v:0",
        ])
        .arg(film)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let mut times: Vec<f64> = text
        .lines()
        // AVI has no presentation times, but then no B frames either.
        .filter_map(|line| line.split(',').find_map(|time| time.parse().ok()))
        .collect();
    let start = times.pop().unwrap();
    let ms: BTreeSet<u64> = times
        .iter()
        .map(|at| ((at - start) * 1000.0).round() as u64)
        .collect();
    ms.into_iter().collect()
}

/// Each picture is one of the film's, to the millisecond that containers round to, and none is missing in between.
#[track_caller]
pub(crate) fn assert_from_film(shown: &[u64], film: &[u64]) {
    let first = film.partition_point(|at| at + 1 < shown[0]);
    let expected = &film[first..(first + shown.len()).min(film.len())];
    for (shown, film) in shown.iter().zip(expected) {
        assert!(shown.abs_diff(*film) <= 1, "{shown} for {film}");
    }
    assert_eq!(shown.len(), expected.len());
}

/// Small, so that two encoders run at ease.
pub(crate) const SMALL: Rung = Rung {
    width: 320,
    height: 180,
    frame_rate: 24.0,
    bits_per_second: 300_000,
};

pub(crate) const MIDDLE: Rung = Rung {
    width: 480,
    height: 270,
    frame_rate: 24.0,
    bits_per_second: 700_000,
};

pub(crate) async fn changed(pipeline: &mut Pipeline) -> Option<Rung> {
    event_until(pipeline, |event| match event {
        PipelineEvent::RungChanged { rung, .. } => Some(*rung),
        PipelineEvent::RungFailed { .. } => panic!("{event:?}"),
        _ => None,
    })
    .await
}
