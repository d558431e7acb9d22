//! What each user has seen, and how far: the rules by which a position becomes "continue watching".

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::accounts::UserIndex;
use crate::catalog::{Catalog, Entry, Index};

/// Jellyfin counts time in units of 100 ns.
pub(crate) const TICKS_PER_SECOND: u64 = 10_000_000;

/// A position before this part of the run time is the beginning (`MinResumePct`), per cent.
const MIN_RESUME_PERCENT: f64 = 5.0;
/// A position after it is the end (`MaxResumePct`), per cent.
const MAX_RESUME_PERCENT: f64 = 90.0;

/// A user's relation to an item.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct UserData {
    pub(crate) position_ticks: u64,
    pub(crate) play_count: u32,
    pub(crate) played: bool,
    pub(crate) favorite: bool,
    pub(crate) last_played: Option<SystemTime>,
}

impl UserData {
    /// `UserDataManager.UpdatePlayState`: what a reported position means for an item of that length.
    /// `min_resume`: of a shorter one any part is as good as all.
    pub(crate) fn update_play_state(
        &mut self,
        position_ticks: u64,
        run_time_ticks: Option<u64>,
        min_resume: Duration,
    ) {
        let run_time = run_time_ticks.unwrap_or(0);
        let percent = position_ticks as f64 / run_time as f64 * 100.0;
        let finished = run_time == 0
            || percent > MAX_RESUME_PERCENT
            || position_ticks >= run_time.saturating_sub(TICKS_PER_SECOND)
            || Duration::from_nanos(run_time.saturating_mul(100)) < min_resume;
        let at_beginning = position_ticks == 0 || percent < MIN_RESUME_PERCENT;
        self.position_ticks = position_ticks;
        // Without a run time it counts as seen, wherever it was left.
        if run_time > 0 && at_beginning {
            self.position_ticks = 0;
        } else if finished {
            self.position_ticks = 0;
            self.played = true;
        }
    }

    /// `BaseItem.MarkPlayed`.
    pub(crate) fn mark_played(&mut self, when: Option<SystemTime>) {
        self.play_count = (self.play_count + u32::from(when.is_some())).max(1);
        self.position_ticks = 0;
        self.last_played = when.or(self.last_played).or(Some(SystemTime::now()));
        self.played = true;
    }

    /// `BaseItem.MarkUnplayed`.
    pub(crate) fn mark_unplayed(&mut self) {
        *self = Self {
            favorite: self.favorite,
            ..Self::default()
        };
    }
}

/// All users' data.
#[derive(Default)]
pub(crate) struct UserDataStore(Mutex<HashMap<(UserIndex, Index), UserData>>);

impl UserDataStore {
    pub(crate) fn get(&self, user: UserIndex, item: Index) -> UserData {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(&(user, item)).cloned().unwrap_or_default()
    }

    pub(crate) fn change(&self, user: UserIndex, item: Index, change: impl FnOnce(&mut UserData)) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        change(all.entry((user, item)).or_default());
    }

    /// What a user has started, the last played first, what was never reported as started last.
    pub(crate) fn resumable(&self, user: UserIndex) -> Vec<Index> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let started = |((who, item), data): (&(UserIndex, Index), &UserData)| {
            (*who == user && data.position_ticks > 0).then_some((data.last_played, *item))
        };
        let mut found: Vec<_> = all.iter().filter_map(started).collect();
        found.sort_unstable_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
        found.into_iter().map(|(_, item)| item).collect()
    }
}

/// `UserItemDataDto`.
pub(crate) fn user_data_dto(
    catalog: &Catalog,
    store: &UserDataStore,
    user: UserIndex,
    index: Index,
) -> Value {
    let entry = catalog.get(index);
    let data = store.get(user, index);
    let mut dto = json!({
        "ItemId": entry.id,
        "Key": entry.id,
        "PlaybackPositionTicks": data.position_ticks,
        "PlayCount": data.play_count,
        "IsFavorite": data.favorite,
        "Played": data.played,
    });
    if let Some(at) = data.last_played {
        dto["LastPlayedDate"] = date(at).into();
    }
    if entry.kind.is_video() {
        if let Some(percent) = played_percentage(entry, &data) {
            dto["PlayedPercentage"] = percent.into();
        }
        return dto;
    }
    // A folder's is counted from what lies in it (`Folder.FillUserDataDtoValues`).
    let videos = catalog.videos_in(index);
    let played = videos
        .iter()
        .filter(|&&video| store.get(user, video).played)
        .count();
    dto["UnplayedItemCount"] = (videos.len() - played).into();
    dto["Played"] = (played == videos.len()).into();
    if !videos.is_empty() {
        dto["PlayedPercentage"] = (played as f64 / videos.len() as f64 * 100.0).into();
    }
    dto
}

fn played_percentage(entry: &Entry, data: &UserData) -> Option<f64> {
    let run_time = entry.run_time_ticks().filter(|&ticks| ticks > 0)?;
    let percent = data.position_ticks as f64 / run_time as f64 * 100.0;
    (percent > 0.0).then_some(percent)
}

/// As JSON has dates: ISO 8601 with units of 100 ns, in UTC.
pub(crate) fn date(at: SystemTime) -> String {
    let at = DateTime::<Utc>::from(at);
    let ticks = at.timestamp_subsec_nanos() / 100;
    format!("{}.{ticks:07}Z", at.format("%Y-%m-%dT%H:%M:%S"))
}

/// A date as clients send it.
pub(crate) fn parse_date(text: &str) -> Option<SystemTime> {
    let date = DateTime::parse_from_rfc3339(text).ok()?;
    Some(date.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3600 * TICKS_PER_SECOND;
    const FIVE_MINUTES: Duration = Duration::from_mins(5);

    fn after(position: u64, run_time: Option<u64>) -> (u64, bool) {
        let mut data = UserData::default();
        data.update_play_state(position, run_time, FIVE_MINUTES);
        (data.position_ticks, data.played)
    }

    #[test]
    fn a_position_is_kept_between_the_beginning_and_the_end() {
        assert_eq!(after(0, Some(HOUR)), (0, false));
        assert_eq!(after(HOUR / 25, Some(HOUR)), (0, false));
        assert_eq!(after(HOUR / 20, Some(HOUR)), (HOUR / 20, false));
        assert_eq!(after(HOUR / 10 * 9, Some(HOUR)), (HOUR / 10 * 9, false));
        assert_eq!(after(HOUR / 10 * 9 + 1, Some(HOUR)), (0, true));
        assert_eq!(after(HOUR, Some(HOUR)), (0, true));
    }

    #[test]
    fn of_something_short_or_endless_any_part_is_all() {
        let short = 299 * TICKS_PER_SECOND;
        assert_eq!(after(short / 2, Some(short)), (0, true));
        assert_eq!(after(short / 50, Some(short)), (0, false));
        assert_eq!(after(1, None), (0, true));
        let mut data = UserData::default();
        data.update_play_state(short / 2, Some(short), Duration::ZERO);
        assert_eq!((data.position_ticks, data.played), (short / 2, false));
    }

    #[test]
    fn what_was_seen_stays_seen_while_it_is_watched_again() {
        let mut data = UserData::default();
        data.mark_played(None);
        data.update_play_state(HOUR / 2, Some(HOUR), FIVE_MINUTES);
        assert_eq!(
            (data.position_ticks, data.played, data.play_count),
            (HOUR / 2, true, 1)
        );
        data.mark_unplayed();
        assert_eq!(data, UserData::default());
    }

    #[test]
    fn dates_have_seven_digits() {
        let at = SystemTime::UNIX_EPOCH + Duration::from_nanos(1_500_000_700);
        assert_eq!(date(at), "1970-01-01T00:00:01.5000007Z");
    }
}
