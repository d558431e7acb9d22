//! A listening member: somebody in the channel who hears what the bots send.

use std::num::NonZeroU16;

use davey::{CommitWelcome, DaveSession, MediaType, ProposalsOperationType};
use openmls::prelude::LeafNodeIndex;

use crate::external_sender::dave;
use crate::{ChannelId, Error, UserId};

/// DAVE protocol version 1, the only one.
const VERSION: NonZeroU16 = NonZeroU16::MIN;

/// The two bytes at the end of each DAVE frame (dave-protocol, "Payload Format").
const MAGIC: [u8; 2] = [0xfa, 0xfa];

/// Tag (8), nonce (at least 1), size (1) and magic marker (2).
const SMALLEST_SUPPLEMENT: u8 = 12;

/// A simulated member's DAVE session.
pub(crate) struct ListeningMember {
    user: UserId,
    channel: ChannelId,
    session: DaveSession,
}

impl ListeningMember {
    /// A member in a group of its own, which other members' key packages can be added to.
    pub(crate) fn new(
        user: UserId,
        channel: ChannelId,
        external_sender: &[u8],
    ) -> Result<Self, Error> {
        let mut session = DaveSession::new(VERSION, user.0, channel.0, None).map_err(dave)?;
        session.set_external_sender(external_sender).map_err(dave)?;
        Ok(Self {
            user,
            channel,
            session,
        })
    }

    pub(crate) fn user(&self) -> UserId {
        self.user
    }

    /// The epoch of its group; 0: a group of its own, not established.
    pub(crate) fn epoch(&self) -> u64 {
        self.session.epoch().map_or(0, |epoch| epoch.as_u64())
    }

    /// Everybody in the group, with the leaf that they are.
    pub(crate) fn roster(&self) -> Vec<(UserId, LeafNodeIndex)> {
        let Some(group) = self.session.group() else {
            return Vec::new();
        };
        group
            .members()
            .filter_map(|member| {
                let identity = member.credential.serialized_content().try_into().ok()?;
                Some((UserId(u64::from_be_bytes(identity)), member.index))
            })
            .collect()
    }

    /// Back to a group of its own. What was sent under the old keys stays readable for a while.
    pub(crate) fn reset(&mut self) -> Result<(), Error> {
        self.session
            .reinit(VERSION, self.user.0, self.channel.0, None)
            .map_err(dave)
    }

    pub(crate) fn key_package(&mut self) -> Result<Vec<u8>, Error> {
        self.session.create_key_package().map_err(dave)
    }

    /// Takes op 27's proposals, appended or revoked; returns the commit that all those it has now
    /// would lead to.
    pub(crate) fn proposals(
        &mut self,
        operation: ProposalsOperationType,
        payload: &[u8],
    ) -> Result<Option<CommitWelcome>, Error> {
        self.session
            .process_proposals(operation, payload, None)
            .map_err(dave)
    }

    /// Moves to the epoch that a commit begins, its own or another member's.
    pub(crate) fn take_commit(&mut self, commit: &[u8]) -> Result<(), Error> {
        let taken = self.session.process_commit(commit).map_err(dave)?;
        taken
            .then_some(())
            .ok_or_else(|| Error::Dave("a commit without a group to change".to_owned()))
    }

    pub(crate) fn join(&mut self, welcome: &[u8]) -> Result<(), Error> {
        self.session.process_welcome(welcome, None).map_err(dave)
    }

    /// Installs the keys of the new epoch for receiving; not `encrypted`: lets those that there
    /// are expire.
    pub(crate) fn prepare(&mut self, transition: u16, encrypted: bool) -> Result<(), Error> {
        let version = if encrypted { VERSION.get() } else { 0 };
        self.session
            .prepare_transition(transition, version)
            .map_err(dave)
    }

    /// Executes the transition, if it was prepared.
    pub(crate) fn execute(&mut self, transition: u16) -> Result<(), Error> {
        self.session
            .execute_transition(transition)
            .map(drop)
            .map_err(dave)
    }

    /// The Opus packet in a DAVE frame of `from`; `None`: the member has no key that fits.
    pub(crate) fn decrypt(&mut self, from: UserId, frame: &[u8]) -> Option<Vec<u8>> {
        self.session.decrypt(from.0, MediaType::AUDIO, frame).ok()
    }

    /// The access unit in a DAVE frame of `from`.
    pub(crate) fn decrypt_picture(&mut self, from: UserId, frame: &[u8]) -> Option<Vec<u8>> {
        self.session.decrypt(from.0, MediaType::VIDEO, frame).ok()
    }
}

/// Whether `payload` bears a DAVE frame: magic marker, and a supplement that fits in.
pub(crate) fn is_dave_frame(payload: &[u8]) -> bool {
    let Some((rest, [size, marker @ ..])) = payload.split_last_chunk::<3>() else {
        return false;
    };
    *marker == MAGIC && *size >= SMALLEST_SUPPLEMENT && usize::from(*size) <= rest.len() + 3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_dave_frames_from_others() {
        let mut frame = vec![1; 20];
        frame.extend([12, 0xfa, 0xfa]);
        assert!(is_dave_frame(&frame));
        assert!(!is_dave_frame(&[0xf8, 0xff, 0xfe]));
        assert!(!is_dave_frame(&[0xfa, 0xfa]));
        assert!(!is_dave_frame(&[1, 2, 3, 99, 0xfa, 0xfa]));
        assert!(!is_dave_frame(&[1; 30]));
    }
}
