#![allow(clippy::unwrap_used)]
use proptest::prelude::*;

use super::super::emulation::unescape;
use super::*;

/// The fields of an SPS, written as 7.3.2.1.1 orders them.
#[derive(Debug, Clone)]
struct Fields {
    profile: u8,
    level: u8,
    order: u32,
    reference_frames: u32,
    size: (u32, u32),
    crop: Option<[u32; 4]>,
    scaling: bool,
    vui: Option<VuiFields>,
}

#[derive(Debug, Clone)]
struct VuiFields {
    aspect_ratio: Option<(u32, u32)>,
    signal: Option<(u32, Option<u32>)>,
    chroma_location: Option<(u32, u32)>,
    timing: Option<(u32, u32, bool)>,
    hrd: [Option<Vec<(u32, u32, bool)>>; 2],
    pic_struct: bool,
    restriction: Option<(bool, [u32; 6])>,
}

impl Fields {
    fn write(&self) -> Vec<u8> {
        let mut w = BitWriter::default();
        w.bits(self.profile.into(), 8);
        w.bits(0, 8);
        w.bits(self.level.into(), 8);
        w.ue(0);
        if self.profile == 100 {
            w.ues(&[1, 0, 0]);
            w.flag(false);
            w.flag(self.scaling);
            for list in 0..if self.scaling { 8 } else { 0 } {
                w.flag(list % 2 == 0);
                if list % 2 == 0 {
                    // A first difference of -8 ends the list (the default one is used): se code 16.
                    w.ue(16);
                }
            }
        }
        w.ue(4);
        w.ue(self.order);
        match self.order {
            0 => w.ue(2),
            1 => {
                w.flag(false);
                w.ues(&[0, 3, 2, 5, 6]);
            }
            _ => {}
        }
        w.ue(self.reference_frames);
        w.flag(false);
        w.ue(self.size.0);
        w.ue(self.size.1);
        w.flag(true);
        w.flag(true);
        w.flag(self.crop.is_some());
        w.ues(self.crop.as_ref().map_or(&[], |crop| &crop[..]));
        w.flag(self.vui.is_some());
        if let Some(vui) = &self.vui {
            vui.write(&mut w);
        }
        let mut unit = vec![0x67];
        escape_into(&w.finish(), &mut unit);
        unit
    }
}

impl VuiFields {
    fn write(&self, w: &mut BitWriter) {
        w.flag(self.aspect_ratio.is_some());
        if let Some((x, y)) = self.aspect_ratio {
            w.bits(255, 8);
            w.bits(x, 16);
            w.bits(y, 16);
        }
        w.flag(false);
        w.flag(self.signal.is_some());
        if let Some((range, colours)) = self.signal {
            w.bits(range, 4);
            w.flag(colours.is_some());
            if let Some(colours) = colours {
                w.bits(colours, 24);
            }
        }
        w.flag(self.chroma_location.is_some());
        if let Some((top, bottom)) = self.chroma_location {
            w.ue(top);
            w.ue(bottom);
        }
        w.flag(self.timing.is_some());
        if let Some((units, scale, fixed)) = self.timing {
            w.bits(units, 32);
            w.bits(scale, 32);
            w.flag(fixed);
        }
        for hrd in &self.hrd {
            w.flag(hrd.is_some());
            if let Some(schedules) = hrd {
                w.ue(schedules.len() as u32 - 1);
                w.bits(0x35, 8);
                for (rate, size, constant) in schedules {
                    w.ue(*rate);
                    w.ue(*size);
                    w.flag(*constant);
                }
                w.bits(0xabcde, 20);
            }
        }
        if self.hrd.iter().any(Option::is_some) {
            w.flag(true);
        }
        w.flag(self.pic_struct);
        w.flag(self.restriction.is_some());
        if let Some((over, values)) = self.restriction {
            w.flag(over);
            w.ues(&values);
        }
    }
}

fn hrd() -> impl Strategy<Value = Option<Vec<(u32, u32, bool)>>> {
    prop::option::of(prop::collection::vec(
        (0_u32..u32::MAX, 0_u32..1000, any::<bool>()),
        1..4,
    ))
}

fn vui() -> impl Strategy<Value = VuiFields> {
    (
        prop::option::of((0_u32..1 << 16, 0_u32..1 << 16)),
        prop::option::of((0_u32..16, prop::option::of(0_u32..1 << 24))),
        prop::option::of((0_u32..6, 0_u32..6)),
        prop::option::of((any::<u32>(), any::<u32>(), any::<bool>())),
        [hrd(), hrd()],
        any::<bool>(),
        prop::option::of((any::<bool>(), prop::array::uniform6(0_u32..17))),
    )
        .prop_map(
            |(aspect_ratio, signal, chroma_location, timing, hrd, pic_struct, restriction)| {
                VuiFields {
                    aspect_ratio,
                    signal,
                    chroma_location,
                    timing,
                    hrd,
                    pic_struct,
                    restriction,
                }
            },
        )
}

fn fields() -> impl Strategy<Value = Fields> {
    (
        prop::sample::select(vec![66_u8, 77, 100]),
        any::<u8>(),
        0_u32..3,
        0_u32..17,
        (4_u32..300, 4_u32..300),
        prop::option::of(prop::array::uniform4(0_u32..8)),
        any::<bool>(),
        prop::option::of(vui()),
    )
        .prop_map(
            |(profile, level, order, reference_frames, size, crop, scaling, vui)| Fields {
                profile,
                level,
                order,
                reference_frames,
                size,
                crop,
                scaling,
                vui,
            },
        )
}

proptest! {
    /// The rewritten SPS is, bit for bit, the one that an encoder would have written with the same fields but without
    /// HRD parameters and `pic_struct`, and with a restriction to no reordering.
    #[test]
    fn only_the_buffering_changes(fields in fields()) {
        let unit = fields.write();
        let mut wanted = fields.clone();
        let vui = wanted.vui.get_or_insert(VuiFields {
            aspect_ratio: None,
            signal: None,
            chroma_location: None,
            timing: None,
            hrd: [None, None],
            pic_struct: false,
            restriction: None,
        });
        vui.hrd = [None, None];
        vui.pic_struct = false;
        let (_, values) = vui.restriction.get_or_insert((true, [2, 1, 15, 15, 0, 16]));
        if values[4] != 0 || values[5] > fields.reference_frames || announces_sei(&fields) {
            (values[4], values[5]) = (0, fields.reference_frames);
        }
        let wanted = wanted.write();
        let sent = match restrict_reordering(&unit).unwrap() {
            SpsFix::Kept => unit.clone(),
            SpsFix::Rewritten(sent) => sent.to_vec(),
        };
        prop_assert_eq!(&sent, &wanted);
        prop_assert_eq!(restrict_reordering(&sent).unwrap(), SpsFix::Kept, "a second time changes nothing");
        let (before, after) = (Sps::parse(&unit).unwrap(), Sps::parse(&sent).unwrap());
        prop_assert_eq!((before.profile, before.level, before.width, before.height),
            (after.profile, after.level, after.width, after.height));
        prop_assert_eq!(before.width, (fields.size.0 + 1) * 16 - fields.crop.map_or(0, |c| (c[0] + c[1]) * 2));
        prop_assert_eq!(before.height, (fields.size.1 + 1) * 16 - fields.crop.map_or(0, |c| (c[2] + c[3]) * 2));
    }

    #[test]
    fn any_bytes_are_taken(unit in prop::collection::vec(any::<u8>(), 0..80)) {
        let _ = restrict_reordering(&unit);
    }

    /// A real SPS with some bytes changed.
    #[test]
    fn damage_is_taken(fields in fields(), at in any::<prop::sample::Index>(), byte in any::<u8>(), end in any::<prop::sample::Index>()) {
        let mut unit = fields.write();
        let index = at.index(unit.len());
        unit[index] = byte;
        unit.truncate(end.index(unit.len()) + 1);
        if let Ok(SpsFix::Rewritten(sent)) = restrict_reordering(&unit) {
            prop_assert_eq!(restrict_reordering(&sent).unwrap(), SpsFix::Kept);
        }
    }
}

/// Whether the SPS is written anew for the SEI that it announces.
fn announces_sei(fields: &Fields) -> bool {
    fields
        .vui
        .as_ref()
        .is_some_and(|vui| vui.pic_struct || vui.hrd.iter().any(Option::is_some))
}

#[test]
fn zeros_of_timing_are_escaped_again() {
    let fields = Fields {
        profile: 66,
        level: 30,
        order: 2,
        reference_frames: 1,
        size: (19, 14),
        crop: None,
        scaling: false,
        vui: Some(VuiFields {
            aspect_ratio: None,
            signal: None,
            chroma_location: None,
            timing: Some((1, 50, true)),
            hrd: [None, None],
            pic_struct: false,
            restriction: None,
        }),
    };
    let SpsFix::Rewritten(sent) = restrict_reordering(&fields.write()).unwrap() else {
        panic!("it has no restriction");
    };
    assert!(
        sent.windows(3).any(|w| w == [0, 0, 3]),
        "emulation prevention is there"
    );
    assert!(!sent.windows(3).any(|w| w[0] == 0 && w[1] == 0 && w[2] < 3));
    assert_eq!(
        unescape(&sent, usize::MAX).len() + sent.windows(3).filter(|w| *w == [0, 0, 3]).count(),
        sent.len()
    );
}
