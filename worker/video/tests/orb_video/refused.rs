//! Streams that cannot be copied: the plan becomes a transcode.

use orb_video::{Error, Refusal};

use crate::ffmpeg::{Films, demux, prepare};

#[test]
fn each_with_its_reason() {
    let films = Films::new();
    for (name, arguments, refusal) in [
        (
            "slices.mkv",
            "-bf 0 -x264-params slices=4",
            Refusal::SeveralSlices,
        ),
        (
            "slices.ts",
            "-bf 0 -x264-params slices=4",
            Refusal::SeveralSlices,
        ),
        (
            "threads.mkv",
            "-bf 0 -tune zerolatency -threads 4",
            Refusal::SeveralSlices,
        ),
        ("b.mkv", "-bf 3", Refusal::BFrames),
        ("b.h264", "-bf 1 -profile:v main", Refusal::BFrames),
        (
            "open.mp4",
            "-bf 2 -x264-params open-gop=1",
            Refusal::BFrames,
        ),
        (
            "fields.mkv",
            "-bf 0 -flags +ilme+ildct -x264-params tff=1",
            Refusal::Interlaced,
        ),
        (
            "ten.mkv",
            "-bf 0 -profile:v high10 -pix_fmt yuv420p10le",
            Refusal::PixelFormat,
        ),
        (
            "wide.mkv",
            "-bf 0 -profile:v high422 -pix_fmt yuv422p",
            Refusal::PixelFormat,
        ),
        (
            "full.mkv",
            "-bf 0 -profile:v high444 -pix_fmt yuv444p",
            Refusal::PixelFormat,
        ),
    ] {
        let format = if arguments.contains("pix_fmt") {
            ""
        } else {
            "-pix_fmt yuv420p"
        };
        let film = films.encode(name, &format!("{arguments} {format}"));
        let refused = prepare(&demux(&film)).unwrap_err();
        assert_eq!(refused, Error::Refused(refusal), "{name}");
        assert!(!refused.is_retryable());
    }
}
