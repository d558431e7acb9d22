//! Encoders that write no VUI: x264 always does, so it is cut off, at the bit that ffmpeg's own parser names.

use bytes::Bytes;
use orb_video::h264::{AvcConfig, Framing, NalType, NalUnits};

use crate::ffmpeg::{Demuxed, Films, demux, frame_hashes, prepare, probe, trace_headers, traced};

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

#[test]
fn one_is_added() {
    let films = Films::new();
    for profile in ["baseline", "main", "high"] {
        let film = films.encode(
            &format!("{profile}.mp4"),
            &format!("-bf 0 -pix_fmt yuv420p -profile:v {profile}"),
        );
        let (at, _, _) = trace_headers(&film)
            .into_iter()
            .find(|(_, name, _)| name == "vui_parameters_present_flag")
            .unwrap();
        let demuxed = demux(&film);
        let config = AvcConfig::parse(&demuxed.extradata).unwrap();
        let bare: Vec<u8> = config
            .parameter_sets
            .iter()
            .flat_map(|unit| {
                let unit = if NalType::of(unit[0]) == NalType::Sps {
                    cut(unit, at)
                } else {
                    unit.to_vec()
                };
                [vec![0, 0, 0, 1], unit].concat()
            })
            .collect();
        let packets = demuxed.packets.iter().map(|packet| {
            let units = NalUnits::new(packet.clone(), config.framing).map(Result::unwrap);
            units
                .flat_map(|unit| [vec![0, 0, 1], unit.to_vec()].concat())
                .collect::<Bytes>()
        });
        let without = Demuxed {
            extradata: bare.into(),
            packets: packets.collect(),
        };
        let came = films.path(&format!("{profile}.bare.h264"));
        std::fs::write(
            &came,
            [
                std::slice::from_ref(&without.extradata),
                &without.packets[..],
            ]
            .concat()
            .concat(),
        )
        .unwrap();
        assert!(
            traced(&came, "vui_parameters_present_flag")
                .iter()
                .all(|flag| *flag == 0)
        );

        let pictures = prepare(&without).unwrap();
        let sent = films.write(&format!("{profile}.sent.h264"), &pictures);
        assert!(
            traced(&sent, "max_num_reorder_frames")
                .iter()
                .all(|frames| *frames == 0)
        );
        // ffmpeg shows the first one twice: when it opens the file, and in its place.
        assert_eq!(
            traced(&sent, "max_num_reorder_frames").len(),
            1 + 3,
            "one SPS for each IDR picture"
        );
        assert_eq!(
            traced(&sent, "max_dec_frame_buffering"),
            traced(&sent, "max_num_ref_frames")
        );
        let (before, after) = (probe(&film), probe(&sent));
        assert_eq!(
            (after.has_b_frames, &after.profile, after.level),
            (0, &before.profile, before.level)
        );
        assert_eq!(frame_hashes(&sent), frame_hashes(&film), "{profile}");
        assert_eq!(
            NalUnits::new(pictures[0].data.clone(), Framing::AnnexB).count(),
            3
        );
    }
}
