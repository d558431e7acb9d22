//! One call's DAVE group, as the voice gateway sees it (dave-protocol, "Group Key Exchange").
//!
//! ```text
//!  op 25 ─▶ client          key package (26) arrives
//!     group not established (epoch 0)              established
//!     ├ op 27 add(member) ─▶ bot                   ├ op 27 add/remove ─▶ all in the group
//!     │   bot commits first (28), or the           │   the member commits at once; clients'
//!     │   member when it is late or told to        │   own commits (28) come too late
//!     └──────────── op 29 commit ─▶ in the group, op 30 welcome ─▶ joiners ────────┘
//!                   op 23 of all, or a time-out ─▶ op 22 execute
//! ```
//!
//! Only the member is left: the group is reset, as the protocol demands.
//!
//! No I/O: what is to be sent comes back as [`Effects`].

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::config::FirstCommit;
use crate::external_sender::{Change, VoiceGatewaySender, split_commit_welcome};
use crate::member::ListeningMember;
use crate::voice_connections::VoiceOut;
use crate::voice_wire::op;
use crate::{ChannelId, Error, UserId};

/// How long the bot gets to make the first commit before the member does. MLS in an unoptimised
/// client takes tens of milliseconds.
const FIRST_COMMIT_PATIENCE: Duration = Duration::from_secs(1);

/// How long clients get to be ready for a transition; the protocol speaks of "roughly two
/// seconds".
const TRANSITION_TIMEOUT: Duration = Duration::from_secs(2);

/// Payload byte of op 27: append proposals (1 would revoke).
const APPEND: u8 = 0;

/// What is to be sent, and what is to be recorded as having happened.
#[derive(Default)]
pub(crate) struct Effects {
    /// By SSRC.
    pub(crate) out: Vec<(u32, VoiceOut)>,
    /// Step and epoch after it.
    pub(crate) steps: Vec<(String, u64)>,
}

impl Effects {
    fn binary(&mut self, ssrc: u32, op: u8, parts: &[&[u8]]) {
        self.out.push((ssrc, VoiceOut::Binary(op, parts.concat())));
    }

    fn step(&mut self, step: impl Into<String>, epoch: u64) {
        self.steps.push((step.into(), epoch));
    }
}

/// A connection that takes part.
struct Participant {
    user: UserId,
    standing: Standing,
}

enum Standing {
    /// No valid key package from it yet.
    Connected,
    /// Its key package waits to be proposed.
    Pending(Change),
    /// It was sent the proposals that it may found the group with.
    Founding,
    InGroup,
}

/// A transition that not all are ready for.
struct Transition {
    id: u16,
    told: Vec<u32>,
    waiting_for: BTreeSet<u32>,
    deadline: Instant,
}

/// A group that a bot may found.
struct Founding {
    bot: u32,
    /// Adds the bot: what the member commits to when it has to found the group itself.
    proposal: Vec<u8>,
    deadline: Instant,
}

pub(crate) struct DaveGroup {
    sender: VoiceGatewaySender,
    member: ListeningMember,
    first_commit: FirstCommit,
    participants: BTreeMap<u32, Participant>,
    /// Users whose leaf has to go.
    leaving: BTreeSet<UserId>,
    founding: Option<Founding>,
    transitions: Vec<Transition>,
    last_transition: u16,
}

impl DaveGroup {
    pub(crate) fn new(
        channel: ChannelId,
        member: UserId,
        first_commit: FirstCommit,
    ) -> Result<Self, Error> {
        let sender = VoiceGatewaySender::new(channel)?;
        let member = ListeningMember::new(member, channel, &sender.package()?)?;
        Ok(Self {
            sender,
            member,
            first_commit,
            participants: BTreeMap::new(),
            leaving: BTreeSet::new(),
            founding: None,
            transitions: Vec::new(),
            last_transition: 0,
        })
    }

    pub(crate) fn member(&mut self) -> &mut ListeningMember {
        &mut self.member
    }

    /// A connection negotiated DAVE: it gets the external sender (op 25).
    pub(crate) fn connect(&mut self, ssrc: u32, user: UserId) -> Result<Effects, Error> {
        let standing = Standing::Connected;
        self.participants
            .insert(ssrc, Participant { user, standing });
        let mut effects = Effects::default();
        let package = self.sender.package()?;
        effects.binary(ssrc, op::DAVE_EXTERNAL_SENDER, &[&package]);
        Ok(effects)
    }

    /// Op 26.
    pub(crate) fn key_package(
        &mut self,
        ssrc: u32,
        key_package: &[u8],
        now: Instant,
    ) -> Result<Effects, Error> {
        let Some(participant) = self.participants.get_mut(&ssrc) else {
            return Ok(Effects::default());
        };
        let add = self.sender.validate(key_package, participant.user)?;
        if matches!(participant.standing, Standing::InGroup) {
            // Added anew with another key package: the old leaf goes first.
            self.leaving.insert(participant.user);
        }
        participant.standing = Standing::Pending(add);
        if self.founding.as_ref().is_some_and(|one| one.bot == ssrc) {
            self.founding = None;
            self.member.reset()?;
        }
        let mut effects = Effects::default();
        self.advance(now, &mut effects)?;
        Ok(effects)
    }

    /// Op 28. Only the commit that founds a group can win; later ones lose to the member's.
    pub(crate) fn commit_welcome(
        &mut self,
        ssrc: u32,
        payload: &[u8],
        now: Instant,
    ) -> Result<Effects, Error> {
        let mut effects = Effects::default();
        if self.founding.as_ref().is_none_or(|one| one.bot != ssrc) {
            effects.step("commit came too late", self.member.epoch());
            return Ok(effects);
        }
        let (commit, welcome) = split_commit_welcome(payload, 0)?;
        let welcome = welcome.ok_or_else(|| Error::Dave("no welcome with an add".to_owned()))?;
        self.member.join(welcome)?;
        self.founding = None;
        effects.step("founded by the bot", self.member.epoch());
        self.set_in_group(ssrc);
        self.announce(&[ssrc], commit, &[], None, now, &mut effects)?;
        self.advance(now, &mut effects)?;
        Ok(effects)
    }

    /// Op 23.
    pub(crate) fn ready(&mut self, ssrc: u32, transition: u16) -> Result<Effects, Error> {
        for one in &mut self.transitions {
            if one.id == transition {
                one.waiting_for.remove(&ssrc);
            }
        }
        let mut effects = Effects::default();
        self.execute(|one| one.waiting_for.is_empty(), &mut effects)?;
        Ok(effects)
    }

    /// Op 31: the client could not follow; it leaves the group and sends a new key package.
    pub(crate) fn invalid(&mut self, ssrc: u32, now: Instant) -> Result<Effects, Error> {
        let mut effects = Effects::default();
        effects.step("invalid commit or welcome", self.member.epoch());
        if let Some(participant) = self.participants.get_mut(&ssrc) {
            if matches!(participant.standing, Standing::InGroup) {
                self.leaving.insert(participant.user);
            }
            participant.standing = Standing::Connected;
        }
        self.advance(now, &mut effects)?;
        Ok(effects)
    }

    /// The connection is gone, or takes part no longer.
    pub(crate) fn leave(&mut self, ssrc: u32, now: Instant) -> Result<Effects, Error> {
        let mut effects = Effects::default();
        let Some(gone) = self.participants.remove(&ssrc) else {
            return Ok(effects);
        };
        for one in &mut self.transitions {
            one.waiting_for.remove(&ssrc);
            one.told.retain(|told| *told != ssrc);
        }
        match gone.standing {
            Standing::InGroup => {
                self.leaving.insert(gone.user);
            }
            Standing::Founding => {
                self.founding = None;
                self.member.reset()?;
            }
            Standing::Connected | Standing::Pending(_) => {}
        }
        self.execute(|one| one.waiting_for.is_empty(), &mut effects)?;
        self.advance(now, &mut effects)?;
        Ok(effects)
    }

    /// The gateway has the group made anew (op 24 with epoch 1): clients send new key packages.
    pub(crate) fn recreate(&mut self) -> Result<Effects, Error> {
        let mut effects = Effects::default();
        self.founding = None;
        self.leaving.clear();
        self.member.reset()?;
        for (ssrc, participant) in &mut self.participants {
            participant.standing = Standing::Connected;
            let epoch = json!({"protocol_version": 1, "epoch": 1});
            effects
                .out
                .push((*ssrc, VoiceOut::Json(op::DAVE_PREPARE_EPOCH, epoch)));
        }
        effects.step("recreated", 0);
        Ok(effects)
    }

    /// What must not wait any longer.
    pub(crate) fn overdue(&mut self, now: Instant) -> Result<Effects, Error> {
        let mut effects = Effects::default();
        self.execute(|one| one.deadline <= now, &mut effects)?;
        if self
            .founding
            .as_ref()
            .is_some_and(|one| one.deadline <= now)
        {
            self.found_as_member(now, &mut effects)?;
            self.advance(now, &mut effects)?;
        }
        Ok(effects)
    }

    /// Proposes whatever waits to be proposed, unless a founding is under way.
    fn advance(&mut self, now: Instant, effects: &mut Effects) -> Result<(), Error> {
        if self.founding.is_some() {
            return Ok(());
        }
        if self.member.epoch() > 0 {
            self.change_members(now, effects)?;
        }
        if self.member.epoch() == 0 {
            self.leaving.clear();
            self.found(now, effects)?;
        }
        Ok(())
    }

    /// Offers the first pending bot to found the group with the member.
    fn found(&mut self, now: Instant, effects: &mut Effects) -> Result<(), Error> {
        let pending = self
            .participants
            .iter_mut()
            .find(|(_, one)| matches!(one.standing, Standing::Pending(_)));
        let Some((&bot, participant)) = pending else {
            return Ok(());
        };
        let Standing::Pending(add) =
            std::mem::replace(&mut participant.standing, Standing::Founding)
        else {
            return Ok(());
        };
        let proposal = self.sender.propose(0, &[add])?;
        let member = self.member.key_package()?;
        let add_member = self.sender.validate(&member, self.member.user())?;
        let for_bot = self.sender.propose(0, &[add_member])?;
        effects.binary(bot, op::DAVE_PROPOSALS, &[&[APPEND], &for_bot]);
        self.founding = Some(Founding {
            bot,
            proposal,
            deadline: now + FIRST_COMMIT_PATIENCE,
        });
        if self.first_commit == FirstCommit::Member {
            self.found_as_member(now, effects)?;
            self.advance(now, effects)?;
        }
        Ok(())
    }

    fn found_as_member(&mut self, now: Instant, effects: &mut Effects) -> Result<(), Error> {
        let Some(founding) = self.founding.take() else {
            return Ok(());
        };
        let made = self.member.commit(&founding.proposal)?;
        effects.step("founded by the member", self.member.epoch());
        self.set_in_group(founding.bot);
        let welcome = made.welcome.as_deref();
        self.announce(&[], &made.commit, &[founding.bot], welcome, now, effects)
    }

    /// Adds and removes members of an established group. The member commits.
    fn change_members(&mut self, now: Instant, effects: &mut Effects) -> Result<(), Error> {
        let roster = self.member.others();
        let mut changes = Vec::new();
        for (user, leaf) in &roster {
            if self.leaving.contains(user) {
                changes.push(Change::Remove(*leaf));
            }
        }
        let staying = roster.len() - changes.len();
        let mut joiners = Vec::new();
        for (ssrc, participant) in &mut self.participants {
            let taken = roster.iter().any(|(user, _)| *user == participant.user)
                && !self.leaving.contains(&participant.user);
            if taken || !matches!(participant.standing, Standing::Pending(_)) {
                continue;
            }
            let standing = std::mem::replace(&mut participant.standing, Standing::InGroup);
            if let Standing::Pending(add) = standing {
                changes.push(add);
                joiners.push(*ssrc);
            }
        }
        self.leaving.clear();
        if changes.is_empty() {
            return Ok(());
        }
        let in_group: Vec<u32> = self
            .participants
            .iter()
            .filter(|(ssrc, one)| {
                matches!(one.standing, Standing::InGroup) && !joiners.contains(ssrc)
            })
            .map(|(ssrc, _)| *ssrc)
            .collect();
        let proposals = self.sender.propose(self.member.epoch(), &changes)?;
        for &ssrc in &in_group {
            effects.binary(ssrc, op::DAVE_PROPOSALS, &[&[APPEND], &proposals]);
        }
        let made = self.member.commit(&proposals)?;
        let removed = changes.len() - joiners.len();
        let step = format!("committed: {} added, {removed} removed", joiners.len());
        effects.step(step, self.member.epoch());
        let welcome = made.welcome.as_deref();
        self.announce(&in_group, &made.commit, &joiners, welcome, now, effects)?;
        if staying == 0 && joiners.is_empty() {
            // "Sole member reset": nobody keeps control of an established group alone.
            self.member.reset()?;
            effects.step("reset: only the member is left", 0);
        }
        Ok(())
    }

    /// Ops 29 and 30, and the transition that they begin.
    fn announce(
        &mut self,
        in_group: &[u32],
        commit: &[u8],
        joiners: &[u32],
        welcome: Option<&[u8]>,
        now: Instant,
        effects: &mut Effects,
    ) -> Result<(), Error> {
        // 0 is reserved: it is executed without asking.
        self.last_transition = self.last_transition.wrapping_add(1).max(1);
        let id = self.last_transition;
        // The member can hear the new epoch before anybody is told to speak in it.
        self.member.prepare(id)?;
        for &ssrc in in_group {
            effects.binary(ssrc, op::DAVE_ANNOUNCE_COMMIT, &[&id.to_be_bytes(), commit]);
        }
        for &ssrc in joiners {
            let welcome = welcome.unwrap_or_default();
            effects.binary(ssrc, op::DAVE_WELCOME, &[&id.to_be_bytes(), welcome]);
        }
        let told = [in_group, joiners].concat();
        self.transitions.push(Transition {
            id,
            waiting_for: told.iter().copied().collect(),
            told,
            deadline: now + TRANSITION_TIMEOUT,
        });
        self.execute(|one| one.waiting_for.is_empty(), effects)
    }

    /// Op 22 for the transitions that are `due`.
    fn execute(
        &mut self,
        due: impl Fn(&Transition) -> bool,
        effects: &mut Effects,
    ) -> Result<(), Error> {
        let (due, waiting) = std::mem::take(&mut self.transitions)
            .into_iter()
            .partition(due);
        self.transitions = waiting;
        for Transition { id, told, .. } in due {
            // A reset in between has dropped the member's side of it; the clients' side counts.
            self.member.execute(id)?;
            for ssrc in told {
                let execute = json!({"transition_id": id});
                let execute = VoiceOut::Json(op::DAVE_EXECUTE_TRANSITION, execute);
                effects.out.push((ssrc, execute));
            }
            effects.step(format!("executed transition {id}"), self.member.epoch());
        }
        Ok(())
    }

    fn set_in_group(&mut self, ssrc: u32) {
        if let Some(participant) = self.participants.get_mut(&ssrc) {
            participant.standing = Standing::InGroup;
        }
    }
}

#[cfg(test)]
mod tests;
