#![allow(clippy::unwrap_used)]
use super::*;
use crate::PictureSpec;
use crate::plan::Abilities;
use crate::probe::{AudioStream, Probe, VideoStream};
use orb_video::ladder::Rung;

fn plan(codec: &str, channels: Option<u32>) -> Plan {
    plan_for(codec, channels, None)
}

fn live_plan(codec: &str, start_rung: Option<Rung>) -> Plan {
    let spec = PictureSpec {
        start_rung,
        most_bits_per_second: 3_000_000,
    };
    plan_for(codec, Some(2), Some(spec))
}

fn plan_for(codec: &str, channels: Option<u32>, live: Option<PictureSpec>) -> Plan {
    let probe = Probe {
        container: "matroska,webm".into(),
        duration_ms: Some(60_000),
        video: Some(VideoStream {
            index: 0,
            codec: codec.into(),
            width: 1920,
            height: 1080,
            pix_fmt: "yuv420p".into(),
            fps: 24.0,
            bits_per_second: None,
            hdr: false,
            interlaced: false,
            reshaped: false,
            reorders: false,
            copy_refused: None,
        }),
        audio: channels.map(|channels| AudioStream {
            index: 2,
            codec: "aac".into(),
            channels,
            end_ms: None,
        }),
    };
    let abilities = Abilities {
        tone_map: true,
        watched: true,
        live,
    };
    Plan::new(&probe, abilities)
}

fn line(plan: &Plan, start_ms: u64, hls: bool) -> String {
    let run = Run {
        url: "http://127.0.0.1:1/n",
        plan,
        start_ms,
        duration_ms: Some(60_000),
        hls,
    };
    let args = ffmpeg(&run);
    let args: Vec<_> = args.iter().map(|a| a.to_str().unwrap()).collect();
    args.join(" ")
}

#[test]
fn a_copy_feeds_pipe_and_hls_from_one_encode() {
    let line = line(&plan("h264", Some(6)), 25_040, true);
    assert!(line.starts_with("-nostdin -hide_banner -v error -protocol_whitelist http,tcp "));
    assert!(line.contains(" -ss 25.040 -copyts -start_at_zero -i http://127.0.0.1:1/n "));
    assert!(line.contains(" -map 0:0 -c:v copy -copytb 1 -map 0:2 "));
    assert!(line.contains("clev=1.0:slev=0.5"));
    assert!(line.contains("first_pts=1201920,"));
    assert!(line.contains(" -f tee [select=a:f=matroska:"));
    assert!(line.contains("]pipe:1|[f=hls:onfail=ignore:"));
    assert!(line.ends_with("]index.m3u8"));
}

#[test]
fn a_transcode_has_the_measured_flags() {
    let line = line(&plan("hevc", Some(2)), 0, true);
    assert!(!line.contains("-ss "));
    assert!(line.contains("-vf scale=1280:720,setsar=1,format=yuv420p "));
    assert!(line.contains("-preset superfast -profile:v high -bf 0 -sc_threshold 0 -g 48 "));
    assert!(line.contains("-b:v 2500k -maxrate 2500k"));
    assert!(line.contains("-fps_mode vfr"));
    assert!(!line.contains("clev"));
}

#[test]
fn harmful_flags_are_absent() {
    let line = line(&plan("hevc", Some(2)), 1000, true);
    for flag in [
        "nobuffer",
        "reconnect_at_eof",
        "zerolatency",
        "force_key_frames",
    ] {
        assert!(!line.contains(flag), "{flag}");
    }
}

#[test]
fn silence_starts_and_ends_with_the_film() {
    let line = line(&plan("h264", None), 10_000, true);
    assert!(line.contains("-itsoffset 10.000 -f lavfi -i anullsrc=r=48000:cl=stereo:d=50.000 "));
    assert!(line.contains("-map 1:a:0 "));
}

#[test]
fn without_hls_the_pipe_is_the_only_output() {
    let line = line(&plan("h264", Some(2)), 0, false);
    assert!(line.contains("-f matroska -cluster_time_limit 1 "));
    assert!(line.ends_with(" pipe:1"));
}

#[test]
fn no_playlist_demuxer_is_allowed() {
    for name in [
        "hls",
        "dash",
        "concat",
        "ffmetadata",
        "image2",
        "lavfi",
        "sdp",
        "rtsp",
    ] {
        assert!(!FORMATS.split(',').any(|f| f == name), "{name}");
    }
}

#[test]
fn pictures_for_a_channel_share_the_pipe_with_the_sound() {
    let copied = live_plan("h264", None);
    let alone = line(&copied, 25_040, false);
    assert!(alone.contains(" -map 0:0 -c:v copy -copytb 1 -tag:v avc1 -map 0:2 "));
    assert!(alone.contains(" -max_interleave_delta 100000 "));
    assert!(alone.ends_with(" pipe:1"));
    let watched = line(&copied, 25_040, true);
    assert!(watched.contains(" -f tee [f=matroska:cluster_time_limit=1:"));
    assert!(watched.contains(":max_interleave_delta=100000]pipe:1|[f=hls:"));
    let plain = line(&plan("h264", Some(2)), 0, true);
    assert!(!plain.contains("max_interleave_delta"));
}

#[test]
fn what_is_encoded_for_a_channel_can_be_joined_each_second_and_is_no_burst() {
    let line = line(&live_plan("hevc", None), 0, false);
    assert!(line.contains("-vf scale=1280:720,setsar=1,format=yuv420p "));
    assert!(line.contains(" -bf 0 -sc_threshold 0 -g 300 -forced-idr 1 -force_key_frames expr:"));
    assert!(line.contains(" -flags +global_header "));
    assert!(line.contains("slices=1:sliced-threads=0:threads=4:aud=0 "));
    assert!(line.contains(" -b:v 2800000 -maxrate 2800000 -bufsize 1120000 "));
    assert!(line.contains(" -enc_time_base 1:1000 -fps_mode vfr "));
    for flag in ["nobuffer", "reconnect_at_eof", "zerolatency"] {
        assert!(!line.contains(flag), "{flag}");
    }
}

#[test]
fn a_rung_of_half_the_frame_rate_leaves_every_other_picture_out() {
    let rung = Rung {
        width: 426,
        height: 240,
        frame_rate: 12.0,
        bits_per_second: 350_000,
    };
    let line = line(&live_plan("h264", Some(rung)), 0, false);
    assert!(line.contains("-vf framestep=2,scale=426:240,setsar=1,format=yuv420p "));
}
