//! Media that came before the client said that there is any.
//!
//! Said over TCP, sent over UDP: what is sent right after may overtake it. So it is judged a moment later.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::seen::Media;

/// By how much media may overtake what announces it, on a machine that has other things to do.
pub(crate) const OVERTAKES_BY: Duration = Duration::from_millis(250);

/// What one connection sent too early.
#[derive(Default)]
pub(crate) struct EarlyMedia {
    waiting: BTreeMap<Media, Waiting>,
    /// What was judged before.
    known: BTreeSet<Media>,
}

struct Waiting {
    since: Instant,
    packets: u64,
}

/// What was announced too late, or not at all.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Early {
    pub(crate) media: Media,
    pub(crate) packets: u64,
    /// Nothing of the kind came too early before.
    pub(crate) first: bool,
}

impl EarlyMedia {
    /// A packet came that nothing has announced yet.
    pub(crate) fn came(&mut self, media: Media, at: Instant) {
        let waiting = self.waiting.entry(media).or_insert(Waiting {
            since: at,
            packets: 0,
        });
        waiting.packets += 1;
    }

    /// What waits of this kind only overtook its announcement.
    pub(crate) fn announced(&mut self, media: Media) {
        self.waiting.remove(&media);
    }

    /// When there is something to judge.
    pub(crate) fn due(&self) -> Option<Instant> {
        let since = self.waiting.values().map(|waiting| waiting.since);
        since.min().map(|since| since + OVERTAKES_BY)
    }

    /// What came too early by more than it can have overtaken its announcement.
    pub(crate) fn overdue(&mut self, now: Instant) -> Vec<Early> {
        let known = &mut self.known;
        let overdue = self
            .waiting
            .extract_if(.., |_, waiting| waiting.since + OVERTAKES_BY <= now);
        overdue
            .map(|(media, waiting)| Early {
                media,
                packets: waiting.packets,
                first: known.insert(media),
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_overtakes_its_announcement_is_forgiven() {
        let (mut early, start) = (EarlyMedia::default(), Instant::now());
        early.came(Media::Picture, start);
        early.came(Media::Sound, start);
        assert!(early.overdue(start + OVERTAKES_BY / 2).is_empty());
        early.announced(Media::Picture);
        let sound = Early {
            media: Media::Sound,
            packets: 1,
            first: true,
        };
        assert_eq!(early.due(), Some(start + OVERTAKES_BY));
        assert_eq!(early.overdue(start + OVERTAKES_BY), [sound]);
        assert_eq!(early.due(), None);
    }

    #[test]
    fn every_packet_counts_and_the_first_time_is_told() {
        let (mut early, start) = (EarlyMedia::default(), Instant::now());
        for round in 0..2 {
            let begin = start + OVERTAKES_BY * 2 * round;
            for _ in 0..3 {
                early.came(Media::Picture, begin);
            }
            let judged = early.overdue(begin + OVERTAKES_BY);
            assert_eq!(judged.len(), 1);
            assert_eq!((judged[0].packets, judged[0].first), (3, round == 0));
        }
    }
}
