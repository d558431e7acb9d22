//! A party's state in words, and as a bar.

use crate::api::{Party, PlaybackState};
use crate::media_time::clock;
use crate::output::text::{printable, shortened, width};
use crate::output::{Colour, Style};

/// A wider bar tells no more.
const WIDEST_BAR: usize = 60;
/// With less room than this there is no bar.
const NARROWEST_BAR: usize = 5;

/// Everything that is shown of a party.
pub(crate) struct StatusText<'a> {
    pub(crate) party: &'a Party,
    /// Title of the next entry of the queue.
    pub(crate) next: Option<&'a str>,
    /// By now.
    pub(crate) position_ms: u64,
    pub(crate) notice: Option<&'a str>,
}

/// `playing  The Clock  0:43 / 2:00`
pub(crate) fn state_line(party: &Party, style: Style) -> String {
    let state = style.paint(state_colour(party.playback_state), &state_words(party));
    match &party.current_title {
        Some(title) => {
            let position = position(party, party.position_ms);
            format!("{state}  {}  {position}", printable(title))
        }
        None => state,
    }
}

pub(crate) fn state_colour(state: PlaybackState) -> Colour {
    match state {
        PlaybackState::Playing => Colour::Green,
        PlaybackState::Paused | PlaybackState::Loading => Colour::Yellow,
        _ => Colour::Dim,
    }
}

impl StatusText<'_> {
    /// For a log: all of it in one line.
    pub(crate) fn in_a_line(&self, style: Style) -> String {
        let state = style.paint(
            state_colour(self.party.playback_state),
            &state_words(self.party),
        );
        let mut parts = vec![state];
        if let Some(title) = &self.party.current_title {
            parts.push(printable(title));
            parts.push(position(self.party, self.position_ms));
        }
        parts.push(self.queue());
        parts.push(format!("worker {}", printable(&self.party.worker_status)));
        parts.extend(self.picture());
        if let Some(error) = &self.party.last_error {
            parts.push(style.paint(Colour::Red, &printable(error)));
        }
        parts.join("  ")
    }

    /// The same without what changes all the time.
    pub(super) fn without_position(&self) -> String {
        let party = Party {
            position_ms: 0,
            picture: None,
            ..self.party.clone()
        };
        let still = StatusText {
            party: &party,
            next: self.next,
            position_ms: 0,
            notice: self.notice,
        };
        still.in_a_line(Style::PLAIN)
    }

    /// For a terminal of so many columns: none is wider.
    pub(super) fn lines(&self, columns: usize, style: Style) -> Vec<String> {
        let mut lines = vec![self.head(columns, style)];
        if self.party.current_title.is_some() {
            lines.push(self.bar(columns, style));
        }
        let mut foot = format!(
            "{}   worker {}",
            self.queue(),
            printable(&self.party.worker_status)
        );
        if let Some(picture) = self.picture() {
            foot = format!("{foot}   {picture}");
        }
        lines.push(style.paint(Colour::Dim, &shortened(&foot, columns)));
        let remarks = [
            (self.party.last_error.as_deref(), Colour::Red),
            (self.notice, Colour::Yellow),
        ];
        for (remark, colour) in remarks {
            if let Some(remark) = remark {
                lines.push(style.paint(colour, &shortened(&printable(remark), columns)));
            }
        }
        lines
    }

    fn head(&self, columns: usize, style: Style) -> String {
        let state = format!(
            "{} {}",
            symbol(self.party.playback_state),
            state_words(self.party)
        );
        let state = shortened(&state, columns);
        let name = self
            .party
            .current_title
            .as_deref()
            .or(self.party.title.as_deref());
        let name = printable(name.unwrap_or(&self.party.id));
        let room = columns.saturating_sub(width(&state) + 2);
        let painted = style.paint(state_colour(self.party.playback_state), &state);
        if room == 0 {
            return painted;
        }
        format!(
            "{painted}  {}",
            style.paint(Colour::Bold, &shortened(&name, room))
        )
    }

    fn bar(&self, columns: usize, style: Style) -> String {
        let position = position(self.party, self.position_ms);
        let room = columns.saturating_sub(width(&position) + 2).min(WIDEST_BAR);
        let Some(duration) = self.party.duration_ms().filter(|_| room >= NARROWEST_BAR) else {
            return shortened(&position, columns);
        };
        let share = self.position_ms.min(duration) as f64 / duration.max(1) as f64;
        let played = (share * room as f64) as usize;
        let done = style.paint(Colour::Cyan, &"━".repeat(played));
        let rest = style.paint(Colour::Dim, &"─".repeat(room - played));
        format!("{done}{rest}  {position}")
    }

    fn picture(&self) -> Option<String> {
        let picture = self.party.picture.as_ref()?;
        Some(format!("picture {}", picture.text()))
    }

    fn queue(&self) -> String {
        match (self.party.queued, self.next) {
            (0, _) => "queue empty".to_owned(),
            (count, None) => format!("{count} queued"),
            (1, Some(next)) => format!("next: {}", printable(next)),
            (count, Some(next)) => format!("next: {} ({count} queued)", printable(next)),
        }
    }
}

/// The state, and why it ended.
fn state_words(party: &Party) -> String {
    let state = party.playback_state.name();
    match (&party.end_reason, party.playback_state) {
        (Some(reason), PlaybackState::Ended) => format!("{state} ({})", printable(reason)),
        _ => state.to_owned(),
    }
}

fn symbol(state: PlaybackState) -> char {
    match state {
        PlaybackState::Playing => '▶',
        PlaybackState::Paused => '‖',
        PlaybackState::Loading => '…',
        _ => '■',
    }
}

fn position(party: &Party, position_ms: u64) -> String {
    match party.duration_ms() {
        Some(duration) => format!("{} / {}", clock(position_ms), clock(duration)),
        None => clock(position_ms),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn party() -> Party {
        Party {
            id: "p".into(),
            playback_state: PlaybackState::Playing,
            worker_status: "connected".into(),
            current_title: Some("The Clock".into()),
            position_ms: 30_000,
            duration_seconds: Some(120),
            queued: 2,
            ..Party::default()
        }
    }

    fn text(party: &Party) -> StatusText<'_> {
        StatusText {
            party,
            next: Some("Alien"),
            position_ms: party.position_ms,
            notice: None,
        }
    }

    #[test]
    fn as_it_stands_on_a_terminal() {
        let party = party();
        assert_eq!(
            text(&party).lines(33, Style::PLAIN),
            [
                "▶ playing  The Clock",
                "━━━━━───────────────  0:30 / 2:00",
                "next: Alien (2 queued)   worker …"
            ]
        );
        let narrow = text(&party).lines(15, Style::PLAIN);
        assert_eq!(
            narrow,
            ["▶ playing  The…", "0:30 / 2:00", "next: Alien (2…"]
        );
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        let party = Party {
            current_title: Some("千と千尋の神隠し".repeat(9)),
            last_error: Some("no source can be played ".repeat(9)),
            ..party()
        };
        for columns in 1..120 {
            for line in text(&party).lines(columns, Style::PLAIN) {
                assert!(width(&line) <= columns, "{columns}: {line}");
            }
        }
    }

    #[test]
    fn a_position_alone_is_no_change() {
        let party = party();
        let later = StatusText {
            position_ms: 31_000,
            ..text(&party)
        };
        assert_eq!(later.without_position(), text(&party).without_position());
        let paused = Party {
            playback_state: PlaybackState::Paused,
            ..party.clone()
        };
        assert_ne!(
            text(&paused).without_position(),
            text(&party).without_position()
        );
        assert_eq!(
            text(&paused).in_a_line(Style::PLAIN),
            "paused  The Clock  0:30 / 2:00  next: Alien (2 queued)  worker connected"
        );
    }

    #[test]
    fn a_picture_in_the_channel_shows_and_its_counters_are_no_change() {
        let picture = crate::api::Picture {
            pictures_late: 3,
            width: 1280,
            height: 720,
            kbits_per_second: 2500,
        };
        let live = Party {
            picture: Some(picture),
            ..party()
        };
        let line = text(&live).in_a_line(Style::PLAIN);
        assert!(
            line.ends_with("worker connected  picture 1280x720 at 2500 kbit/s, 3 late"),
            "{line}"
        );
        assert_eq!(
            text(&live).lines(90, Style::PLAIN)[2],
            "next: Alien (2 queued)   worker connected   picture 1280x720 at 2500 kbit/s, 3 late"
        );
        assert_eq!(
            text(&live).without_position(),
            text(&party()).without_position()
        );
    }

    #[test]
    fn an_end_says_why_and_a_failure_what() {
        let party = Party {
            playback_state: PlaybackState::Ended,
            end_reason: Some("failed".into()),
            last_error: Some("cannot\x1bread it".into()),
            queued: 0,
            ..party()
        };
        assert_eq!(
            text(&party).in_a_line(Style::PLAIN),
            "ended (failed)  The Clock  0:30 / 2:00  queue empty  worker connected  cannot read it"
        );
    }
}
