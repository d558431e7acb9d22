//! Whether a decoder can show a picture: each one leans on those before it, back to an IDR.
//!
//! A packet that is missing breaks the chain. So does a picture that was never sent: H.264 counts the pictures that
//! others lean on (`frame_num`, ITU-T H.264, 7.4.3), and the count tells.

/// Where a chain stands.
#[derive(Default)]
pub(crate) struct PictureChain {
    /// Every picture since the last IDR is there.
    whole: bool,
    counting: Option<Counting>,
}

/// How `frame_num` goes on.
#[derive(Clone, Copy)]
struct Counting {
    /// Bits of `frame_num`; 0: the parameter set cannot be read here, and nothing is checked.
    bits: u32,
    /// `frame_num` of the last picture, and whether others lean on that.
    last: Option<(u32, bool)>,
}

/// What is known of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) idr: bool,
    pub(crate) decodable: bool,
    /// It follows on a picture that never came.
    pub(crate) skipped: bool,
}

impl PictureChain {
    /// Something is missing.
    pub(crate) fn broke(&mut self) {
        self.whole = false;
        if let Some(counting) = &mut self.counting {
            counting.last = None;
        }
    }

    /// Takes a picture in Annex B.
    pub(crate) fn take(&mut self, picture: &[u8]) -> Link {
        let mut link = Link {
            idr: false,
            decodable: false,
            skipped: false,
        };
        let mut has_slice = false;
        for nal in nals(picture) {
            match nal.first().map(|byte| byte & 0x1f) {
                Some(7) => {
                    let bits = frame_num_bits(nal).unwrap_or(0);
                    let last = self.counting.and_then(|before| before.last);
                    self.counting = Some(Counting { bits, last });
                }
                Some(kind @ (1 | 5)) => {
                    link.idr = kind == 5;
                    link.skipped = !self.counts_on(nal, link.idr);
                    has_slice = true;
                    // All slices of a picture have the same count.
                    break;
                }
                _ => {}
            }
        }
        if link.idr {
            self.whole = true;
        } else if link.skipped {
            self.whole = false;
        }
        link.decodable = self.whole && has_slice;
        link
    }

    /// Whether the picture with this first slice is the next.
    fn counts_on(&mut self, slice: &[u8], idr: bool) -> bool {
        let Some(counting) = self.counting.as_mut().filter(|one| one.bits > 0) else {
            return true;
        };
        let Some(frame_num) = frame_num(slice, counting.bits) else {
            return false;
        };
        let leaned_on = slice[0] & 0x60 != 0;
        let before = counting.last.replace((frame_num, leaned_on));
        let Some((last, leaned_on)) = before.filter(|_| !idr) else {
            return true;
        };
        let next = (last + u32::from(leaned_on)) & ((1 << counting.bits) - 1);
        frame_num == next
    }
}

/// What follows each start code of an Annex B stream, up to the stream's end. Headers alone are read here; where a NAL
/// unit ends does not matter.
fn nals(stream: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = stream;
    std::iter::from_fn(move || {
        let at = rest.windows(3).position(|three| three == [0, 0, 1])?;
        rest = &rest[at + 3..];
        Some(rest)
    })
}

/// Bits of `frame_num` as a sequence parameter set says (7.3.2.1.1). `None`: it has scaling lists, which are not read
/// here, or ends too soon.
fn frame_num_bits(sps: &[u8]) -> Option<u32> {
    /// The profiles that say more about chroma (7.3.2.1.1).
    const HIGH: [u32; 13] = [100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135];
    let mut bits = Bits::of(sps.get(1..)?);
    let profile = bits.take(8)?;
    bits.take(16)?;
    bits.exp_golomb()?;
    if HIGH.contains(&profile) {
        if bits.exp_golomb()? == 3 {
            // Planes of their own put one more field before frame_num.
            return None;
        }
        bits.exp_golomb()?;
        bits.exp_golomb()?;
        bits.take(1)?;
        if bits.take(1)? == 1 {
            return None;
        }
    }
    Some(bits.exp_golomb()? + 4).filter(|bits| *bits <= 16)
}

/// `frame_num` of a slice (7.3.3).
fn frame_num(slice: &[u8], length: u32) -> Option<u32> {
    let mut bits = Bits::of(slice.get(1..)?);
    for _ in 0..3 {
        bits.exp_golomb()?;
    }
    bits.take(length)
}

/// Reads bits, over the bytes that prevent start codes (7.4.1).
struct Bits {
    bytes: Vec<u8>,
    at: usize,
}

/// More than any header that is read here.
const LONGEST_HEADER: usize = 64;

impl Bits {
    fn of(raw: &[u8]) -> Self {
        let mut bytes = Vec::new();
        let mut zeros = 0;
        for &byte in raw.iter().take(LONGEST_HEADER) {
            if zeros >= 2 && byte == 3 {
                zeros = 0;
                continue;
            }
            zeros = if byte == 0 { zeros + 1 } else { 0 };
            bytes.push(byte);
        }
        Self { bytes, at: 0 }
    }

    fn take(&mut self, count: u32) -> Option<u32> {
        let mut value = 0;
        for _ in 0..count {
            let byte = self.bytes.get(self.at / 8)?;
            let bit = byte >> (7 - self.at % 8) & 1;
            value = value << 1 | u32::from(bit);
            self.at += 1;
        }
        Some(value)
    }

    fn exp_golomb(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while self.take(1)? == 0 {
            zeros += 1;
        }
        if zeros > 31 {
            return None;
        }
        Some((1_u32 << zeros) - 1 + self.take(zeros)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A baseline SPS with four bits of `frame_num`: profile, constraints, level, id 0, and `ue(0)`.
    const SPS: [u8; 9] = [0, 0, 0, 1, 0x67, 66, 0xc0, 31, 0b1100_0000];

    /// A slice: `first_mb` 0, `slice_type` 0, `pps` 0, then four bits.
    fn slice(header: u8, frame_num: u8) -> Vec<u8> {
        vec![0, 0, 0, 1, header, 0b1110_0000 | frame_num << 1, 0xff]
    }

    fn idr() -> Vec<u8> {
        [&SPS[..], &slice(0x65, 0)].concat()
    }

    fn p(frame_num: u8) -> Vec<u8> {
        slice(0x41, frame_num)
    }

    fn decodable(chain: &mut PictureChain, picture: &[u8]) -> bool {
        chain.take(picture).decodable
    }

    #[test]
    fn nothing_can_be_shown_before_an_idr() {
        let mut chain = PictureChain::default();
        assert!(!decodable(&mut chain, &p(3)));
        let first = chain.take(&idr());
        assert!(first.idr && first.decodable && !first.skipped);
        assert!(decodable(&mut chain, &p(1)));
        assert!(decodable(&mut chain, &p(2)));
    }

    #[test]
    fn a_hole_hides_everything_up_to_the_next_idr() {
        let mut chain = PictureChain::default();
        chain.take(&idr());
        chain.broke();
        assert!(!decodable(&mut chain, &p(2)));
        assert!(!decodable(&mut chain, &p(3)));
        assert!(decodable(&mut chain, &idr()));
        assert!(decodable(&mut chain, &p(1)));
    }

    #[test]
    fn a_picture_that_was_never_sent_is_missed() {
        let mut chain = PictureChain::default();
        chain.take(&idr());
        assert!(decodable(&mut chain, &p(1)));
        let after = chain.take(&p(3));
        assert!(after.skipped && !after.decodable);
        assert!(!decodable(&mut chain, &p(4)));
        assert!(decodable(&mut chain, &idr()));
    }

    #[test]
    fn the_count_wraps_and_rests_after_what_nobody_leans_on() {
        let mut chain = PictureChain::default();
        chain.take(&idr());
        for n in 1..40 {
            assert!(decodable(&mut chain, &p(n % 16)), "{n}");
        }
        let free = slice(0x01, 8);
        assert!(decodable(&mut chain, &free));
        assert!(decodable(&mut chain, &p(8)), "the free one did not count");
        assert!(decodable(&mut chain, &p(9)));
    }

    #[test]
    fn without_a_parameter_set_holes_alone_count() {
        let mut chain = PictureChain::default();
        assert!(decodable(&mut chain, &slice(0x65, 0)));
        assert!(decodable(&mut chain, &p(9)));
        assert!(
            !decodable(&mut chain, &[0, 0, 0, 1, 0x68, 1]),
            "no slice, no picture"
        );
    }

    #[test]
    fn bits_are_read_over_what_prevents_start_codes() {
        let mut bits = Bits::of(&[0, 0, 3, 1, 0b0010_1000]);
        assert_eq!(bits.take(24), Some(1));
        assert_eq!(bits.exp_golomb(), Some(4));
        assert_eq!(bits.take(4), None);
        assert_eq!(Bits::of(&[0; 64]).exp_golomb(), None);
    }
}
