//! The state machine.

mod advance;
mod handover;
mod picture;
mod playing;
mod reading;

pub use self::advance::Next;
use self::advance::{Advanced, Prepared};
use self::handover::Ending;
use self::playing::Playing;
use crate::{Action, Desired, Fence, Input, Item, PipelineNews, Role, VoiceNews};

/// A failure as callers see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Stable, of `docs/errors.md`.
    pub code: String,
    /// One sentence, no URL.
    pub message: String,
}

/// Why an item ended by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndReason {
    /// Its last frame was sent.
    Finished,
    /// No source could be played on.
    Failed,
}

/// What is heard of the item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Playback {
    /// There is none.
    Idle,
    /// Nothing yet, or nothing for a while.
    Loading,
    /// Its frames are sent.
    Playing,
    /// It is held.
    Paused,
    /// It ended by itself.
    Ended(EndReason),
}

/// The voice connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VoiceStatus {
    /// None is wanted.
    Disconnected,
    /// Credentials or the channel are on their way.
    Connecting,
    /// In the channel.
    Connected,
    /// Cut, and being mended.
    Reconnecting,
    /// Lost: the scheduler has to judge.
    Lost {
        /// Discord's.
        close_code: Option<u16>,
        /// It was the stream's connection; that of the voice channel may stand.
        stream: bool,
    },
}

/// One session on this worker.
#[derive(Debug, Clone)]
pub struct Session {
    /// The newest word taken.
    fence: Fence,
    /// The newest word carried out.
    done: Fence,
    desired: Desired,
    role: Role,
    /// With [`Role::HoldsUntil`]: how far that is.
    ending: Option<Ending>,
    /// Of the newest pipeline.
    run: u64,
    item: Option<Playing>,
    /// What is opened ahead.
    prepared: Option<Prepared>,
    /// [`Action::Join`] stands.
    joins: bool,
    /// What `item` followed, until a word knows it.
    advanced: Option<Advanced>,
    voice: VoiceStatus,
    /// Of the connection in use, or tried last.
    voice_revision: u64,
}

impl Default for Session {
    fn default() -> Self {
        Self::new()
    }
}

impl Session {
    /// A session of which nothing is known yet.
    pub fn new() -> Self {
        Self {
            fence: Fence::default(),
            done: Fence::default(),
            desired: Desired::default(),
            role: Role::Holds,
            ending: None,
            run: 0,
            item: None,
            prepared: None,
            joins: false,
            advanced: None,
            voice: VoiceStatus::Disconnected,
            voice_revision: 0,
        }
    }

    /// Takes an input in and says what to do.
    pub fn handle(&mut self, input: Input) -> Vec<Action> {
        let mut actions = Vec::new();
        match input {
            Input::Lease {
                fence,
                desired,
                role,
            } => {
                // It was taken back before this word was handed in, however old that is.
                self.joins = false;
                if fence > self.fence {
                    self.lease(fence, *desired, role, &mut actions);
                }
            }
            // Older pipelines were dropped; their last words may still be under way.
            Input::Pipeline { run, news } if run == self.current_run() => {
                self.pipeline(news, &mut actions);
            }
            Input::Pipeline { run, news } => self.of_prepared(run, news, &mut actions),
            Input::Voice(news) => self.voice(&news, &mut actions),
            Input::MayPrepare => self.prepare(&mut actions),
            Input::TooDear { run } => self.too_dear(run, &mut actions),
        }
        self.follow_next(&mut actions);
        if self.is_carried_out() && self.done != self.fence {
            self.done = self.fence;
            report(&mut actions);
        }
        actions
    }

    fn lease(&mut self, fence: Fence, desired: Desired, role: Role, actions: &mut Vec<Action>) {
        self.fence = fence;
        let before = std::mem::replace(&mut self.desired, desired);
        self.role = role;
        let went_on = self.take_back_end(actions);
        self.follow_voice(actions);
        match self.desired.current.clone() {
            Some(current) => self.follow_current(&current, &before, went_on, actions),
            None => self.close(actions),
        }
        self.follow_picture(actions);
        self.follow_end(actions);
        report(actions);
    }

    fn follow_current(
        &mut self,
        current: &Item,
        before: &Desired,
        went_on: Option<Ending>,
        actions: &mut Vec<Action>,
    ) {
        let Desired { anchor, paused, .. } = self.desired;
        let pause_changed = before.paused != paused;
        if self.follow_advanced(current, pause_changed, actions) {
            return;
        }
        let is_prepared = self.is_prepared(current);
        match &mut self.item {
            Some(item)
                if self.role != Role::WarmsUp
                    && before.current.as_ref() == Some(current)
                    && item.picture == self.desired.go_live
                    && item.covers(anchor.position_ms) =>
            {
                item.fed(anchor.position_ms, anchor.set_at);
                actions.push(Action::Feed {
                    from_ms: anchor.position_ms,
                    paused,
                });
            }
            Some(item) if item.opened_at == anchor.set_at => {
                if pause_changed && !item.warm {
                    actions.push(hold(paused));
                }
                if let Some(ending) = went_on {
                    if let Ending::Stopped { position_ms } = ending {
                        item.started = false;
                        item.start_ms = position_ms;
                    }
                    actions.push(Action::GoOn { paused });
                }
            }
            _ if is_prepared => self.play_prepared(actions),
            _ => {
                self.open(current, anchor.position_ms, actions);
                if let Some(item) = &mut self.item {
                    item.opened_at = anchor.set_at;
                }
            }
        }
    }

    /// Opens an item instead of all that is open.
    fn open(&mut self, item: &Item, start_ms: u64, actions: &mut Vec<Action>) {
        self.drop_next(actions);
        let warm = self.role == Role::WarmsUp;
        self.run += 1;
        actions.push(Action::Open {
            run: self.run,
            item: item.clone(),
            start_ms,
            paused: self.desired.paused,
            warm,
            picture: self.desired.go_live,
        });
        self.item = Some(Playing {
            warm,
            picture: self.desired.go_live,
            ..Playing::new(self.run, item, start_ms)
        });
    }

    /// Nothing shall play.
    fn close(&mut self, actions: &mut Vec<Action>) {
        self.drop_next(actions);
        self.advanced = None;
        if self.item.take().is_some() {
            actions.push(Action::Close);
        }
    }

    fn follow_voice(&mut self, actions: &mut Vec<Action>) {
        match &self.desired.voice {
            None if self.voice_revision == 0 => {}
            None => {
                self.voice_revision = 0;
                self.voice = VoiceStatus::Disconnected;
                actions.push(Action::Disconnect);
            }
            // Who is to stop opens no connection any more.
            Some(_) if self.is_to_end() => {}
            Some(credentials) if credentials.revision > self.voice_revision => {
                self.voice = match self.voice {
                    VoiceStatus::Disconnected => VoiceStatus::Connecting,
                    _ => VoiceStatus::Reconnecting,
                };
                self.voice_revision = credentials.revision;
                actions.push(Action::Connect(credentials.clone()));
            }
            Some(_) => {}
        }
    }

    fn pipeline(&mut self, news: PipelineNews, actions: &mut Vec<Action>) {
        let Some(item) = &mut self.item else { return };
        let PipelineNews::Failed(failure) = news else {
            item.heard(news);
            return report(actions);
        };
        item.failure = Some(failure);
        // What is queued is played out first; nothing was queued when nothing was ready.
        if !item.ready || item.starved {
            item.ended = Some(EndReason::Failed);
            actions.push(Action::Close);
            if self.role == Role::WarmsUp {
                // Another one may reach the source; the holder plays on meanwhile.
                actions.push(Action::Decline);
            }
        }
        report(actions);
    }

    fn voice(&mut self, news: &VoiceNews, actions: &mut Vec<Action>) {
        match *news {
            VoiceNews::Connected { revision } if revision == self.voice_revision => {
                self.voice = VoiceStatus::Connected;
            }
            VoiceNews::Reconnecting { revision } if revision == self.voice_revision => {
                self.voice = VoiceStatus::Reconnecting;
                self.end_without_connection(actions);
            }
            VoiceNews::Lost {
                revision,
                close_code,
                stream,
            } if revision == self.voice_revision => {
                // A stream goes with its channel: that is the loss to be judged, whichever is heard of first.
                if !stream || !matches!(self.voice, VoiceStatus::Lost { .. }) {
                    self.voice = VoiceStatus::Lost { close_code, stream };
                }
                self.end_without_connection(actions);
            }
            VoiceNews::Stopped {
                position_ms,
                disconnected,
            } => self.stopped(position_ms, disconnected, actions),
            VoiceNews::Joined { run, started } => {
                if !self.joined(run, started, actions) {
                    return;
                }
            }
            VoiceNews::Position { run, media_ms } => return self.is_at(run, media_ms),
            VoiceNews::Drained if self.may_join() => self.play_on(actions),
            VoiceNews::Connected { .. }
            | VoiceNews::Reconnecting { .. }
            | VoiceNews::Lost { .. } => return,
            VoiceNews::Started | VoiceNews::Starved | VoiceNews::Refilled | VoiceNews::Drained => {
                let Some(item) = &mut self.item else { return };
                match news {
                    VoiceNews::Started => item.started = true,
                    VoiceNews::Starved if item.failure.is_some() => {
                        item.ended = Some(EndReason::Failed);
                        actions.push(Action::Close);
                    }
                    VoiceNews::Starved => item.starved = true,
                    VoiceNews::Refilled => item.starved = false,
                    _ => {
                        // Drained: a failed pipeline ends its queue, too.
                        let reason = if item.failure.is_some() {
                            EndReason::Failed
                        } else {
                            EndReason::Finished
                        };
                        item.ended = Some(reason);
                        actions.push(Action::Close);
                    }
                }
            }
        }
        report(actions);
    }

    /// Whether what the newest word wants is so.
    fn is_carried_out(&self) -> bool {
        match (&self.desired.current, &self.item) {
            _ if self.is_to_end() && !self.has_ended() => self.has_stopped(),
            (Some(_), Some(item)) if self.role == Role::WarmsUp => item.ready,
            (None, item) => item.is_none(),
            (Some(_), None) => false,
            (Some(_), Some(item)) => {
                item.ended.is_some() || item.started || (self.desired.paused && item.ready)
            }
        }
    }
}

fn hold(paused: bool) -> Action {
    if paused {
        Action::Pause
    } else {
        Action::Resume
    }
}

fn report(actions: &mut Vec<Action>) {
    if !actions.contains(&Action::Report) {
        actions.push(Action::Report);
    }
}

#[cfg(test)]
mod advance_orders;
#[cfg(test)]
mod advance_tests;
#[cfg(test)]
mod handover_tests;
#[cfg(test)]
mod picture_tests;
#[cfg(test)]
mod tests;
