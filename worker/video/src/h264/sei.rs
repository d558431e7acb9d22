//! Supplemental enhancement information (7.3.2.3): only to be told of recovery points.

use super::bits::BitReader;
use super::emulation::unescape;

const RECOVERY_POINT: usize = 6;
/// What is looked through: recovery points come ahead of captions and encoder settings.
const LOOKED_THROUGH: usize = 1024;

/// `recovery_frame_cnt` (D.2.8): how many pictures later the picture is right for a decoder that begins here.
pub(super) fn recovery_point(unit: &[u8]) -> Option<u32> {
    let rbsp = unescape(unit.get(1..).unwrap_or_default(), LOOKED_THROUGH);
    let mut rest = rbsp.as_slice();
    // The last message is followed by the stop bit's byte.
    while rest.len() > 2 {
        let kind = number(&mut rest)?;
        let size = number(&mut rest)?;
        let payload = rest.get(..size)?;
        if kind == RECOVERY_POINT {
            return BitReader::new(payload).ue().ok();
        }
        rest = &rest[size..];
    }
    None
}

/// As many 255 as fit, and the remainder.
fn number(rest: &mut &[u8]) -> Option<usize> {
    let mut sum = 0;
    loop {
        let (&byte, tail) = rest.split_first()?;
        *rest = tail;
        sum += usize::from(byte);
        if byte != 255 {
            return Some(sum);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn found_behind_others() {
        assert_eq!(recovery_point(&[6, 6, 1, 0xc4, 0x80]), Some(0));
        // recovery_frame_cnt 4 is 00101.
        assert_eq!(
            recovery_point(&[6, 5, 3, 1, 2, 3, 6, 1, 0b0010_1100, 0x80]),
            Some(4)
        );
        assert_eq!(recovery_point(&[6, 5, 3, 1, 2, 3, 0x80]), None);
        assert_eq!(
            recovery_point(&[6, 5, 30, 1, 2, 3, 0x80]),
            None,
            "cut short"
        );
    }

    proptest! {
        #[test]
        fn never_panics(unit in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = recovery_point(&unit);
        }
    }
}
