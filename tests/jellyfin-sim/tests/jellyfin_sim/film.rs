//! A generated film is decoded by ffmpeg again: its picture and its sound tell the time they have.

use std::f64::consts::TAU;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Instant;

use jellyfin_sim::film::{Audio, Container, FilmSpec, generate};
use jellyfin_sim::read_time_code;

const SMALL: FilmSpec = FilmSpec {
    seconds: 12,
    width: 640,
    height: 360,
    fps: 24,
    gop_seconds: 2,
    bframes: 0,
    audio: Some(Audio::AacStereo),
    container: Container::Mkv,
};

fn run(program: &str, arguments: &str, film: &Path, after: &str) -> Output {
    let output = Command::new(program)
        .args(arguments.split_whitespace())
        .arg(film)
        .args(after.split_whitespace())
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program}: {stderr}");
    output
}

/// The time codes of all frames that these output options give, 640 x 360.
fn time_codes(film: &Path, before: &str, filter: &str) -> Vec<Option<u64>> {
    let before = format!("-v error {before} -i");
    let after = format!("-map 0:v {filter} -fps_mode passthrough -f rawvideo -pix_fmt gray pipe:1");
    let pixels = run("ffmpeg", &before, film, &after).stdout;
    pixels
        .chunks(640 * 360)
        .map(|frame| read_time_code(frame, 640, 360))
        .collect()
}

fn expected_codes(spec: &FilmSpec) -> Vec<Option<u64>> {
    let frame_time = |n| Some((f64::from(n) * 1000.0 / f64::from(spec.fps)).round() as u64);
    (0..spec.seconds * spec.fps).map(frame_time).collect()
}

#[tokio::test]
async fn every_frame_of_the_demo_film_tells_its_time() {
    let folder = tempfile::tempdir().unwrap();
    let film = folder.path().join("film.mkv");
    let spec = FilmSpec {
        seconds: 12,
        ..FilmSpec::default()
    };
    let started = Instant::now();
    generate(&film, spec.clone()).await.unwrap();
    let speed = f64::from(spec.seconds) / started.elapsed().as_secs_f64();
    println!("720p24 was made at {speed:.1} x");
    assert_eq!(
        time_codes(&film, "", "-vf scale=640:360"),
        expected_codes(&spec)
    );

    // As a viewer of a poor line gets it: small, and twice compressed.
    let poor = folder.path().join("poor.mkv");
    let encode = "-vf scale=640:-2 -c:v libx264 -preset superfast -b:v 250k -maxrate 250k \
                  -bufsize 250k -an";
    run(
        "ffmpeg",
        "-v error -i",
        &film,
        &format!("{encode} {}", poor.display()),
    );
    assert_eq!(time_codes(&poor, "", ""), expected_codes(&spec));

    // RGB, as from a screenshot, in the full size.
    let rgb = run(
        "ffmpeg",
        "-v error -ss 7.5 -i",
        &film,
        "-frames:v 1 -f rawvideo -pix_fmt rgb24 pipe:1",
    );
    assert_eq!(read_time_code(&rgb.stdout, 1280, 720), Some(7500));
}

#[tokio::test]
async fn key_frames_stand_at_the_gop_and_nowhere_else() {
    let folder = tempfile::tempdir().unwrap();
    for (bframes, gop_seconds, container) in [
        (0, 1, Container::Mkv),
        (2, 5, Container::Mp4),
        (3, 10, Container::Mkv),
    ] {
        let film = folder.path().join("film");
        let spec = FilmSpec {
            bframes,
            gop_seconds,
            container,
            ..SMALL
        };
        generate(&film, spec.clone()).await.unwrap();
        let list = "-v error -select_streams v -show_entries packet=pts_time,flags -of csv=p=0";
        let packets = String::from_utf8(run("ffprobe", list, &film, "").stdout).unwrap();
        let key_frames: Vec<f64> = packets
            .lines()
            .filter(|line| line.contains('K'))
            .map(|line| line.split(',').next().unwrap().parse().unwrap())
            .collect();
        let expected: Vec<f64> = (0..12)
            .step_by(gop_seconds as usize)
            .map(f64::from)
            .collect();
        assert_eq!(key_frames, expected, "{spec:?}");
        let show = "-v error -select_streams v -of csv=p=0 \
                    -show_entries stream=codec_name,pix_fmt,has_b_frames,nb_read_frames -count_frames";
        let stream = String::from_utf8(run("ffprobe", show, &film, "").stdout).unwrap();
        let reordered = bframes.min(2);
        assert_eq!(
            stream.trim(),
            format!("h264,{reordered},yuv420p,288"),
            "{spec:?}"
        );
        assert_eq!(time_codes(&film, "", ""), expected_codes(&spec), "{spec:?}");
    }
}

#[tokio::test]
async fn a_seek_shows_the_time_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let film = folder.path().join("film.mkv");
    let spec = FilmSpec {
        gop_seconds: 10,
        ..SMALL
    };
    generate(&film, spec).await.unwrap();
    assert_eq!(time_codes(&film, "-ss 5", "-frames:v 1"), [Some(5000)]);
}

/// How much of a tone is in `samples`: its amplitude, of 1.
fn amplitude(samples: &[f64], hertz: f64) -> f64 {
    let (mut re, mut im) = (0.0, 0.0);
    for (i, sample) in samples.iter().enumerate() {
        let angle = TAU * hertz * i as f64 / 48_000.0;
        re += sample * angle.cos();
        im += sample * angle.sin();
    }
    2.0 * re.hypot(im) / samples.len() as f64
}

#[tokio::test]
async fn every_second_is_heard_where_it_is() {
    let folder = tempfile::tempdir().unwrap();
    for (audio, container) in [
        (Audio::AacStereo, Container::Mkv),
        (Audio::AacStereo, Container::Mp4),
        (Audio::AacSurround, Container::Mkv),
        (Audio::Ac3Surround, Container::Mkv),
        (Audio::OpusStereo, Container::Mkv),
        (Audio::FlacStereo, Container::Mkv),
    ] {
        let name = format!("{audio:?} in {container:?}");
        let film = folder.path().join("film");
        generate(
            &film,
            FilmSpec {
                audio: Some(audio),
                container,
                ..SMALL
            },
        )
        .await
        .unwrap();

        let first = "-v error -select_streams v -show_entries stream=start_time -of csv=p=0";
        let start = String::from_utf8(run("ffprobe", first, &film, "").stdout).unwrap();
        assert_eq!(start.trim(), "0.000000", "{name}: video starts at zero");

        // On the clock of the time stamps, the left channel alone.
        let decode =
            "-map 0:a -af aresample=async=1:first_pts=0,pan=mono|c0=FL -f s16le -ar 48000 pipe:1";
        let bytes = run("ffmpeg", "-v error -i", &film, decode).stdout;
        let samples: Vec<f64> = bytes
            .chunks_exact(2)
            .map(|b| f64::from(i16::from_le_bytes([b[0], b[1]])) / 32_768.0)
            .collect();
        let at = |ms: usize, length: usize| &samples[ms * 48..(ms + length) * 48];
        // ffmpeg 5.1 takes Opus's priming off the samples, but not off the time stamp.
        let tolerance = if audio == Audio::OpusStereo { 8.0 } else { 2.0 };
        for second in 0..12usize {
            let ms = second * 1000;
            let pitch = if second % 10 == 0 { 2000.0 } else { 1000.0 };
            // What priming leaves of the very first click is from 21 ms on.
            let (from, length) = if second == 0 { (23, 15) } else { (5, 30) };
            let click = amplitude(at(ms + from, length), pitch);
            assert!(
                (click - 0.501).abs() < 0.08,
                "{name}: click {click} at {second}"
            );
            if second > 0 {
                let window = &samples[(ms - 100) * 48..];
                let onset = window.iter().position(|s| s.abs() > 0.15).unwrap() as f64 / 48.0;
                assert!(
                    (onset - 100.0).abs() < tolerance,
                    "{name}: onset {} ms off",
                    onset - 100.0
                );
            }
            for slot in 0..10 {
                let tone = amplitude(at(ms + 105 + slot * 50, 40), 3000.0);
                let expected = if second >> slot & 1 == 1 { 0.251 } else { 0.0 };
                assert!(
                    (tone - expected).abs() < 0.06,
                    "{name}: slot {slot} of {second}: {tone}"
                );
            }
            let silence = at(ms + 620, 340);
            assert!(
                silence.iter().all(|s| s.abs() < 0.02),
                "{name}: noise after {second}"
            );
        }
    }
}

#[tokio::test]
async fn a_film_may_be_silent() {
    let folder = tempfile::tempdir().unwrap();
    let film = folder.path().join("film.mp4");
    let spec = FilmSpec {
        seconds: 2,
        audio: None,
        container: Container::Mp4,
        ..SMALL
    };
    generate(&film, spec).await.unwrap();
    let streams = run(
        "ffprobe",
        "-v error -show_entries stream=codec_type -of csv=p=0",
        &film,
        "",
    );
    assert_eq!(streams.stdout, b"video\n");
}

#[tokio::test]
async fn two_runs_give_the_same_bytes_and_leave_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let paths = ["a.mkv", "b.mkv"].map(|name| folder.path().join(name));
    for path in &paths {
        generate(
            path,
            FilmSpec {
                seconds: 3,
                ..SMALL
            },
        )
        .await
        .unwrap();
    }
    let [a, b] = paths.map(|path| std::fs::read(path).unwrap());
    assert!(a == b);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[tokio::test]
async fn what_cannot_be_made_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("film.mkv");
    for spec in [
        FilmSpec {
            seconds: 0,
            ..SMALL
        },
        FilmSpec {
            seconds: 20_000,
            ..SMALL
        },
        FilmSpec {
            width: 641,
            ..SMALL
        },
        FilmSpec {
            height: 100,
            ..SMALL
        },
        FilmSpec { fps: 0, ..SMALL },
        FilmSpec {
            gop_seconds: 0,
            ..SMALL
        },
        FilmSpec {
            bframes: 9,
            ..SMALL
        },
    ] {
        let error = generate(&path, spec).await.unwrap_err();
        assert_eq!(error.code(), "film_spec_invalid");
    }
    let nowhere = folder.path().join("no/film.mkv");
    assert_eq!(
        generate(&nowhere, SMALL).await.unwrap_err().code(),
        "file_unusable"
    );
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
