//! What the member saw of a Go Live stream.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use discord_sim::{DiscordSimConfig, Fault, SeenPicture, StreamFault};
use orb_voice::CallEvent;

use crate::{
    faults::GUILD_ID,
    film::{Film, number},
    stage::{GUILD, Stage},
};

mod connects;
mod cuts;
mod encryption;
mod gate;
mod refusals;

fn on_stream(what: StreamFault) -> Fault {
    let (guild, user) = (GUILD_ID, None);
    Fault::Stream { guild, user, what }
}

impl Stage {
    /// A stream that is connected, and pictures are seen.
    async fn streaming(config: DiscordSimConfig) -> Self {
        let mut stage = Self::of_stream(config).await;
        stage.connect();
        stage.sees_a_picture_after(Instant::now()).await;
        stage
            .event_like(|event| matches!(event, CallEvent::Connected { .. }))
            .await;
        stage
    }

    fn film(&self) -> &Arc<Film> {
        self.film.as_ref().unwrap()
    }

    /// Pictures that the member could decode, by arrival.
    fn decodable(&self) -> Vec<SeenPicture> {
        let seen = self.sim.seen(GUILD);
        let decodable = seen.pictures().filter(|picture| picture.decodable);
        let mut pictures: Vec<_> = decodable.cloned().collect();
        pictures.sort_by_key(|picture| picture.at);
        pictures
    }

    async fn sees_a_picture_after(&self, since: Instant) -> Instant {
        self.until("a picture is seen", |stage| {
            let pictures = stage.decodable();
            let mut times = pictures.iter().map(|picture| picture.at);
            times.find(|at| *at > since)
        })
        .await
    }

    /// Pictures are seen for so long.
    async fn shows_for(&self, length: Duration) {
        let begun = Instant::now();
        self.sees_a_picture_after(begun + length).await;
    }

    /// The longest time between two pictures that could be decoded and were new, from `since` on. What is sent once more
    /// to lead up to the present picture is not.
    fn longest_freeze(&self, since: Instant) -> Duration {
        let mut pictures = self.decodable();
        let mut newest = None;
        pictures.retain(|picture| {
            let number = picture.data.as_deref().and_then(number);
            let is_new = number > newest;
            newest = newest.max(number);
            is_new
        });
        let pairs = pictures.windows(2).filter(|pair| pair[1].at >= since);
        let gaps = pairs.map(|pair| pair[1].at - pair[0].at);
        gaps.max().unwrap_or_default()
    }

    /// Prints both gaps, for `docs/voice-driver.md`.
    fn measured(&self, what: &str, since: Instant) {
        println!(
            "measured: stream: {what}: sound {:?}, picture {:?}",
            self.longest_gap(since),
            self.longest_freeze(since)
        );
    }

    /// No picture and no sound was ever in the clear, or unannounced, or broken on its way.
    fn assert_shown_encrypted(&self) {
        self.assert_encrypted();
        let seen = self.sim.seen(GUILD);
        let totals = seen.totals();
        assert_eq!(totals.in_the_clear, 0);
        assert_eq!(totals.in_the_clear_downgraded, 0);
        assert_eq!(totals.unannounced, 0);
        assert_eq!(totals.malformed, 0);
        assert!(totals.decodable > 0);
        for picture in seen.pictures().filter(|picture| picture.decrypted) {
            let data = picture.data.as_ref().unwrap();
            assert!(number(data).is_some(), "not what was sent");
        }
    }

    /// The same, and none is missing between the first and the last that were seen. In the sender's order: on a busy machine
    /// a packet may get lost, and its picture comes when it was asked for again.
    fn assert_shown_whole(&self) {
        self.assert_shown_encrypted();
        let seen = self.sim.seen(GUILD);
        let decodable = seen.pictures().filter(|picture| picture.decodable);
        let numbers: Vec<u32> = decodable
            .map(|picture| number(picture.data.as_ref().unwrap()).unwrap())
            .collect();
        let expected: Vec<u32> = (numbers[0]..).take(numbers.len()).collect();
        assert_eq!(numbers, expected);
    }
}
