//! What the member of a voice channel saw.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use discord_sim::{DiscordSim, Seen, SeenPicture, TimedPicture};

use crate::waiting::until;

/// Longer than any start of a release build.
const SEEN_WITHIN: Duration = Duration::from_secs(20);

#[derive(Clone, Copy)]
pub(super) struct Viewer<'a> {
    discord: &'a DiscordSim,
    guild: u64,
}

impl<'a> Viewer<'a> {
    pub(super) fn new(discord: &'a DiscordSim, guild: u64) -> Self {
        Self { discord, guild }
    }

    pub(super) fn guild(&self) -> u64 {
        self.guild
    }

    pub(super) fn seen(&self) -> Seen {
        self.discord.seen(self.guild)
    }

    /// The decodable pictures that were whole from then on.
    pub(super) fn pictures(&self, since: Instant) -> Vec<SeenPicture> {
        let seen = self.seen();
        let decodable = seen.pictures().filter(|picture| picture.decodable);
        decodable
            .filter(|picture| picture.at >= since)
            .cloned()
            .collect()
    }

    /// Waits for the first of them; says when it was whole.
    pub(super) async fn first_since(&self, since: Instant) -> Result<Instant> {
        until("a picture at the member", SEEN_WITHIN, async || {
            let seen = self.seen();
            let whole = seen.pictures().filter(|picture| picture.decodable);
            Ok(whole
                .map(|picture| picture.at)
                .filter(|at| *at >= since)
                .min())
        })
        .await
    }

    /// The pictures from the first key frame after that moment on, with the times that they show. Decodes, on another
    /// thread.
    pub(super) async fn timed(&self, since: Instant) -> Result<Vec<TimedPicture>> {
        let seen = self.discord.seen_since(self.guild, since);
        let looked = tokio::task::spawn_blocking(move || seen.look());
        Ok(looked.await.context("looking at pictures")??)
    }

    /// The longest time without a decodable picture between two moments.
    pub(super) fn longest_freeze(&self, from: Instant, to: Instant) -> Duration {
        let mut last = from;
        let mut longest = Duration::ZERO;
        let mut moments: Vec<_> = self
            .pictures(from)
            .iter()
            .map(|picture| picture.at)
            .filter(|at| *at < to)
            .collect();
        moments.sort_unstable();
        for at in moments.into_iter().chain([to]) {
            longest = longest.max(at.saturating_duration_since(last));
            last = at;
        }
        longest
    }
}
