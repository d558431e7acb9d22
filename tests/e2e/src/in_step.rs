//! A party that plays, and says of itself what its member hears.

use std::time::{Duration, Instant};

use crate::api::Api;
use crate::ears::Ears;
use crate::films::Title;
use crate::party::Party;
use crate::surroundings::Surroundings;

/// From the first packet on: two seconds, and the time that a busy machine takes to tell.
const HEARD_WITHIN: Duration = Duration::from_secs(15);

/// A hole that nobody calls one: a busy machine makes some that long.
const UNHEARD: Duration = Duration::from_millis(500);

/// The most that the status and the member may be apart, in seconds.
const TOLERANCE: f64 = 0.25;

impl Party {
    /// A new party in this guild, of which the member has heard two seconds by now.
    pub async fn playing(api: &Api, surroundings: &Surroundings, guild: u64) -> Self {
        let party = Self::create(api, guild).await;
        party.play_title(surroundings, Title::Clock).await;
        let ears = party.ears(&surroundings.discord);
        ears.seconds(Instant::now(), 2, HEARD_WITHIN).await;
        party
    }

    /// It says that it plays, in the channel.
    pub async fn assert_plays(&self) {
        self.playing_status().await;
    }

    /// The same, and at the position that its member hears.
    pub async fn assert_in_step(&self, ears: &Ears<'_>) {
        let apart = ears.apart_from(&self.playing_status().await).await;
        assert!(apart.abs() <= TOLERANCE, "{apart:+.3} s apart");
    }

    async fn playing_status(&self) -> crate::api::Answer {
        let status = self.status().await;
        for (field, value) in [("playbackState", "playing"), ("workerStatus", "connected")] {
            assert_eq!(status.text_of(field), value, "{}", status.text);
        }
        status
    }
}

impl Ears<'_> {
    /// No hole since then, and every second once.
    #[track_caller]
    pub fn assert_unbroken(&self, since: Instant) {
        let numbers = self.numbers(since);
        let (from, to) = self.longest_hole(since);
        println!(
            "heard {numbers:?}, longest hole {} ms",
            (to - from).as_millis()
        );
        assert!(
            numbers.windows(2).all(|pair| pair[1] == pair[0] + 1),
            "{numbers:?}"
        );
        assert!(to - from <= UNHEARD, "a hole of {:?}", to - from);
    }
}
