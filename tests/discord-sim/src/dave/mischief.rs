//! What a gateway does wrong on purpose: messages that clients must refuse, and survive.

use std::time::{Duration, Instant};

use serde_json::json;

use super::fault::Spoil;
use super::{DaveGroup, Effects, Party, Standing};
use crate::external_sender::{Change, ClientCommit, proposal_reference, vector};
use crate::member::ListeningMember;
use crate::voice_wire::op;
use crate::{Error, UserId};

/// Messages that wait to be spoiled.
const MOST_SPOILS: usize = 64;

/// How long a stranger stays proposed: enough for every client to commit to it, if it would.
const STRANGER_STAYS: Duration = Duration::from_millis(500);

/// First byte of op 27's payload.
const APPEND: u8 = 0;
const REVOKE: u8 = 1;

/// Where a commit's epoch stands in its message: behind version (2), wire format (2) and the group
/// id with its length (9). RFC 9420, section 6.
const EPOCH_AT: std::ops::Range<usize> = 13..21;

#[derive(Default)]
pub(super) struct Mischief {
    /// For the client of this user, or for any one.
    spoils: Vec<(Option<UserId>, Spoil)>,
    stranger: Option<Stranger>,
}

/// Somebody proposed whom no client was told of.
struct Stranger {
    reference: Vec<u8>,
    until: Instant,
}

impl Mischief {
    /// The epoch in which it was proposed is over, and the proposal with it.
    pub(super) fn forget_stranger(&mut self) {
        self.stranger = None;
    }
}

impl DaveGroup {
    /// The next op 29 or 30 for this user's client, or for any one, will be invalid.
    pub(super) fn spoil_next(&mut self, user: Option<UserId>, how: Spoil) -> Result<(), Error> {
        if self.mischief.spoils.len() == MOST_SPOILS {
            return Err(Error::Fault(
                "too many messages wait to be spoiled; let the group change first".to_owned(),
            ));
        }
        self.mischief.spoils.push((user, how));
        Ok(())
    }

    /// A commit or welcome for this client, spoiled if it is its turn.
    pub(super) fn spoiled(
        &mut self,
        ssrc: u32,
        op: u8,
        message: &[u8],
        effects: &mut Effects,
    ) -> Vec<u8> {
        let mut message = message.to_vec();
        let user = self.user_of(ssrc);
        let spoils = &mut self.mischief.spoils;
        let Some(n) = spoils
            .iter()
            .position(|(only, _)| only.is_none_or(|only| only == user))
        else {
            return message;
        };
        let (_, how) = spoils.remove(n);
        match how {
            Spoil::Epoch if op == op::DAVE_ANNOUNCE_COMMIT && message.len() >= EPOCH_AT.end => {
                message[EPOCH_AT].copy_from_slice(&(self.epoch() + 4).to_be_bytes());
            }
            // A welcome's epoch is encrypted: only the recipient can tell it.
            Spoil::Epoch | Spoil::Bytes => {
                if let Some(last) = message.last_mut() {
                    *last ^= 0xff;
                }
            }
        }
        effects.step(format!("spoiled op {op} for {user}"), self.epoch());
        message
    }

    /// Op 27 adds somebody of whom no op 11 told. It is revoked after a while; a client's commit
    /// to it is recorded and goes no further.
    pub(super) fn propose_stranger(&mut self, now: Instant) -> Result<Effects, Error> {
        let mut effects = Effects::default();
        let user = UserId(rand::random::<u64>() >> 5);
        let (message, reference) = self.proposal_of_nobody(user)?;
        let payload = vector(&message)?;
        for ssrc in self.founded_clients()? {
            effects.binary(ssrc, op::DAVE_PROPOSALS, &[&[APPEND], &payload]);
        }
        effects.step(format!("stranger {user} proposed"), self.epoch());
        self.mischief.stranger = Some(Stranger {
            reference,
            until: now + STRANGER_STAYS,
        });
        Ok(effects)
    }

    /// Whether a client has fallen for the stranger.
    pub(super) fn note_stranger(
        &self,
        ssrc: u32,
        commit: &ClientCommit,
        effects: &mut Effects,
    ) -> bool {
        let named = |stranger: &Stranger| commit.names(&stranger.reference);
        if !self.mischief.stranger.as_ref().is_some_and(named) {
            return false;
        }
        let by = self.user_of(ssrc);
        effects.step(
            format!("commit refused: {by} adds a stranger"),
            self.epoch(),
        );
        true
    }

    pub(super) fn revoke_stranger(
        &mut self,
        now: Instant,
        effects: &mut Effects,
    ) -> Result<(), Error> {
        let over = |stranger: &mut Stranger| stranger.until <= now;
        let Some(stranger) = self.mischief.stranger.take_if(over) else {
            return Ok(());
        };
        let payload = vector(&vector(&stranger.reference)?)?;
        for ssrc in self.founded_clients()? {
            effects.binary(ssrc, op::DAVE_PROPOSALS, &[&[REVOKE], &payload]);
        }
        self.proposals.forbid(stranger.reference);
        effects.step("stranger revoked", self.epoch());
        Ok(())
    }

    /// Somebody connects, is proposed, and gone before any commit came.
    pub(super) fn propose_and_revoke(&mut self) -> Result<Effects, Error> {
        let mut effects = Effects::default();
        let user = UserId(rand::random::<u64>() >> 5);
        let (message, reference) = self.proposal_of_nobody(user)?;
        let append = vector(&message)?;
        let revoke = vector(&vector(&reference)?)?;
        for ssrc in self.founded_clients()? {
            effects.json(ssrc, op::CLIENTS_CONNECT, json!({"user_ids": [user]}));
            effects.binary(ssrc, op::DAVE_PROPOSALS, &[&[APPEND], &append]);
            effects.json(ssrc, op::CLIENT_DISCONNECT, json!({"user_id": user}));
            effects.binary(ssrc, op::DAVE_PROPOSALS, &[&[REVOKE], &revoke]);
        }
        self.proposals.forbid(reference);
        effects.step(format!("proposed and revoked: {user}"), self.epoch());
        Ok(effects)
    }

    /// Op 29 with the last commit once more, in a transition that nobody began.
    pub(super) fn stray_commit(&mut self) -> Result<Effects, Error> {
        let mut effects = Effects::default();
        let id = self.transitions.unused_id();
        for ssrc in self.founded_clients()? {
            let parts: [&[u8]; 2] = [&id.to_be_bytes(), &self.last_commit];
            effects.binary(ssrc, op::DAVE_ANNOUNCE_COMMIT, &parts);
        }
        effects.step(format!("stray commit in transition {id}"), self.epoch());
        Ok(effects)
    }

    /// Op 22 for a transition that nobody began.
    pub(super) fn stray_execute(&mut self) -> Effects {
        let mut effects = Effects::default();
        let id = self.transitions.unused_id();
        for &ssrc in &self.clients() {
            let execute = json!({"transition_id": id});
            effects.json(ssrc, op::DAVE_EXECUTE_TRANSITION, execute);
        }
        effects.step(format!("stray execution of transition {id}"), self.epoch());
        effects
    }

    /// A proposal to add somebody who does not exist, and its reference.
    fn proposal_of_nobody(&self, user: UserId) -> Result<(Vec<u8>, Vec<u8>), Error> {
        let channel = self.sender.channel();
        let mut nobody = ListeningMember::new(user, channel, &self.sender.package()?)?;
        let change: Change = self.sender.validate(&nobody.key_package()?, user)?;
        let message = self.sender.propose(self.epoch(), &change)?;
        let reference = proposal_reference(&message)?;
        Ok((message, reference))
    }

    /// The clients in the group; an error when there is none yet.
    fn founded_clients(&self) -> Result<Vec<u32>, Error> {
        let in_group = |ssrc: &u32| {
            let standing = self.participants.get(&Party::Client(*ssrc));
            standing.is_some_and(|one| matches!(one.standing, Standing::InGroup))
        };
        let clients: Vec<u32> = self.clients().into_iter().filter(in_group).collect();
        if clients.is_empty() {
            return Err(Error::Fault(
                "no client is in the group; wait until one is".to_owned(),
            ));
        }
        Ok(clients)
    }
}
