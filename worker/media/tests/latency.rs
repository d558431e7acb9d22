//! How long a start and a seek take, against ffprobe and ffmpeg's first byte one after the other.
//! Run alone: `cargo nextest run -p orb-worker-media --run-ignored only --no-capture latency`.
#![allow(clippy::unwrap_used)]

mod common;

use std::io::Read;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::*;

const ROUNDS: usize = 9;

fn median(mut times: Vec<Duration>) -> u128 {
    times.sort();
    times[times.len() / 2].as_millis()
}

/// Straight from the server, without this crate: the time to ffmpeg's first byte, after ffprobe
/// where a start is measured.
fn tools_alone(url: &str, video: &str, seek: Option<&str>) -> Duration {
    let begun = Instant::now();
    if seek.is_none() {
        let probed = Command::new("ffprobe")
            .args("-v error -of json -show_format -show_streams".split(' '))
            .arg(url)
            .output()
            .unwrap();
        assert!(probed.status.success());
    }
    let mut ffmpeg = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin"])
        .args(seek.iter().flat_map(|at| ["-ss", at, "-copyts"]))
        .args(["-i", url, "-map", "0:v:0"])
        .args(video.split_whitespace())
        .args("-map 0:a:0 -c:a libopus -ac 2 -b:a 128k".split_whitespace())
        .args("-f matroska -cluster_time_limit 1 pipe:1".split_whitespace())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    ffmpeg.stdout.take().unwrap().read_exact(&mut [0]).unwrap();
    let time = begun.elapsed();
    ffmpeg.kill().unwrap();
    ffmpeg.wait().unwrap();
    time
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures"]
async fn latency() {
    let noise =
        "-vf scale=1920:1080,noise=alls=20:allf=t -bf 2 -g 240 -keyint_min 240 -sc_threshold 0";
    let copy = format!("{noise} -c:v libx264 -preset ultrafast -b:v 7M -maxrate 9M -bufsize 9M");
    let heavy = format!("{noise} -c:v libx264 -preset veryfast -b:v 16M");
    let audio = "-c:a aac -ac 6 -b:a 384k";
    let x264 = "-vf scale=1280:720 -c:v libx264 -preset superfast -profile:v high -bf 0 -g 48 \
                -sc_threshold 0 -x264-params slices=1:sliced-threads=0 -b:v 2500k -maxrate 2500k \
                -bufsize 2500k";
    for (name, film, video) in [
        (
            "copy",
            film("latency-copy.mkv", 60, &copy, audio),
            "-c:v copy",
        ),
        (
            "transcode",
            film("latency-heavy.mkv", 60, &heavy, audio),
            x264,
        ),
    ] {
        let server = Server::with(film).await;
        let url = server.url("/ok/film");
        let (mut alone, mut ours) = (Vec::new(), Vec::new());
        let (mut seeks_alone, mut seeks) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let (of, args) = (url.clone(), video.to_owned());
            let measured = tokio::task::spawn_blocking(move || {
                (
                    tools_alone(&of, &args, None),
                    tools_alone(&of, &args, Some("39.5")),
                )
            });
            let (start, seek) = measured.await.unwrap();
            alone.push(start);
            seeks_alone.push(seek);
            // A new one each time, so that nothing is remembered.
            let (media, _spool) = media(&server, Duration::from_secs(4)).await;
            let begun = Instant::now();
            let mut pipeline = media.open(watched(&media, spec(&url, 0)));
            first_frame(&mut pipeline).await;
            ours.push(begun.elapsed());
            drop(pipeline);
            eventually("no child", || children().is_empty()).await;
            let begun = Instant::now();
            // 9.5 s behind a key frame.
            let mut pipeline = media.open(watched(&media, spec(&url, 39_500)));
            assert_eq!(first_frame(&mut pipeline).await, 39_500);
            seeks.push(begun.elapsed());
            drop(pipeline);
            eventually("no child", || children().is_empty()).await;
        }
        let (alone, ours) = (median(alone), median(ours));
        println!(
            "{name}: start {ours} ms, tools alone {alone} ms, ratio {:.2}; \
             seek {} ms (max {}), ffmpeg alone {} ms",
            ours as f64 / alone as f64,
            median(seeks.clone()),
            seeks.iter().max().unwrap().as_millis(),
            median(seeks_alone),
        );
    }
}

/// User and system time of this process without its children, in seconds.
fn own_cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<_> = stat
        .rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .collect();
    let ticks: f64 = fields[11..13]
        .iter()
        .map(|t| t.parse::<f64>().unwrap())
        .sum();
    ticks / 100.0
}

/// Proxy, demuxers and eight mixers, and the test's own server beside them: an upper bound.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures"]
async fn cpu() {
    let server = Server::with(long_film()).await;
    let (media, _spool) = media(&server, Duration::from_secs(4)).await;
    let url = server.url("/ok/film");
    let mut pipelines = Vec::new();
    for n in 0..8 {
        let mut spec = watched(&media, spec(&url, 0));
        spec.watch.as_mut().unwrap().prefix = format!("film{n}");
        let mut pipeline = media.open(spec);
        first_frame(&mut pipeline).await;
        eventually("a full queue", || pipeline.frames.is_full()).await;
        pipelines.push(pipeline);
    }
    let time = Duration::from_secs(20);
    let before = own_cpu();
    let heard = pipelines.iter().map(|p| listen_in_real_time(p, time));
    let missing: Vec<_> = futures::future::join_all(heard)
        .await
        .iter()
        .map(|h| h.1)
        .collect();
    let cores = (own_cpu() - before) / time.as_secs_f64() / 8.0;
    println!("{cores:.4} cores a stream, frames missing {missing:?}");
}
