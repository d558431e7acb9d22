//! Encoders that write no VUI: x264 always does, so it is cut off, at the bit that ffmpeg's own parser names.

use bytes::Bytes;
use orb_video::h264::{AvcConfig, NalType, NalUnits};

use crate::ffmpeg::{Demuxed, Films, demux, frame_hashes, prepare, probe, trace};

/// The NAL unit up to `bit`, then a cleared flag and the stop bit. Small pictures without timing: no emulation prevention.
fn cut(unit: &[u8], bit: usize) -> Vec<u8> {
    let mut bits: Vec<u8> = unit
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |i| byte >> i & 1))
        .collect();
    bits.truncate(bit);
    bits.extend([0, 1]);
    bits.resize(bits.len().next_multiple_of(8), 0);
    bits.chunks(8)
        .map(|byte| byte.iter().fold(0, |sum, bit| sum << 1 | bit))
        .collect()
}

/// The film without VUI, behind start codes.
fn bare(film: &Demuxed, vui_at: usize) -> Demuxed {
    let config = AvcConfig::parse(&film.extradata).unwrap();
    let sets = config.parameter_sets.iter().flat_map(|unit| {
        let unit = match NalType::of(unit[0]) {
            NalType::Sps => cut(unit, vui_at),
            _ => unit.to_vec(),
        };
        [vec![0, 0, 0, 1], unit].concat()
    });
    let packets = film.packets.iter().map(|packet| {
        let units = NalUnits::new(packet.clone(), config.framing).map(Result::unwrap);
        units
            .flat_map(|unit| [vec![0, 0, 1], unit.to_vec()].concat())
            .collect::<Bytes>()
    });
    Demuxed {
        extradata: sets.collect(),
        packets: packets.collect(),
    }
}

#[test]
fn one_is_added() {
    let films = Films::new();
    for profile in ["baseline", "main", "high"] {
        let film = films.encode(
            &format!("{profile}.mp4"),
            &format!("-bf 0 -pix_fmt yuv420p -profile:v {profile}"),
        );
        let vui_at = trace(&film).position("vui_parameters_present_flag");
        let without = bare(&demux(&film), vui_at);
        let came = films.path(&format!("{profile}.bare.h264"));
        let all = [vec![without.extradata.clone()], without.packets.clone()].concat();
        std::fs::write(&came, all.concat()).unwrap();
        let flags = trace(&came).values("vui_parameters_present_flag");
        assert!(flags.iter().all(|flag| *flag == 0), "{flags:?}");

        let pictures = prepare(&without).unwrap();
        let sent = films.write(&format!("{profile}.sent.h264"), &pictures);
        let trace = trace(&sent);
        assert_eq!(
            trace.values("max_num_reorder_frames"),
            [0; 1 + 3],
            "one SPS for each IDR picture, the first one read twice"
        );
        assert_eq!(
            trace.values("max_dec_frame_buffering"),
            trace.values("max_num_ref_frames")
        );
        let (before, after) = (probe(&film), probe(&sent));
        assert_eq!(
            (after.has_b_frames, &after.profile, after.level),
            (0, &before.profile, before.level)
        );
        assert_eq!(frame_hashes(&sent), frame_hashes(&film), "{profile}");
    }
}
