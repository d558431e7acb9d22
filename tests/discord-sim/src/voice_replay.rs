//! What a voice connection was sent, by number, so that a resume can send it again.
//!
//! Discord: "The gateway server uses a fixed bit length sequence number and handles wrapping the
//! sequence number around." The two bytes of binary messages say how long: 16 bits.

use std::collections::VecDeque;

use tokio_tungstenite::tungstenite::Message;

use crate::sockets::OUT_QUEUE;
use crate::voice_wire::SeqAck;

/// Largest buffer: half of a socket's queue, so that a replay never fills it.
const LARGEST_CAPACITY: usize = OUT_QUEUE / 2;

/// Numbers messages and keeps the last ones.
pub(crate) struct VoiceReplay {
    /// Number of the next message.
    next: u16,
    /// The last messages; the newest has the number before `next`.
    kept: VecDeque<Message>,
    capacity: usize,
    /// A message has been dropped for want of room.
    dropped: bool,
}

impl VoiceReplay {
    /// Begins with number `first`; keeps `capacity` messages, or the most that is allowed.
    pub(crate) fn new(first: u16, capacity: usize) -> Self {
        Self {
            next: first,
            kept: VecDeque::new(),
            capacity: capacity.min(LARGEST_CAPACITY),
            dropped: false,
        }
    }

    /// Gives the next number to a message and keeps it.
    pub(crate) fn push(&mut self, encode: impl FnOnce(u16) -> Message) -> Message {
        let message = encode(self.next);
        self.next = self.next.wrapping_add(1);
        self.kept.push_back(message.clone());
        if self.kept.len() > self.capacity {
            self.kept.pop_front();
            self.dropped = true;
        }
        message
    }

    /// What a client that received `seq_ack` last has missed. `None`: some of that is kept no
    /// longer, or the number was never sent.
    pub(crate) fn after(&self, seq_ack: SeqAck) -> Option<Vec<Message>> {
        let missed = match seq_ack {
            SeqAck::Nothing if self.dropped => return None,
            SeqAck::Nothing => self.kept.len(),
            SeqAck::Received(last) => {
                // Counted backwards from the newest, so that a wrapped number is no special case;
                // one from the future is far behind this way.
                let newest = self.next.wrapping_sub(1);
                usize::from(newest.wrapping_sub(last))
            }
            SeqAck::Impossible => return None,
        };
        let from = self.kept.len().checked_sub(missed)?;
        Some(self.kept.range(from..).cloned().collect())
    }

    /// Whether a heartbeat may say this: nothing, or a number that was sent.
    pub(crate) fn was_sent(&self, seq_ack: SeqAck) -> bool {
        match seq_ack {
            SeqAck::Nothing => true,
            SeqAck::Received(last) => {
                let behind = self.next.wrapping_sub(1).wrapping_sub(last);
                // More than half a turn behind is ahead.
                (self.dropped || !self.kept.is_empty()) && behind < 1 << 15
            }
            SeqAck::Impossible => false,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn replay(first: u16, capacity: usize, sent: u16) -> VoiceReplay {
        let mut replay = VoiceReplay::new(first, capacity);
        for _ in 0..sent {
            replay.push(|seq| Message::text(seq.to_string()));
        }
        replay
    }

    fn missed(replay: &VoiceReplay, seq_ack: SeqAck) -> Option<Vec<String>> {
        let text = |message: Message| message.to_text().unwrap().to_owned();
        let missed = replay.after(seq_ack)?;
        Some(missed.into_iter().map(text).collect())
    }

    #[test]
    fn sends_again_what_came_after() {
        let replay = replay(1, 10, 4);
        let after = |last| missed(&replay, SeqAck::Received(last));
        assert_eq!(after(2).unwrap(), ["3", "4"]);
        assert!(after(4).unwrap().is_empty());
        assert_eq!(after(0).unwrap().len(), 4);
        assert_eq!(missed(&replay, SeqAck::Nothing).unwrap().len(), 4);
        assert!(after(5).is_none(), "from the future");
        assert!(missed(&replay, SeqAck::Impossible).is_none());
    }

    #[test]
    fn what_was_dropped_cannot_be_sent_again() {
        let replay = replay(1, 3, 10);
        let after = |last| missed(&replay, SeqAck::Received(last));
        assert_eq!(after(7).unwrap(), ["8", "9", "10"]);
        assert!(after(6).is_none());
        assert!(missed(&replay, SeqAck::Nothing).is_none());
    }

    #[test]
    fn numbers_wrap_around() {
        let replay = replay(65_534, 10, 4);
        let after = |last| missed(&replay, SeqAck::Received(last));
        assert_eq!(after(65_534).unwrap(), ["65535", "0", "1"]);
        assert_eq!(after(0).unwrap(), ["1"]);
        assert!(after(2).is_none());
    }

    #[test]
    fn a_heartbeat_may_not_know_the_future() {
        let replay = replay(1, 3, 10);
        for seq_ack in [SeqAck::Nothing, SeqAck::Received(10), SeqAck::Received(1)] {
            assert!(replay.was_sent(seq_ack));
        }
        assert!(!replay.was_sent(SeqAck::Received(11)));
        assert!(!replay.was_sent(SeqAck::Impossible));
        let fresh = VoiceReplay::new(1, 3);
        assert!(!fresh.was_sent(SeqAck::Received(0)));
    }
}
