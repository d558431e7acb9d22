//! The session's part in a hand-over: as the one that stops, and as the one that is warm.

use super::{Playback, Playing, Session, VoiceStatus};
use crate::{Action, Handover, Role};

/// How far the end is that [`Role::HoldsUntil`] asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// The voice output knows of it.
    Asked {
        /// None: at once.
        at_ms: Option<u64>,
    },
    /// Nothing is sent any more.
    Stopped {
        /// Of the first frame that was not sent.
        position_ms: u64,
    },
}

impl Session {
    /// How far this worker is with a hand-over.
    pub fn handover(&self) -> Option<Handover> {
        let item = self.item.as_ref();
        match (self.role, self.ending) {
            (Role::HoldsUntil { .. }, Some(Ending::Stopped { position_ms })) => {
                Some(Handover::Stopped { position_ms })
            }
            (Role::WarmsUp, _) if item.is_some_and(Playing::is_warm) => Some(Handover::Warm),
            _ => None,
        }
    }

    pub(super) fn is_to_end(&self) -> bool {
        matches!(self.role, Role::HoldsUntil { .. })
    }

    pub(super) fn has_stopped(&self) -> bool {
        matches!(self.ending, Some(Ending::Stopped { .. }))
    }

    pub(super) fn has_ended(&self) -> bool {
        self.item.as_ref().is_some_and(|item| item.ended.is_some())
    }

    /// The end is not wanted any more: connections may be opened again. What was taken back, if anything was.
    pub(super) fn take_back_end(&mut self, actions: &mut Vec<Action>) -> Option<Ending> {
        if self.is_to_end() {
            return None;
        }
        let ending = self.ending.take()?;
        actions.push(Action::MayDial);
        Some(ending)
    }

    /// Sees to the end that is wanted now. What does not flow has no frame to stop before, and stops at once.
    pub(super) fn follow_end(&mut self, actions: &mut Vec<Action>) {
        let Role::HoldsUntil { position_ms } = self.role else {
            return;
        };
        // The end is one of an item that is over.
        if self.advanced.is_some() {
            return;
        }
        let flows =
            self.playback() == Playback::Playing && self.voice_status() == VoiceStatus::Connected;
        let at_ms = flows.then_some(position_ms);
        match self.ending {
            Some(Ending::Stopped { .. }) => {}
            Some(Ending::Asked { at_ms: asked }) if asked == at_ms => {}
            _ => self.end_at(at_ms, actions),
        }
    }

    /// The clock stands without a connection, and never comes to the end that was asked for.
    pub(super) fn end_without_connection(&mut self, actions: &mut Vec<Action>) {
        if let Some(Ending::Asked { at_ms: Some(_) }) = self.ending {
            self.end_at(None, actions);
        }
    }

    fn end_at(&mut self, at_ms: Option<u64>, actions: &mut Vec<Action>) {
        self.ending = Some(Ending::Asked { at_ms });
        actions.push(Action::EndAt { position_ms: at_ms });
    }

    pub(super) fn stopped(
        &mut self,
        position_ms: Option<u64>,
        disconnected: bool,
        actions: &mut Vec<Action>,
    ) {
        if disconnected {
            self.voice = VoiceStatus::Disconnected;
            self.voice_revision = 0;
        }
        if let Some(Ending::Asked { .. }) = self.ending {
            let position_ms = position_ms.unwrap_or(self.start_ms());
            self.ending = Some(Ending::Stopped { position_ms });
        } else {
            // Taken back meanwhile.
            self.follow_voice(actions);
        }
    }
}
