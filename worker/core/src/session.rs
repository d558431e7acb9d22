//! The state machine.

mod handover;

use self::handover::Ending;
use crate::{Action, Desired, Fence, Input, KnownPlan, PipelineNews, Role, VoiceNews};

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
    run: u64,
    item: Option<Playing>,
    voice: VoiceStatus,
    /// Of the connection in use, or tried last.
    voice_revision: u64,
}

/// The item that a pipeline is open for, or was until it ended.
#[derive(Debug, Clone)]
struct Playing {
    /// The generation whose anchor it was opened at.
    opened_at: u64,
    start_ms: u64,
    /// Open, and not fed to the voice output.
    warm: bool,
    /// The first frame waits in the queue.
    ready: bool,
    /// Its first frame was sent.
    started: bool,
    starved: bool,
    ended: Option<EndReason>,
    failure: Option<Failure>,
    plan: String,
    /// What was found out about it, for the next worker.
    known: String,
    duration_ms: Option<u64>,
    cost_millicores: u32,
    restarts: u32,
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
                if fence <= self.fence {
                    return actions;
                }
                self.lease(fence, *desired, role, &mut actions);
            }
            Input::Pipeline { run, news } => {
                // Older pipelines were dropped; their last words may still be under way.
                if run == self.run {
                    self.pipeline(news, &mut actions);
                }
            }
            Input::Voice(news) => self.voice(&news, &mut actions),
        }
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
        let Desired { anchor, paused, .. } = self.desired;
        match (&self.desired.current, &mut self.item) {
            (None, None) => {}
            (None, Some(_)) => {
                self.item = None;
                actions.push(Action::Close);
            }
            (Some(current), Some(item))
                if role != Role::WarmsUp
                    && before.current.as_ref() == Some(current)
                    && item.covers(anchor.position_ms) =>
            {
                item.warm = false;
                item.opened_at = anchor.set_at;
                item.start_ms = anchor.position_ms;
                actions.push(Action::Feed {
                    from_ms: anchor.position_ms,
                    paused,
                });
            }
            (Some(_), Some(item)) if item.opened_at == anchor.set_at => {
                if before.paused != paused && !item.warm {
                    actions.push(if paused {
                        Action::Pause
                    } else {
                        Action::Resume
                    });
                }
                if let Some(ending) = went_on {
                    if let Ending::Stopped { position_ms } = ending {
                        item.started = false;
                        item.start_ms = position_ms;
                    }
                    actions.push(Action::GoOn { paused });
                }
            }
            (Some(current), _) => {
                let warm = role == Role::WarmsUp;
                self.run += 1;
                actions.push(Action::Open {
                    run: self.run,
                    item: current.clone(),
                    start_ms: anchor.position_ms,
                    paused,
                    warm,
                });
                self.item = Some(Playing {
                    opened_at: anchor.set_at,
                    start_ms: anchor.position_ms,
                    warm,
                    ready: false,
                    started: false,
                    starved: false,
                    ended: None,
                    failure: None,
                    plan: String::new(),
                    known: String::new(),
                    duration_ms: current.duration_ms,
                    cost_millicores: 0,
                    restarts: 0,
                });
            }
        }
        self.follow_end(actions);
        report(actions);
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
        match news {
            PipelineNews::Planned {
                plan,
                duration_ms,
                cost_millicores,
                known,
            } => {
                item.plan = plan;
                item.known = known;
                item.duration_ms = duration_ms.or(item.duration_ms);
                item.cost_millicores = cost_millicores;
            }
            PipelineNews::Ready => item.ready = true,
            PipelineNews::Restarted => item.restarts += 1,
            PipelineNews::SwitchedSource => {}
            PipelineNews::Failed(failure) => {
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
            } if revision == self.voice_revision => {
                self.voice = VoiceStatus::Lost { close_code };
                self.end_without_connection(actions);
            }
            VoiceNews::Stopped {
                position_ms,
                disconnected,
            } => self.stopped(position_ms, disconnected, actions),
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

    /// The newest word that was carried out.
    pub fn done(&self) -> Fence {
        self.done
    }

    /// What a report bears: the present lease, and how far its record was carried out. Under a lease of
    /// which nothing was carried out yet, that is generation zero.
    pub fn reported(&self) -> Fence {
        let generation = if self.done.token == self.fence.token {
            self.done.generation
        } else {
            0
        };
        Fence {
            generation,
            ..self.fence
        }
    }

    /// The newest word taken.
    pub fn fence(&self) -> Fence {
        self.fence
    }

    /// What is heard of the item.
    pub fn playback(&self) -> Playback {
        let Some(item) = &self.item else {
            return Playback::Idle;
        };
        match item.ended {
            Some(reason) => Playback::Ended(reason),
            None if self.desired.paused && (item.started || item.ready) => Playback::Paused,
            None if item.started && !item.starved => Playback::Playing,
            None => Playback::Loading,
        }
    }

    /// Whether what plays shall be held.
    pub fn is_paused(&self) -> bool {
        self.desired.paused
    }

    /// Of the voice connection.
    pub fn voice_status(&self) -> VoiceStatus {
        self.voice
    }

    /// Of the credentials in use or tried last; 0: none.
    pub fn voice_revision(&self) -> u64 {
        self.voice_revision
    }

    /// Whether the voice output's position is about the present item.
    pub fn has_started(&self) -> bool {
        self.item.as_ref().is_some_and(|item| item.started)
    }

    /// Where the present pipeline was opened.
    pub fn start_ms(&self) -> u64 {
        self.item.as_ref().map_or(0, |item| item.start_ms)
    }

    /// Of the item, where it is known.
    pub fn duration_ms(&self) -> Option<u64> {
        self.item.as_ref().and_then(|item| item.duration_ms)
    }

    /// Why it failed, or is about to when what is queued has been played.
    pub fn failure(&self) -> Option<&Failure> {
        self.item
            .as_ref()
            .filter(|item| item.ended.is_some())
            .and_then(|item| item.failure.as_ref())
    }

    /// What ffmpeg does with the title.
    pub fn plan(&self) -> &str {
        self.item.as_ref().map_or("", |item| &item.plan)
    }

    /// The generation of the anchor that the present source was opened at; 0 without one.
    pub fn opened_at(&self) -> u64 {
        self.item.as_ref().map_or(0, |item| item.opened_at)
    }

    /// What an earlier worker found out about the item.
    pub fn told_plan(&self) -> Option<&KnownPlan> {
        self.desired.plan.as_ref()
    }

    /// What was found out about the item: known since its probe, and good for whoever plays it next.
    pub fn known_plan(&self) -> Option<KnownPlan> {
        self.item
            .as_ref()
            .filter(|item| item.cost_millicores > 0)
            .map(|item| KnownPlan {
                cost_millicores: item.cost_millicores,
                details: item.known.clone(),
            })
    }

    /// What the item costs, in thousandths of a core.
    pub fn cost_millicores(&self) -> u32 {
        self.item
            .as_ref()
            .filter(|item| item.ended.is_none())
            .map_or(0, |item| item.cost_millicores)
    }

    /// Times ffmpeg was started again for the present pipeline.
    pub fn restarts(&self) -> u32 {
        self.item.as_ref().map_or(0, |item| item.restarts)
    }

    /// The entry that all this is about.
    pub fn queue_entry_id(&self) -> Option<i64> {
        self.item
            .as_ref()
            .and(self.desired.current.as_ref())
            .map(|item| item.queue_entry_id)
    }
}

fn report(actions: &mut Vec<Action>) {
    if !actions.contains(&Action::Report) {
        actions.push(Action::Report);
    }
}

#[cfg(test)]
mod handover_tests;
#[cfg(test)]
mod tests;
