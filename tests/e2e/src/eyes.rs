//! What the member of a voice channel saw of a Go Live stream.

use std::time::{Duration, Instant};

use discord_sim::{DiscordSim, Seen, Skew, TimedPicture};

use crate::waiting::until;

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

    /// How far picture and sound were apart from `since` on, for each sure second of film that both came of. Blocks this
    /// thread, as [`pictures`](Self::pictures) does.
    pub fn skews(&self, since: Instant) -> Vec<Skew> {
        let (seen, pictures) = (self.seen(), self.pictures(since));
        let heard = self.sim.heard_since(self.guild, since);
        let report = tokio::task::block_in_place(|| heard.listen().expect("libopus works"));
        seen.skews(&pictures, &report)
    }
}
