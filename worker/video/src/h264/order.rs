//! Whether pictures come in the order in which they are shown (8.2.1.1).

use super::slice::{SliceHead, SliceType};
use super::sps::{PictureOrder, Sps};
use crate::{Error, Refusal};

/// Follows the picture order count since an IDR picture.
#[derive(Debug, Default)]
pub(super) struct DisplayOrder {
    /// Of the last reference picture.
    high: i64,
    low: i64,
    /// Of the last picture.
    last: Option<i64>,
}

impl DisplayOrder {
    /// The next picture. A picture that resets the count without being an IDR picture (`memory_management` 5, which
    /// would need the whole slice header read) is refused as reordered.
    pub(super) fn next(&mut self, slice: &SliceHead, sps: &Sps) -> Result<(), Error> {
        if slice.kind == SliceType::Bidirectional {
            return Err(Refusal::BFrames.into());
        }
        if slice.idr {
            *self = Self::default();
        }
        let (Some(low), PictureOrder::LowBits(bits)) = (slice.order_low_bits(sps)?, sps.order)
        else {
            return Ok(());
        };
        let low = i64::from(low);
        let high = self.high_of(low, 1 << bits);
        let place = high + low;
        if self.last.is_some_and(|last| place <= last) {
            return Err(Refusal::Reordered.into());
        }
        self.last = Some(place);
        if slice.reference {
            (self.high, self.low) = (high, low);
        }
        Ok(())
    }

    /// The nearer of the two wraps.
    fn high_of(&self, low: i64, range: i64) -> i64 {
        if low < self.low && self.low - low >= range / 2 {
            self.high + range
        } else if low > self.low && low - self.low > range / 2 {
            self.high - range
        } else {
            self.high
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_wrap_both_ways() {
        let order = DisplayOrder {
            high: 32,
            low: 14,
            last: None,
        };
        assert_eq!(order.high_of(15, 16), 32);
        assert_eq!(order.high_of(0, 16), 48, "forward over the wrap");
        let order = DisplayOrder {
            high: 32,
            low: 1,
            last: None,
        };
        assert_eq!(order.high_of(14, 16), 16, "backward over the wrap");
    }
}
