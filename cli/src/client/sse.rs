//! Server-sent events, from bytes as they come. <https://html.spec.whatwg.org/multipage/server-sent-events.html>

/// A line that is longer is no event of ours: a party with the longest of titles takes a few kilobytes.
const LONGEST_LINE: usize = 1 << 20;

/// One event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct SseEvent {
    /// The id that stands in the event itself.
    pub(crate) id: Option<String>,
    /// `message` where it names none.
    pub(crate) name: String,
    pub(crate) data: String,
}

/// A line grew beyond all bounds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct LineTooLong;

/// Puts events together.
#[derive(Debug, Default)]
pub(crate) struct SseParser {
    line: Vec<u8>,
    event: SseEvent,
    has_data: bool,
}

impl SseParser {
    /// The events that these bytes complete.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<Vec<SseEvent>, LineTooLong> {
        let mut complete = Vec::new();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(piece);
            if self.line.len() > LONGEST_LINE {
                return Err(LineTooLong);
            }
            if self.line.ends_with(b"\n") {
                let line = std::mem::take(&mut self.line);
                let line = String::from_utf8_lossy(&line);
                complete.extend(self.take_line(line.trim_end_matches(['\r', '\n'])));
            }
        }
        Ok(complete)
    }

    fn take_line(&mut self, line: &str) -> Option<SseEvent> {
        if line.is_empty() {
            let event = std::mem::take(&mut self.event);
            return std::mem::take(&mut self.has_data)
                .then_some(event)
                .map(named);
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => {
                if std::mem::replace(&mut self.has_data, true) {
                    self.event.data.push('\n');
                }
                self.event.data.push_str(value);
            }
            "event" => value.clone_into(&mut self.event.name),
            "id" => self.event.id = Some(value.to_owned()),
            // A comment (an empty field), or a field that says nothing here.
            _ => {}
        }
        None
    }
}

fn named(event: SseEvent) -> SseEvent {
    let name = if event.name.is_empty() {
        "message".to_owned()
    } else {
        event.name
    };
    SseEvent { name, ..event }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const STREAM: &str = ": hello\n\nid: 7\nevent: item_played\ndata: {\"a\":\ndata: 1}\n\nevent: state\r\ndata:{}\r\n\r\ndata: x\n\nevent: none\n\n";

    #[test]
    fn reads_events_however_the_bytes_are_cut() {
        for size in 1..STREAM.len() {
            let mut parser = SseParser::default();
            let mut events = Vec::new();
            for piece in STREAM.as_bytes().chunks(size) {
                events.extend(parser.push(piece).unwrap());
            }
            let event = |id: Option<&str>, name: &str, data: &str| SseEvent {
                id: id.map(ToOwned::to_owned),
                name: name.to_owned(),
                data: data.to_owned(),
            };
            let expected = [
                event(Some("7"), "item_played", "{\"a\":\n1}"),
                event(None, "state", "{}"),
                event(None, "message", "x"),
            ];
            assert_eq!(events, expected, "pieces of {size}");
        }
    }

    #[test]
    fn memory_is_bounded() {
        let mut parser = SseParser::default();
        let piece = vec![b'x'; LONGEST_LINE / 2];
        assert_eq!(parser.push(&piece), Ok(Vec::new()));
        assert_eq!(parser.push(&piece), Ok(Vec::new()));
        assert_eq!(parser.push(&piece), Err(LineTooLong));
    }
}
