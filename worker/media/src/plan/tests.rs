use super::*;

const WATCHED: Abilities = Abilities {
    tone_map: true,
    watched: true,
    live: None,
};

fn video() -> VideoStream {
    VideoStream {
        index: 0,
        codec: "h264".into(),
        width: 1920,
        height: 1080,
        pix_fmt: "yuv420p".into(),
        fps: 23.976,
        bits_per_second: Some(7_000_000),
        hdr: false,
        interlaced: false,
        reshaped: false,
        reorders: false,
        copy_refused: None,
    }
}

fn film(video: Option<VideoStream>, channels: Option<u32>) -> Probe {
    Probe {
        container: "matroska,webm".into(),
        duration_ms: Some(60_000),
        video,
        audio: channels.map(|channels| AudioStream {
            index: 1,
            codec: "ac3".into(),
            channels,
            end_ms: None,
        }),
    }
}

fn planned(v: VideoStream) -> Plan {
    Plan::new(&film(Some(v), Some(2)), WATCHED)
}

#[test]
fn plain_h264_is_copied() {
    let plan = planned(video());
    assert_eq!(plan.video, VideoPlan::Copy { stream: 0 });
    assert_eq!(plan.cost_millicores, 20);
    assert_eq!(
        plan.explain(),
        "picture copied (H.264 1920x1080); sound from ac3 to Opus stereo"
    );
}

#[test]
fn everything_else_is_transcoded_and_says_why() {
    type Change = fn(&mut VideoStream);
    let table: [(Change, &str, (u32, u32)); 9] = [
        (
            |v| v.codec = "hevc".into(),
            "hevc is not H.264",
            (1280, 720),
        ),
        (|v| v.pix_fmt = "yuv420p10le".into(), "8-bit", (1280, 720)),
        (|v| v.pix_fmt = "yuv422p".into(), "4:2:0", (1280, 720)),
        (|v| v.hdr = true, "it is HDR", (1280, 720)),
        (|v| (v.width, v.height) = (3840, 1600), "1080p", (1280, 534)),
        (
            |v| v.bits_per_second = Some(25_000_000),
            "25 Mbit/s",
            (1280, 720),
        ),
        (|v| v.interlaced = true, "interlaced", (1280, 720)),
        (|v| v.reshaped = true, "square", (1280, 720)),
        (
            |v| (v.codec, v.width, v.height) = ("mpeg4".into(), 641, 361),
            "mpeg4",
            (642, 362),
        ),
    ];
    for (change, why, size) in table {
        let mut v = video();
        change(&mut v);
        let plan = planned(v);
        assert!(plan.explain().contains(why), "{why}: {}", plan.explain());
        let VideoPlan::Transcode {
            width, height, gop, ..
        } = plan.video
        else {
            panic!("{why}: {:?}", plan.video);
        };
        assert_eq!((width, height, gop), (size.0, size.1, 48), "{why}");
    }
}

#[test]
fn avi_is_not_copied() {
    let mut probe = film(Some(video()), Some(2));
    probe.container = "avi".into();
    let plan = Plan::new(&probe, WATCHED);
    assert!(matches!(plan.video, VideoPlan::Transcode { .. }));
}

#[test]
fn costs_are_near_the_measured_ones() {
    let mut h264 = video();
    h264.bits_per_second = Some(13_000_000);
    let mut hevc = video();
    (hevc.codec, hevc.pix_fmt) = ("hevc".into(), "yuv420p10le".into());
    for (v, measured) in [(h264, 639.0), (hevc, 944.0)] {
        let cost = f64::from(planned(v).cost_millicores);
        assert!(
            (cost / measured - 1.0).abs() < 0.15,
            "{cost} for {measured}"
        );
    }
}

#[test]
fn hdr_is_tone_mapped_or_said_to_be_pale() {
    let mut v = video();
    (v.codec, v.hdr) = ("hevc".into(), true);
    for (tone_map, colours, word) in [
        (true, Colours::ToneMapped, "tone-mapped"),
        (false, Colours::Pale, "pale"),
    ] {
        let probe = film(Some(v.clone()), Some(2));
        let plan = Plan::new(
            &probe,
            Abilities {
                tone_map,
                watched: true,
                live: None,
            },
        );
        assert!(plan.explain().contains(word));
        assert!(matches!(plan.video, VideoPlan::Transcode { colours: c, .. } if c == colours));
    }
}

#[test]
fn what_is_missing_is_left_out_or_replaced() {
    let unwatched = Abilities {
        tone_map: true,
        watched: false,
        live: None,
    };
    let plan = Plan::new(&film(Some(video()), Some(6)), unwatched);
    assert_eq!(plan.video, VideoPlan::None);
    assert_eq!(
        plan.audio,
        AudioPlan::Encode {
            stream: 1,
            surround: true
        }
    );
    let music = Plan::new(&film(None, Some(2)), WATCHED);
    assert_eq!((music.video, music.cost_millicores), (VideoPlan::None, 16));
    let silent = Plan::new(&film(Some(video()), None), WATCHED);
    assert_eq!(silent.audio, AudioPlan::Silence);
    assert!(silent.explain().contains("silence"));
}
