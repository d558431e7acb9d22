//! Server-sent events, as far as they are counted.

/// Counts the events of one type in what comes in, wherever it is cut.
#[derive(Debug)]
pub(super) struct Rows {
    line: Vec<u8>,
    field: Vec<u8>,
    is_one: bool,
}

impl Rows {
    /// Of events of this type.
    pub(super) fn of(event_type: &str) -> Self {
        Self {
            line: Vec::new(),
            field: format!("event: {event_type}").into_bytes(),
            is_one: false,
        }
    }

    /// How many ended in this piece.
    pub(super) fn count(&mut self, piece: &[u8]) -> usize {
        let mut ended = 0;
        for byte in piece {
            if *byte != b'\n' {
                self.line.push(*byte);
                continue;
            }
            if self.line.is_empty() {
                ended += usize::from(std::mem::take(&mut self.is_one));
            }
            self.is_one |= self.line == self.field;
            self.line.clear();
        }
        ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_counted_wherever_they_are_cut() {
        let text = b"event: state\ndata: {}\n\nid: 7\nevent: queue_moved\ndata: {}\n\n: still here\n\nid: 8\nevent: \
                     queue_moved\ndata: 1\n\nid: 9\nevent: queue_moved\n";
        for size in [1, 2, 7, text.len()] {
            let mut rows = Rows::of("queue_moved");
            let counted: usize = text.chunks(size).map(|piece| rows.count(piece)).sum();
            assert_eq!(counted, 2, "in pieces of {size}");
            assert_eq!(rows.count(b"\n"), 1);
        }
    }
}
