//! From one item to the next without a word: what is opened ahead, and what plays before a word has named it.
//!
//! ```text
//!  current A, next B ─▶ prepare B ─▶ ready ─▶ join ─▶ A's last frame, B's first ─▶ advanced ─▶ current B
//!                          │                            └── or a word: skip ────────────────────▲
//!                          └─▶ failed, too dear, no longer next: dropped
//! ```

use super::{EndReason, Failure, Playing, Session, hold, report};
use crate::{Action, Item, KnownPlan, PipelineNews, Role};

/// The item that is opened ahead, or could not be.
#[derive(Debug, Clone)]
pub(super) struct Prepared {
    playing: Playing,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// There is a pipeline.
    Open,
    /// It cannot be played.
    Failed,
    /// There was no room for it beside the current one.
    TooDear,
}

/// An item that was played to its end, while the newest word names it as the current one.
#[derive(Debug, Clone)]
pub(super) struct Advanced {
    from: Box<Playing>,
}

/// How far the next item is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Next {
    /// Of the item.
    pub entry_id: u64,
    /// Its first frame waits.
    pub ready: bool,
    /// It cannot be played.
    pub failure: Option<Failure>,
    /// What was found out about it.
    pub known_plan: Option<KnownPlan>,
}

impl Prepared {
    fn is_open(&self) -> bool {
        self.stage == Stage::Open
    }
}

impl Session {
    /// How far the next item is; none while nothing is done about it.
    pub fn next(&self) -> Option<Next> {
        let Prepared { playing, .. } = self.prepared.as_ref()?;
        Some(Next {
            entry_id: playing.entry_id,
            ready: self.prepared_run().is_some() && playing.ready,
            failure: playing.failure.clone(),
            known_plan: playing.known_plan(),
        })
    }

    /// The entry that ended before the present one began, until a word knows it.
    pub fn advanced_from(&self) -> Option<u64> {
        self.advanced
            .as_ref()
            .map(|advanced| advanced.from.entry_id)
    }

    /// What is to be opened as soon as the current item is about to end and there is room.
    pub fn to_prepare(&self) -> Option<&Item> {
        let current = self.item.as_ref()?;
        let waits = self.prepared.as_ref();
        let waits = waits.is_none_or(|prepared| prepared.stage == Stage::TooDear);
        let goes_on = current.ready && !current.warm && current.ended.is_none();
        let may = waits && goes_on && self.role == Role::Holds && self.advanced.is_none();
        self.desired.next.as_ref().filter(|_| may)
    }

    /// Whether something follows the current item, as far as is known.
    pub fn has_next(&self) -> bool {
        self.desired.next.is_some()
    }

    /// Whether the last frame of the current item is in its queue.
    pub fn is_read(&self) -> bool {
        self.item.as_ref().is_some_and(|item| item.read)
    }

    /// The run that is opened ahead.
    pub fn prepared_run(&self) -> Option<u64> {
        let open = self.prepared.as_ref().filter(|next| next.is_open());
        open.map(|prepared| prepared.playing.run)
    }

    /// What the next item costs, in thousandths of a core, once its probe has said it.
    pub fn next_cost_millicores(&self) -> Option<u32> {
        let cost = self.prepared.as_ref()?.playing.cost_millicores;
        (cost > 0).then_some(cost)
    }

    pub(super) fn prepare(&mut self, actions: &mut Vec<Action>) {
        let Some(item) = self.to_prepare().cloned() else {
            return;
        };
        self.run += 1;
        let playing = Playing {
            warm: true,
            picture: self.desired.go_live,
            ..Playing::new(self.run, &item, 0)
        };
        self.prepared = Some(Prepared {
            playing,
            stage: Stage::Open,
        });
        actions.push(Action::Prepare {
            run: self.run,
            item,
            picture: self.desired.go_live,
        });
        report(actions);
    }

    /// News of what is opened ahead, or of a pipeline that was dropped.
    pub(super) fn of_prepared(&mut self, run: u64, news: PipelineNews, actions: &mut Vec<Action>) {
        if self.prepared_run() != Some(run) {
            return;
        }
        let Some(Prepared { playing, .. }) = &mut self.prepared else {
            return;
        };
        if let PipelineNews::Failed(failure) = news {
            // Also what is ready: one that is known to break off is not begun.
            playing.failure = Some(failure);
            self.give_up_next(Stage::Failed, actions);
        } else {
            playing.heard(news);
        }
        report(actions);
    }

    pub(super) fn too_dear(&mut self, run: u64, actions: &mut Vec<Action>) {
        if self.prepared_run() == Some(run) {
            self.give_up_next(Stage::TooDear, actions);
            report(actions);
        }
    }

    /// Closes it, and remembers why.
    fn give_up_next(&mut self, stage: Stage, actions: &mut Vec<Action>) {
        if let Some(prepared) = &mut self.prepared {
            prepared.stage = stage;
            self.joins = false;
            actions.push(Action::DropNext);
        }
    }

    pub(super) fn drop_next(&mut self, actions: &mut Vec<Action>) {
        if self.prepared.take().is_some_and(|next| next.is_open()) {
            actions.push(Action::DropNext);
        }
        self.joins = false;
    }

    /// Drops what is not next any more, and lets the voice output go over by itself once it can.
    pub(super) fn follow_next(&mut self, actions: &mut Vec<Action>) {
        let next = self.desired.next.as_ref().map(|next| next.entry_id);
        let is_wanted = |prepared: &Prepared| {
            let playing = &prepared.playing;
            Some(playing.entry_id) == next
                && playing.picture == self.desired.go_live
                && self.role == Role::Holds
        };
        if self.prepared.as_ref().is_some_and(|next| !is_wanted(next)) {
            self.drop_next(actions);
        }
        if self.may_join()
            && !std::mem::replace(&mut self.joins, true)
            && let Some(run) = self.prepared_run()
        {
            actions.push(Action::Join { run });
        }
    }

    /// Whether what is opened ahead may be heard without a further word, once the current item has ended well.
    pub(super) fn may_join(&self) -> bool {
        let goes_on = |item: &Playing| item.failure.is_none() && item.ended.is_none() && !item.warm;
        let is_ready = |next: &Prepared| next.is_open() && next.playing.ready;
        self.role == Role::Holds
            && self.advanced.is_none()
            && self.item.as_ref().is_some_and(goes_on)
            && self.prepared.as_ref().is_some_and(is_ready)
    }

    /// The voice output went over to what was opened ahead; false when it is a word about something older.
    pub(super) fn joined(&mut self, run: u64, started: bool, actions: &mut Vec<Action>) -> bool {
        if self.prepared_run() == Some(run) {
            self.advance(actions);
        }
        match &mut self.item {
            Some(item) if item.run == run => {
                item.started |= started;
                true
            }
            _ => false,
        }
    }

    /// The last frame was sent, and the voice output did not go over by itself.
    pub(super) fn play_on(&mut self, actions: &mut Vec<Action>) {
        self.advance(actions);
        actions.push(Action::Feed {
            from_ms: 0,
            paused: self.desired.paused,
        });
    }

    fn advance(&mut self, actions: &mut Vec<Action>) {
        let Some(Prepared { mut playing, .. }) = self.prepared.take() else {
            return;
        };
        playing.warm = false;
        self.joins = false;
        if let Some(mut from) = self.item.replace(playing) {
            from.ended = Some(EndReason::Finished);
            let from = Box::new(from);
            self.advanced = Some(Advanced { from });
        }
        actions.push(Action::Advance);
    }

    /// Whether the item that is opened ahead is what shall play now, from where it can.
    pub(super) fn is_prepared(&self, current: &Item) -> bool {
        let anchor = self.desired.anchor;
        self.role != Role::WarmsUp
            && self.prepared.as_ref().is_some_and(|next| {
                next.is_open()
                    && next.playing.entry_id == current.entry_id
                    && next.playing.picture == self.desired.go_live
                    && next.playing.covers(anchor.position_ms)
            })
    }

    /// A word names it as the current one: it is fed at once, ready or not.
    pub(super) fn play_prepared(&mut self, actions: &mut Vec<Action>) {
        let Some(Prepared { mut playing, .. }) = self.prepared.take() else {
            return;
        };
        let anchor = self.desired.anchor;
        playing.fed(anchor.position_ms, anchor.set_at);
        self.item = Some(playing);
        self.joins = false;
        actions.push(Action::Advance);
        actions.push(Action::Feed {
            from_ms: anchor.position_ms,
            paused: self.desired.paused,
        });
    }

    /// What a word means for a session that has advanced; false when it is as for any other from here on.
    pub(super) fn follow_advanced(
        &mut self,
        current: &Item,
        pause_changed: bool,
        actions: &mut Vec<Action>,
    ) -> bool {
        let (Some(advanced), Some(item)) = (self.advanced.take(), &mut self.item) else {
            return false;
        };
        let anchor = self.desired.anchor;
        if current.entry_id == item.entry_id {
            // Else it was moved in before it was known here: it is opened there.
            let goes_on = anchor.set_at == self.desired.current_set_at;
            if goes_on {
                item.opened_at = anchor.set_at;
                actions.extend(pause_changed.then(|| hold(self.desired.paused)));
            }
            return goes_on;
        }
        let from = &advanced.from;
        if current.entry_id != from.entry_id || anchor.set_at != from.opened_at {
            // Another item, or a seek that crossed the join.
            return false;
        }
        // The word does not know yet: what it names is over.
        match self.desired.next.clone() {
            Some(next) if next.entry_id == item.entry_id => {
                actions.extend(pause_changed.then(|| hold(self.desired.paused)));
                self.advanced = Some(advanced);
            }
            Some(next) if self.role == Role::Holds => {
                self.open(&next, 0, actions);
                self.advanced = Some(advanced);
            }
            _ => {
                self.item = Some(*advanced.from);
                actions.push(Action::Close);
            }
        }
        true
    }
}
