#![allow(clippy::unwrap_used)]
use orb_video::ladder::Rung;

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

fn live(v: VideoStream, start_rung: Option<Rung>, most_bits_per_second: u64) -> Plan {
    let spec = PictureSpec {
        start_rung,
        most_bits_per_second,
    };
    let abilities = Abilities {
        live: Some(spec),
        ..WATCHED
    };
    Plan::new(&film(Some(v), Some(2)), abilities)
}

#[test]
fn each_rungs_cost_is_known_before_it_is_asked_for() {
    let picture = live(video(), None, 8_000_000).picture.unwrap();
    assert_eq!(picture.cost_millicores(None), 20, "the film as it is");
    let rungs = picture.ladder.rungs();
    for rung in &rungs[..rungs.len() - 1] {
        let asked = live(video(), Some(*rung), 8_000_000);
        let cost = picture.cost_millicores(Some(*rung));
        assert_eq!(cost, asked.cost_millicores, "{rung:?}");
        assert!(cost > 20, "{rung:?}");
    }
    let encoded = live(
        VideoStream {
            codec: "hevc".into(),
            hdr: true,
            ..video()
        },
        None,
        8_000_000,
    );
    let picture = encoded.picture.unwrap();
    let cost = picture.cost_millicores(picture.rung);
    assert_eq!(cost, encoded.cost_millicores);
}

#[test]
fn a_film_that_can_be_sent_is_the_top_of_its_ladder() {
    let plan = live(video(), None, 8_000_000);
    assert_eq!(plan.video, VideoPlan::Copy { stream: 0 });
    assert_eq!(plan.cost_millicores, 20);
    let picture = plan.picture.unwrap();
    assert!(picture.copies);
    let rungs = picture.ladder.rungs();
    let top = rungs[rungs.len() - 1];
    assert_eq!(
        (top.width, top.height, top.bits_per_second),
        (1920, 1080, 7_000_000)
    );
    assert_eq!((picture.current(), picture.index()), (top, rungs.len() - 1));
    let asked = rungs[2];
    let plan = live(video(), Some(asked), 8_000_000);
    assert!(
        plan.explain()
            .contains("the voice channel's line asks for it")
    );
    assert!(
        matches!(plan.video, VideoPlan::Transcode { live: Some(live), .. }
        if live.bits_per_second == asked.bits_per_second)
    );
    let picture = plan.picture.unwrap();
    assert_eq!((picture.copies, picture.index()), (true, 2));
}

#[test]
fn what_cannot_be_sent_begins_at_720_lines_and_below_the_limit() {
    type Change = fn(&mut VideoStream);
    let changes: [(Change, &str); 4] = [
        (|v| v.reorders = true, "B frames"),
        (
            |v| v.copy_refused = Some("it has several slices".into()),
            "several slices",
        ),
        (
            |v| v.bits_per_second = Some(9_500_000),
            "9 Mbit/s is too much",
        ),
        (|v| v.codec = "hevc".into(), "hevc is not H.264"),
    ];
    for (change, why) in changes {
        let mut v = video();
        change(&mut v);
        let plan = live(v, None, 8_000_000);
        assert!(plan.explain().contains(why), "{}", plan.explain());
        let picture = plan.picture.unwrap();
        assert!(!picture.copies);
        let rung = picture.rung.unwrap();
        assert_eq!((rung.height, rung.bits_per_second), (720, 4_000_000));
        assert_eq!(picture.current(), rung);
    }
}

/// Less is encoded at a low rung, and the decoding stays.
#[test]
fn low_rungs_cost_less() {
    let mut v = video();
    v.reorders = true;
    let ladder = live(v.clone(), None, 8_000_000).picture.unwrap().ladder;
    let cost = |rung: &Rung| live(v.clone(), Some(*rung), 8_000_000).cost_millicores;
    let costs: Vec<u32> = ladder.rungs().iter().map(cost).collect();
    assert!(costs.is_sorted(), "{costs:?}");
    assert!(costs[0] < 400 && costs[costs.len() - 1] > 900, "{costs:?}");
}

#[test]
fn a_film_without_a_picture_has_none_to_send() {
    let spec = PictureSpec {
        start_rung: None,
        most_bits_per_second: 1,
    };
    let abilities = Abilities {
        live: Some(spec),
        ..WATCHED
    };
    let plan = Plan::new(&film(None, Some(2)), abilities);
    assert_eq!((plan.picture, plan.cost_millicores), (None, 16));
    let seen = live(video(), None, 8_000_000);
    assert_eq!(seen.sound_only().picture, None);
}
