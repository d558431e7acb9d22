//! The protocol version in force: downgrade to transport encryption, upgrade from it, and groups
//! that are made anew (dave-protocol, "Protocol Version Changes").

use std::time::Instant;

use serde_json::json;

use super::commits::COMMIT_PATIENCE;
use super::members::IN_FLIGHT;
use super::transitions::Target;
use super::{DaveGroup, Effects, Party, Standing};
use crate::Error;
use crate::voice_wire::op;

/// Where the call stands between DAVE and none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Encrypted {
        /// Since when; `None`: from the call's start.
        since: Option<Instant>,
    },
    /// Op 21 was sent, op 22 not yet.
    Downgrading,
    /// Transport encryption only.
    Plain,
    /// The group that all will go over to is being made. It waits for key packages of all clients
    /// that there are, but no longer than `until`: who is not in it would be left in the clear.
    Upgrading { until: Instant },
}

impl Default for Phase {
    fn default() -> Self {
        Self::Encrypted { since: None }
    }
}

impl Phase {
    /// Whether there is a group, or one in the making.
    pub(super) fn exchanges_keys(self) -> bool {
        matches!(self, Self::Encrypted { .. } | Self::Upgrading { .. })
    }

    /// Whether media in the clear may arrive now.
    pub(super) fn allows_plain(self, now: Instant) -> bool {
        match self {
            Self::Encrypted { since } => {
                since.is_some_and(|since| now.saturating_duration_since(since) < IN_FLIGHT)
            }
            Self::Downgrading => false,
            Self::Plain | Self::Upgrading { .. } => true,
        }
    }
}

impl DaveGroup {
    /// The version that op 4 tells a connection which negotiated DAVE.
    pub(crate) fn version(&self) -> u16 {
        u16::from(self.phase.exchanges_keys())
    }

    /// A client without DAVE came, as it were: op 21 to version 0. The transition is executed when
    /// all are ready or their time is up.
    pub(super) fn downgrade(&mut self, now: Instant) -> Result<Effects, Error> {
        if !matches!(self.phase, Phase::Encrypted { .. }) {
            return Err(Error::Fault(
                "the call is downgraded already; upgrade it first".to_owned(),
            ));
        }
        let mut effects = Effects::default();
        self.phase = Phase::Downgrading;
        self.forget_group();
        let id = self.transitions.next_id();
        self.members.prepare(id, Target::Plain)?;
        for &ssrc in &self.clients() {
            let prepare = json!({"protocol_version": 0, "transition_id": id});
            effects.json(ssrc, op::DAVE_PREPARE_TRANSITION, prepare);
        }
        effects.step(
            format!("downgrade announced: transition {id}"),
            self.epoch(),
        );
        self.transitions
            .begin(id, Target::Plain, self.clients(), Vec::new(), now);
        self.execute_due(now, &mut effects)?;
        Ok(effects)
    }

    /// The client without DAVE left: op 24, and a group as in the beginning.
    pub(super) fn upgrade(&mut self, now: Instant) -> Result<Effects, Error> {
        if self.phase != Phase::Plain {
            return Err(Error::Fault(
                "the call is not downgraded; downgrade it, and wait for the transition".to_owned(),
            ));
        }
        let mut effects = Effects::default();
        let until = now + COMMIT_PATIENCE;
        self.phase = Phase::Upgrading { until };
        self.announce_new_group(&mut effects)?;
        effects.step("upgrade announced", 0);
        self.advance(now, &mut effects)?;
        Ok(effects)
    }

    /// Whether a group must not be founded yet.
    pub(super) fn awaits_key_packages(&self, now: Instant) -> bool {
        let Phase::Upgrading { until } = self.phase else {
            return false;
        };
        let mut participants = self.participants.values();
        until > now && participants.any(|one| matches!(one.standing, Standing::Connected))
    }

    /// The gateway has the group made anew (op 24 with epoch 1): clients send new key packages.
    pub(crate) fn recreate(&mut self, now: Instant) -> Result<Effects, Error> {
        let mut effects = Effects::default();
        if matches!(self.phase, Phase::Encrypted { .. }) {
            self.announce_new_group(&mut effects)?;
            effects.step("recreated", 0);
            self.advance(now, &mut effects)?;
        }
        Ok(effects)
    }

    /// What a client gets that is left alone in the call: as [`Self::recreate`], and by transition
    /// 0 it gives up the old keys at once ("Sole member reset").
    pub(super) fn reset_by_transition_0(&mut self, now: Instant) -> Result<Effects, Error> {
        let mut effects = self.recreate(now)?;
        for &ssrc in &self.clients() {
            let prepare = json!({"protocol_version": 1, "transition_id": 0});
            effects.json(ssrc, op::DAVE_PREPARE_TRANSITION, prepare);
        }
        effects.step("reset by transition 0", 0);
        Ok(effects)
    }

    /// Op 22 for the transitions that are due.
    pub(super) fn execute_due(&mut self, now: Instant, effects: &mut Effects) -> Result<(), Error> {
        for due in self.transitions.take_due(now) {
            // A reset in between has dropped the members' side of it; the clients' side counts.
            self.members.execute(due.id, &due.members, now)?;
            if due.id != 0 {
                for &ssrc in &due.told {
                    let execute = json!({"transition_id": due.id});
                    effects.json(ssrc, op::DAVE_EXECUTE_TRANSITION, execute);
                }
            }
            for &late in &due.waiting_for {
                let user = self.user_of(late);
                let step = format!("{user} was not ready for transition {}", due.id);
                effects.step(step, self.epoch());
            }
            effects.step(format!("executed transition {}", due.id), self.epoch());
            match (due.target, self.phase) {
                (Target::Plain, _) => {
                    self.phase = Phase::Plain;
                    self.transitions.clear();
                    self.forget_group();
                    for participant in self.participants.values_mut() {
                        participant.standing = Standing::Connected;
                    }
                    effects.step("downgraded", 0);
                }
                (Target::Epoch, Phase::Upgrading { .. }) => {
                    self.phase = Phase::Encrypted { since: Some(now) };
                    effects.step("upgraded", self.epoch());
                }
                (Target::Epoch, _) => {}
            }
        }
        Ok(())
    }

    fn announce_new_group(&mut self, effects: &mut Effects) -> Result<(), Error> {
        let package = self.sender.package()?;
        self.transitions.clear();
        for (party, participant) in &mut self.participants {
            participant.standing = Standing::Connected;
            let Party::Client(ssrc) = *party else {
                continue;
            };
            let epoch = json!({"protocol_version": 1, "epoch": 1});
            effects.json(ssrc, op::DAVE_PREPARE_EPOCH, epoch);
            if !std::mem::replace(&mut participant.knows_sender, true) {
                effects.binary(ssrc, op::DAVE_EXTERNAL_SENDER, &[&package]);
            }
        }
        self.reset_group()
    }

    /// All simulated members are back in groups of their own, with new key packages.
    pub(super) fn reset_group(&mut self) -> Result<(), Error> {
        self.forget_group();
        self.members.reset()?;
        self.members
            .users()
            .into_iter()
            .try_for_each(|user| self.seat(user))
    }

    fn forget_group(&mut self) {
        self.proposals.clear();
        self.commit_due = None;
        self.leaving.clear();
        self.mischief.forget_stranger();
    }
}
