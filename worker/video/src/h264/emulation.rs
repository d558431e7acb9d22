//! Emulation prevention (7.4.1.1): inside a NAL unit `00 00 0x` (x ≤ 3) is written `00 00 03 0x`, so that no start code
//! appears in it.

/// The payload of a NAL unit without its emulation prevention, at most `limit` bytes of it.
pub(super) fn unescape(payload: &[u8], limit: usize) -> Vec<u8> {
    let mut rbsp = Vec::with_capacity(payload.len().min(limit));
    let mut zeros = 0;
    for &byte in payload {
        if rbsp.len() == limit {
            break;
        }
        if zeros >= 2 && byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        rbsp.push(byte);
    }
    rbsp
}

/// The same back again, behind what `out` holds. An RBSP ends with its stop bit, so never with a zero byte.
pub(super) fn escape_into(rbsp: &[u8], out: &mut Vec<u8>) {
    let mut zeros = 0;
    for &byte in rbsp {
        if zeros >= 2 && byte <= 3 {
            out.push(3);
            zeros = 0;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        out.push(byte);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn escape(rbsp: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        escape_into(rbsp, &mut out);
        out
    }

    #[test]
    fn start_codes_and_what_looks_escaped_are_escaped() {
        assert_eq!(escape(&[0, 0, 1]), [0, 0, 3, 1]);
        assert_eq!(escape(&[0, 0, 0, 0, 0, 1]), [0, 0, 3, 0, 0, 3, 0, 1]);
        assert_eq!(escape(&[0, 0, 3, 4]), [0, 0, 3, 3, 4]);
        assert_eq!(escape(&[0, 0, 4]), [0, 0, 4]);
        assert_eq!(unescape(&[0, 0, 3, 1, 9, 9], 4), [0, 0, 1, 9]);
    }

    proptest! {
        #[test]
        fn both_ways(mut rbsp in prop::collection::vec(0_u8..5, 0..200)) {
            rbsp.push(0x80);
            let escaped = escape(&rbsp);
            prop_assert!(!escaped.windows(3).any(|w| w[0] == 0 && w[1] == 0 && w[2] < 3));
            let back = unescape(&escaped, usize::MAX);
            prop_assert_eq!(back, rbsp);
        }
    }
}
