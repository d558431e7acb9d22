//! What the member of a voice channel hears, as packets and times.

use std::time::{Duration, Instant};

use anyhow::Result;
use discord_sim::{DiscordSim, HeardPacket};

use crate::waiting::until;

/// Packets of a film come every 20 ms; two that are so far apart have a break between them.
const BREAK: Duration = Duration::from_millis(100);

/// No start takes longer, even on a machine that is busy with eight others.
const HEARD_WITHIN: Duration = Duration::from_secs(15);

/// The member of one guild.
#[derive(Clone, Copy)]
pub(crate) struct Listener<'a> {
    sim: &'a DiscordSim,
    guild: u64,
}

impl<'a> Listener<'a> {
    pub(crate) fn new(sim: &'a DiscordSim, guild: u64) -> Self {
        Self { sim, guild }
    }

    /// Waits for the first packet of film that arrives after `since`, when nothing played then.
    pub(crate) async fn first_sound(&self, since: Instant) -> Result<Instant> {
        until("the first packet of a film", HEARD_WITHIN, async || {
            Ok(self.film(since).first().copied())
        })
        .await
    }

    /// Waits for the first packet of film after a break (silence, or nothing) in what played at `since`.
    pub(crate) async fn first_sound_after_break(&self, since: Instant) -> Result<Instant> {
        until(
            "the first packet of the new place",
            HEARD_WITHIN,
            async || {
                let heard = self.sim.heard_since(self.guild, since);
                Ok(after_break(since, &heard.packets()))
            },
        )
        .await
    }

    /// Waits until the film has been heard for so long without a break.
    pub(crate) async fn film_for(&self, length: Duration) -> Result<()> {
        until("a film without a break", HEARD_WITHIN, async || {
            let now = Instant::now();
            let since = now.checked_sub(length).unwrap_or(now);
            let film = self.film(since);
            let begins = film.first().is_some_and(|first| *first - since < BREAK);
            Ok((begins && longest_hole(&film, now) < BREAK).then_some(()))
        })
        .await
    }

    /// Waits until there has been nothing of a film for `length`.
    pub(crate) async fn quiet_for(&self, length: Duration) -> Result<()> {
        until("the film to end", HEARD_WITHIN, async || {
            let now = Instant::now();
            let since = now.checked_sub(length).unwrap_or(now);
            Ok(self.film(since).is_empty().then_some(()))
        })
        .await
    }

    /// The longest time between two packets of film from `since` to now, the last one's age included.
    pub(crate) fn longest_hole(&self, since: Instant) -> Duration {
        longest_hole(&self.film(since), Instant::now())
    }

    /// Arrival and RTP timestamp of every packet since, silence as well.
    pub(crate) fn schedule(&self, since: Instant) -> Vec<(Instant, u32)> {
        let heard = self.sim.heard_since(self.guild, since);
        let packets = heard.packets();
        packets.iter().map(|one| (one.at, one.timestamp)).collect()
    }

    /// Arrivals of the packets since that are no silence frames: those of a film are never.
    pub(crate) fn film(&self, since: Instant) -> Vec<Instant> {
        let heard = self.sim.heard_since(self.guild, since);
        let packets = heard.packets();
        let film = packets.iter().filter(|one| !one.silence);
        film.map(|one| one.at).collect()
    }
}

fn after_break(since: Instant, packets: &[&HeardPacket]) -> Option<Instant> {
    let packets = packets.iter().map(|one| (one.at, one.silence));
    first_after_break(since, packets)
}

/// `packets` are `(arrival, silence frame)`.
fn first_after_break(
    since: Instant,
    packets: impl Iterator<Item = (Instant, bool)>,
) -> Option<Instant> {
    let mut last_film = since;
    let mut broken = false;
    for (at, silence) in packets {
        broken |= silence || at.duration_since(last_film) > BREAK;
        if !silence {
            if broken {
                return Some(at);
            }
            last_film = at;
        }
    }
    None
}

fn longest_hole(film: &[Instant], now: Instant) -> Duration {
    let next = film.iter().skip(1).chain([&now]);
    let holes = film
        .iter()
        .zip(next)
        .map(|(at, next)| next.duration_since(*at));
    holes.max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(start: Instant, ms: u64) -> Instant {
        start + Duration::from_millis(ms)
    }

    fn found(arrivals: &[(u64, bool)]) -> Option<u64> {
        let start = Instant::now();
        let packets = arrivals
            .iter()
            .map(|(ms, silence)| (at(start, *ms), *silence));
        first_after_break(start, packets).map(|at| (at - start).as_millis() as u64)
    }

    #[test]
    fn what_still_plays_is_not_the_new_place() {
        assert_eq!(found(&[(10, false), (30, false), (50, false)]), None);
        // Silence between them, as songbird sends it.
        assert_eq!(found(&[(10, false), (30, true), (50, false)]), Some(50));
        // Nothing between them.
        assert_eq!(found(&[(10, false), (30, false), (250, false)]), Some(250));
        assert_eq!(found(&[(10, true), (30, true)]), None);
    }

    #[test]
    fn the_last_hole_lasts_until_now() {
        let start = Instant::now();
        let film = [at(start, 0), at(start, 20), at(start, 90)];
        assert_eq!(
            longest_hole(&film, at(start, 100)),
            Duration::from_millis(70)
        );
        assert_eq!(
            longest_hole(&film, at(start, 300)),
            Duration::from_millis(210)
        );
    }
}
