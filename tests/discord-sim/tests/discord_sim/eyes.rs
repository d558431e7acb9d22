//! The time that pictures show is read from what libx264 makes of them at the bit rates that are sent.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use discord_sim::{Error, media_times};
use jellyfin_sim::film::{FilmSpec, generate};
use tempfile::TempDir;

const SECONDS: u32 = 4;
const FPS: u32 = 24;

async fn film(folder: &TempDir) -> std::path::PathBuf {
    let path = folder.path().join("film.mkv");
    let spec = FilmSpec {
        seconds: SECONDS,
        fps: FPS,
        audio: None,
        ..FilmSpec::default()
    };
    generate(&path, spec).await.unwrap();
    path
}

/// The film as a live encoder makes it, one access unit after the other.
fn encoded(film: &Path, width: u32, kbit: u32) -> Vec<Vec<u8>> {
    encoded_as(film, width, kbit, "null", "")
}

/// The same through a filter, and with more options.
fn encoded_as(film: &Path, width: u32, kbit: u32, filter: &str, more: &str) -> Vec<Vec<u8>> {
    let encoder = format!(
        "-vf {filter},scale={width}:-2 {more} -c:v libx264 -preset superfast -bf 0 -g {FPS} -pix_fmt yuv420p \
         -b:v {kbit}k -maxrate {kbit}k -bufsize {kbit}k -x264-params slices=1:sliced-threads=0:aud=1 \
         -bsf:v dump_extra=freq=keyframe -f h264 pipe:1"
    );
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-i"])
        .arg(film)
        .args(encoder.split_whitespace())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    split(&output.stdout)
}

/// At access unit delimiters, which are left out.
fn split(stream: &[u8]) -> Vec<Vec<u8>> {
    const DELIMITER: [u8; 5] = [0, 0, 0, 1, 9];
    let starts: Vec<usize> = stream
        .windows(DELIMITER.len())
        .enumerate()
        .filter(|(_, bytes)| *bytes == DELIMITER)
        .map(|(at, _)| at)
        .collect();
    let ends = starts.iter().copied().skip(1).chain([stream.len()]);
    starts
        .iter()
        .zip(ends)
        .map(|(from, to)| stream[from + DELIMITER.len() + 1..to].to_vec())
        .collect()
}

fn read(pictures: &[Vec<u8>]) -> Result<Vec<Option<Duration>>, Error> {
    media_times(pictures.iter().map(Vec::as_slice))
}

fn expected() -> Vec<Option<Duration>> {
    (0..SECONDS * FPS)
        .map(|frame| (f64::from(frame) * 1000.0 / f64::from(FPS)).round())
        .map(|ms| Some(Duration::from_millis(ms as u64)))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_picture_says_its_time_at_every_rate() {
    let folder = tempfile::tempdir().unwrap();
    let film = film(&folder).await;
    for (width, kbit) in [(1280, 2500), (1280, 400), (640, 400), (426, 350)] {
        let pictures = encoded(&film, width, kbit);
        assert_eq!(read(&pictures).unwrap(), expected(), "{width} {kbit}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_resolution_may_change_on_the_way() {
    let folder = tempfile::tempdir().unwrap();
    let film = film(&folder).await;
    let (large, small) = (encoded(&film, 1280, 2500), encoded(&film, 426, 350));
    let second = FPS as usize;
    // Down, and up again, at key frames.
    let pictures = [
        &large[..second],
        &small[second..3 * second],
        &large[3 * second..],
    ]
    .concat();
    assert_eq!(read(&pictures).unwrap(), expected());
}

#[tokio::test(flavor = "multi_thread")]
async fn so_may_the_rate() {
    let folder = tempfile::tempdir().unwrap();
    let film = film(&folder).await;
    let full = encoded(&film, 640, 700);
    // Each second picture, with a clock of milliseconds, as a lower rung has it.
    let options = "-enc_time_base 1:1000 -fps_mode vfr -force_key_frames expr:gte(t,n_forced)";
    let half = encoded_as(&film, 426, 350, "framestep=2", options);
    let second = FPS as usize;
    let pictures = [
        &full[..second],
        &half[second / 2..3 * second / 2],
        &full[3 * second..],
    ]
    .concat();
    let all = expected();
    let each_second = all[second..3 * second].iter().step_by(2);
    let expected: Vec<_> = all[..second]
        .iter()
        .chain(each_second)
        .chain(&all[3 * second..])
        .copied()
        .collect();
    assert_eq!(read(&pictures).unwrap(), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_decoded_is_an_error_and_no_time_is_made_up() {
    let folder = tempfile::tempdir().unwrap();
    let film = film(&folder).await;
    let pictures = encoded(&film, 640, 400);
    let error = read(&pictures[1..]).unwrap_err();
    assert_eq!(error.code(), "pictures", "{error}");
    assert_eq!(read(&[]).unwrap(), []);

    let plain = folder.path().join("plain.mkv");
    let made = Command::new("ffmpeg")
        .args(
            "-v error -f lavfi -i testsrc2=size=640x360:rate=24:duration=1 -pix_fmt yuv420p"
                .split(' '),
        )
        .arg(&plain)
        .status();
    assert!(made.unwrap().success());
    assert_eq!(read(&encoded(&plain, 640, 400)).unwrap(), vec![None; 24]);
}
