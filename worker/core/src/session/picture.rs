//! Whether the picture goes into the channel: turned on or off while an item plays, its source is opened anew where it is.

use super::{Playing, Session};
use crate::Action;

impl Session {
    /// Where the voice output is, if it is about the current item.
    pub(super) fn is_at(&mut self, run: u64, media_ms: Option<u64>) {
        if let Some(item) = self.item.as_mut().filter(|item| item.run == run) {
            item.position_ms = media_ms;
        }
    }

    /// Whether the picture shall go into the voice channel.
    pub fn goes_live(&self) -> bool {
        self.desired.go_live
    }

    /// Whether the current item was opened with the picture for the voice channel.
    pub fn has_picture(&self) -> bool {
        self.item.as_ref().is_some_and(|item| item.picture)
    }

    /// Opens what was opened for another kind of line anew, at the same place. Who is to stop does not: his successor
    /// will. Nor what is about to end because no source plays on.
    pub(super) fn follow_picture(&mut self, actions: &mut Vec<Action>) {
        let is_other = |item: &&Playing| {
            item.picture != self.desired.go_live && item.ended.is_none() && item.failure.is_none()
        };
        let Some(before) = self.item.as_ref().filter(is_other) else {
            return;
        };
        let mut named = self.desired.current.iter().chain(&self.desired.next);
        let item = named.find(|named| named.entry_id == before.entry_id);
        let Some(item) = item.filter(|_| !self.is_to_end()).cloned() else {
            return;
        };
        let (opened_at, duration_ms) = (before.opened_at, before.duration_ms);
        let from_ms = before.position_ms.unwrap_or(before.start_ms);
        self.open(&item, from_ms, actions);
        if let Some(item) = &mut self.item {
            item.opened_at = opened_at;
            item.duration_ms = duration_ms;
        }
    }
}
