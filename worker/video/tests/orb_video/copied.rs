//! Streams that can be copied: the same frames come out, and nothing that must not be on the wire.

use bytes::Bytes;
use orb_video::h264::{Entry, Framing, NalType, NalUnits, Picture};

use crate::ffmpeg::{Demuxed, Films, Probed, demux, frame_hashes, prepare, probe, trace};

fn types(data: &Bytes, framing: Framing) -> Vec<NalType> {
    NalUnits::new(data.clone(), framing)
        .map(|unit| NalType::of(unit.unwrap()[0]))
        .collect()
}

/// What holds for every picture on the wire.
fn assert_wire_form(pictures: &[Picture]) {
    for picture in pictures {
        let wanted: &[NalType] = match picture.entry {
            Entry::Idr => &[NalType::Sps, NalType::Pps, NalType::IdrSlice],
            _ => &[NalType::Slice],
        };
        assert_eq!(types(&picture.data, Framing::AnnexB), wanted);
        let start_codes = picture.data.windows(3).filter(|w| *w == [0, 0, 1]).count();
        let long = picture
            .data
            .windows(4)
            .filter(|w| *w == [0, 0, 0, 1])
            .count();
        assert_eq!((start_codes, long), (wanted.len(), wanted.len()));
        assert_ne!(picture.data.last(), Some(&0));
    }
}

/// Copies a film and holds the result against it.
fn copy(films: &Films, name: &str, film: &std::path::Path) -> (Demuxed, Vec<Picture>) {
    let demuxed = demux(film);
    let pictures = prepare(&demuxed).unwrap();
    assert_wire_form(&pictures);
    let sent = films.write(&format!("{name}.sent.h264"), &pictures);
    let wanted = Probed {
        has_b_frames: 0,
        ..probe(film)
    };
    assert_eq!(probe(&sent), wanted, "{name}");
    assert_eq!(wanted.frames, pictures.len().to_string(), "{name}");
    assert_eq!(frame_hashes(&sent), frame_hashes(film), "{name}");
    let trace = trace(&sent);
    for field in [
        "max_num_reorder_frames",
        "nal_hrd_parameters_present_flag",
        "pic_struct_present_flag",
    ] {
        let values = trace.values(field);
        assert!(
            !values.is_empty() && values.iter().all(|value| *value == 0),
            "{name}: {field} {values:?}"
        );
    }
    assert_eq!(
        trace.values("max_dec_frame_buffering"),
        trace.values("max_num_ref_frames"),
        "{name}"
    );
    (demuxed, pictures)
}

#[test]
fn profiles_and_containers() {
    let films = Films::new();
    for (name, arguments) in [
        (
            "high.mkv",
            "-profile:v high -bf 0 -x264-params slices=1:sliced-threads=0",
        ),
        (
            "main.mp4",
            "-profile:v main -bf 0 -refs 3 -pix_fmt yuv420p -x264-params slices=1:aud=1",
        ),
        (
            "baseline.h264",
            "-profile:v baseline -pix_fmt yuv420p -x264-params slices=1",
        ),
        (
            "high.ts",
            "-bf 0 -pix_fmt yuv420p -colorspace bt709 -color_primaries bt709 -color_trc bt709",
        ),
        ("annexb.mkv", "-bf 0 -x264-params aud=1:repeat-headers=1"),
    ] {
        let film = films.encode(name, &format!("{arguments} -pix_fmt yuv420p"));
        let (demuxed, pictures) = copy(&films, name, &film);
        assert_eq!(pictures.len(), 72, "{name}");
        let entries = pictures.iter().filter(|p| p.entry == Entry::Idr).count();
        assert_eq!(entries, 3, "{name}");
        let avcc = demuxed.extradata.first() == Some(&1);
        assert_eq!(
            avcc,
            name.ends_with("mkv") || name.ends_with("mp4"),
            "{name}: both forms are met"
        );
    }
}

#[test]
fn delimiters_and_filler_and_hrd_are_taken_out() {
    let films = Films::new();
    let cbr = "-bf 0 -pix_fmt yuv420p -b:v 2M -maxrate 2M -bufsize 1M -x264-params nal-hrd=cbr:filler=1:aud=1:pic-struct=1";
    let film = films.encode("cbr.h264", cbr);
    let (demuxed, _) = copy(&films, "cbr", &film);
    let came: Vec<NalType> = demuxed
        .packets
        .iter()
        .flat_map(|p| types(p, Framing::AnnexB))
        .collect();
    for kind in [NalType::Aud, NalType::Filler, NalType::Sei] {
        assert!(came.contains(&kind), "{kind:?} was there to be taken out");
    }
    assert!(
        trace(&film)
            .values("nal_hrd_parameters_present_flag")
            .contains(&1)
    );
}

/// An encoder that may reorder but did not: receivers would hold frames back for nothing.
#[test]
fn a_stream_that_only_claims_to_reorder_is_told_not_to() {
    let films = Films::new();
    let claims = "-pix_fmt yuv420p -bf 2 -x264-params b-adapt=2:b-bias=-100:weightp=0";
    let film = films.encode_from(
        "nullsrc=size=160x96:rate=24:duration=1,geq=random(1)*255:128:128",
        "claims.mkv",
        claims,
    );
    assert!(probe(&film).has_b_frames > 0, "it claims to");
    copy(&films, "claims", &film);
}

#[test]
fn a_member_may_join_at_any_idr_picture() {
    let films = Films::new();
    let film = films.encode("join.mkv", "-bf 0 -pix_fmt yuv420p");
    let pictures = prepare(&demux(&film)).unwrap();
    let second = pictures
        .iter()
        .skip(1)
        .position(|p| p.entry == Entry::Idr)
        .unwrap()
        + 1;
    let joined = films.write("joined.h264", &pictures[second..]);
    assert_eq!(frame_hashes(&joined), frame_hashes(&film)[second..]);
}

#[test]
fn a_stream_that_begins_between_idr_pictures_waits_for_one() {
    let films = Films::new();
    let film = films.encode("tail.mp4", "-bf 0 -pix_fmt yuv420p");
    let mut demuxed = demux(&film);
    demuxed.packets.drain(..10);
    let pictures = prepare(&demuxed).unwrap();
    assert_eq!((pictures.len(), pictures[0].entry), (48, Entry::Idr));
}

#[test]
fn intra_refresh_has_recovery_points() {
    let films = Films::new();
    let film = films.encode(
        "refresh.mkv",
        "-pix_fmt yuv420p -bf 0 -x264-params intra-refresh=1",
    );
    let (_, pictures) = copy(&films, "refresh", &film);
    let count = |kind: fn(&Entry) -> bool| pictures.iter().filter(|p| kind(&p.entry)).count();
    assert_eq!(count(|entry| *entry == Entry::Idr), 1);
    assert!(count(|entry| matches!(entry, Entry::Recovery(frames) if *frames > 0)) >= 1);
}
