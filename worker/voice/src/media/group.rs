//! The pictures since the last IDR picture, for receivers that begin in the middle.
//!
//! A new media path begins with an IDR picture, and the source cannot be asked for one. So what it gave since its last one
//! is kept, and sent once more when the path opens: receivers decode up to the present picture, and show that.

use std::time::{Duration, Instant};

use bytes::Bytes;

/// Longer groups are not sent again: it would take about as long as the next IDR picture takes to come, on a line that is
/// little wider than the film.
const MOST_TIME: Duration = Duration::from_secs(2);

/// Nor larger ones: [`MOST_TIME`] of 8 Mbit/s.
const MOST_BYTES: usize = 2 << 20;

/// Pictures of a source, from an IDR picture to the last one that it gave. Empty where that is too much.
#[derive(Debug, Default)]
pub struct Group {
    pictures: Vec<Bytes>,
    bytes: usize,
    begun: Option<Instant>,
}

impl Group {
    /// The source's next picture.
    pub(super) fn keep(&mut self, picture: &Bytes, due: Instant, idr: bool) {
        if idr {
            self.forget();
            self.begun = Some(due);
        }
        let Some(begun) = self.begun else { return };
        self.bytes += picture.len();
        if self.bytes > MOST_BYTES || due.saturating_duration_since(begun) > MOST_TIME {
            return self.forget();
        }
        self.pictures.push(picture.clone());
    }

    /// What a receiver needs before the picture that comes next, the IDR picture first. None: there is no such thing.
    pub(super) fn so_far(&self) -> &[Bytes] {
        &self.pictures
    }

    fn forget(&mut self) {
        // Its room, too: of a call that plays sound alone now, nothing stays.
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(pictures: impl IntoIterator<Item = (usize, u64, bool)>) -> Group {
        let (mut group, start) = (Group::default(), Instant::now());
        for (bytes, ms, idr) in pictures {
            let picture = Bytes::from(vec![0; bytes]);
            group.keep(&picture, start + Duration::from_millis(ms), idr);
        }
        group
    }

    fn sizes(group: &Group) -> Vec<usize> {
        group.so_far().iter().map(Bytes::len).collect()
    }

    #[test]
    fn it_begins_anew_with_each_idr_picture_and_with_nothing_else() {
        let all = [
            (1, 0, false),
            (2, 40, true),
            (3, 80, false),
            (4, 120, true),
            (5, 160, false),
        ];
        assert!(sizes(&group(all[..1].iter().copied())).is_empty());
        assert_eq!(sizes(&group(all[..3].iter().copied())), [2, 3]);
        assert_eq!(sizes(&group(all)), [4, 5]);
    }

    #[test]
    fn what_is_too_long_or_too_large_is_not_kept_until_the_next_idr_picture() {
        let long = [(1, 0, true), (2, 1_990, false), (3, 2_010, false)];
        assert_eq!(sizes(&group(long[..2].iter().copied())), [1, 2]);
        assert!(sizes(&group(long)).is_empty());
        let mut after = long.to_vec();
        after.extend([(4, 2_050, false), (5, 4_000, true), (6, 4_040, false)]);
        assert_eq!(sizes(&group(after)), [5, 6]);
        let large = group([(MOST_BYTES, 0, true), (1, 40, false), (1, 80, false)]);
        assert!(large.so_far().is_empty());
        assert_eq!(large.bytes, 0);
    }
}
