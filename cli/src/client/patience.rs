//! How often and for how long a call is tried again.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

/// A gateway that is replaced is back within seconds; beyond this, whoever waits at the terminal wants to know.
const IN_ALL: Duration = Duration::from_secs(15);

/// Together some three seconds where the server does not say when to come again.
const TRIES: usize = 4;
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// What is left of it for one command.
pub(crate) struct Patience {
    pauses: ExponentialBackoff,
    left: Duration,
}

impl Patience {
    /// For a command that somebody waits for.
    pub(crate) fn of_a_command() -> Self {
        Self {
            pauses: pauses().with_max_times(TRIES).build(),
            left: IN_ALL,
        }
    }

    /// For a view that goes on until it is ended.
    pub(crate) fn endless() -> Self {
        Self {
            pauses: pauses().without_max_times().with_jitter().build(),
            left: Duration::MAX,
        }
    }

    /// How long to wait before the next try, at least as long as the server asks for; none when it is over.
    pub(crate) fn next_pause(&mut self, asked_for: Option<Duration>) -> Option<Duration> {
        let pause = self.pauses.next()?.max(asked_for.unwrap_or_default());
        self.left = self.left.checked_sub(pause)?;
        Some(pause)
    }
}

fn pauses() -> ExponentialBuilder {
    ExponentialBuilder::new()
        .with_min_delay(FIRST_PAUSE)
        .with_max_delay(LONGEST_PAUSE)
        .with_factor(2.0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_command_waits_for_seconds_and_a_view_for_ever() {
        let mut patience = Patience::of_a_command();
        let pauses: Vec<_> = std::iter::from_fn(|| patience.next_pause(None)).collect();
        let ms: Vec<_> = pauses.iter().map(Duration::as_millis).collect();
        assert_eq!(ms, [200, 400, 800, 1600]);
        let mut endless = Patience::endless();
        for _ in 0..1000 {
            assert!(endless.next_pause(None).unwrap() <= 2 * LONGEST_PAUSE);
        }
    }

    #[test]
    fn the_server_may_ask_for_more_but_not_for_all_day() {
        let mut patience = Patience::of_a_command();
        let asked = Some(Duration::from_secs(5));
        assert_eq!(patience.next_pause(asked), asked);
        assert_eq!(patience.next_pause(asked), asked);
        assert_eq!(patience.next_pause(asked), asked);
        assert_eq!(patience.next_pause(asked), None);
        assert_eq!(
            Patience::of_a_command().next_pause(Some(Duration::from_mins(1))),
            None
        );
    }
}
