//! What the member of a voice channel saw of a Go Live stream.

use std::time::{Duration, Instant};

use discord_sim::{DiscordSim, EarReport, Seen, TimedPicture};

use crate::waiting::until;

/// A numbered second tells the position of moments at most so far away.
const REACH: Duration = Duration::from_millis(1700);

/// The listening member of one guild, with open eyes.
#[derive(Clone, Copy)]
pub struct Eyes<'a> {
    sim: &'a DiscordSim,
    guild: u64,
}

impl<'a> Eyes<'a> {
    /// Of this guild.
    pub fn of(sim: &'a DiscordSim, guild: u64) -> Self {
        Self { sim, guild }
    }

    /// All that is kept of what came in.
    pub fn seen(&self) -> Seen {
        self.sim.seen(self.guild)
    }

    /// The pictures that were whole from `since` on, as times. Needs a runtime with more than one thread: decoding blocks
    /// this one.
    pub fn pictures(&self, since: Instant) -> Vec<TimedPicture> {
        let seen = self.seen();
        let looked = tokio::task::block_in_place(|| seen.look());
        let mut pictures = looked.expect("what is decodable can be decoded");
        pictures.retain(|picture| picture.moment.at >= since);
        pictures
    }

    /// How many decodable pictures came from `since` on.
    pub fn count(&self, since: Instant) -> usize {
        let seen = self.seen();
        let shown = seen.pictures().filter(|picture| picture.decodable);
        shown.filter(|picture| picture.at >= since).count()
    }

    /// Waits for so many decodable pictures from `since` on, and looks at them.
    pub async fn sees(&self, count: usize, since: Instant, within: Duration) -> Vec<TimedPicture> {
        let what = format!("{count} pictures at the member");
        until(&what, within, async || {
            (self.count(since) >= count).then_some(())
        })
        .await;
        self.pictures(since)
    }
}

/// How much later each of the pictures came than the sound of the same media time, in ms; negative: sooner. Only where
/// a confirmed second was heard near by, on the same connection.
pub fn behind_sound_ms(pictures: &[TimedPicture], heard: &EarReport) -> Vec<f64> {
    let behind = |picture: &TimedPicture| {
        let confirmed = heard.seconds.iter().filter(|second| second.confirmed);
        let near = confirmed
            .filter(|second| second.ssrc == picture.ssrc)
            .min_by_key(|second| apart(second.moment.at, picture.moment.at))?;
        if apart(near.moment.at, picture.moment.at) > REACH {
            return None;
        }
        let media_ms = picture.media?.as_secs_f64() * 1e3 - f64::from(near.second) * 1e3;
        let came_ms = signed_ms(near.moment.at, picture.moment.at);
        Some(came_ms - media_ms)
    };
    pictures.iter().filter_map(behind).collect()
}

fn apart(one: Instant, other: Instant) -> Duration {
    one.saturating_duration_since(other)
        .max(other.saturating_duration_since(one))
}

/// From `from` to `to`.
fn signed_ms(from: Instant, to: Instant) -> f64 {
    let ms = apart(from, to).as_secs_f64() * 1e3;
    if to >= from { ms } else { -ms }
}
