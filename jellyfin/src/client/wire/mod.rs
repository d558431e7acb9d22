//! Jellyfin's JSON: `PascalCase`, with fields that come and go. Unknown ones are ignored, missing
//! ones stand for what they mean when they are missing.

mod item;
mod playback;
mod server;

use serde::{Deserialize, Deserializer};

pub(super) use item::{Item, Items};
pub(super) use playback::PlaybackAnswer;
pub(super) use server::{PublicInfo, WireUser};

/// 100 ns, in which Jellyfin counts time, in a millisecond.
const TICKS_PER_MS: u64 = 10_000;

/// A position as Jellyfin counts it: never more than its number has room for.
pub(super) fn ticks(ms: u64) -> i64 {
    i64::try_from(ms.saturating_mul(TICKS_PER_MS)).unwrap_or(i64::MAX)
}

/// A duration or position in ticks; `None` for what is not there or below zero.
fn ms(ticks: Option<i64>) -> Option<u64> {
    ticks
        .and_then(|t| u64::try_from(t).ok())
        .map(|t| t / TICKS_PER_MS)
}

/// `null` where there should be a list or an object: some versions and plugins send it.
fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
