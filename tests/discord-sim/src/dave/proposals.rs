//! Proposals that are on their way: made, told, and neither committed nor revoked yet.
//!
//! There is no group before the first commit, only everybody's own of one; each of them is told to
//! add all others. So a proposal is told to whoever can commit it, but never to the one that it
//! adds.

use std::collections::{BTreeMap, BTreeSet};

use davey::ProposalsOperationType;

use super::{DaveGroup, Effects, Party, Standing};
use crate::external_sender::{Change, ClientCommit, proposal_reference, vector};
use crate::voice_wire::op;
use crate::{Error, UserId};

/// Revoked proposals that are remembered, so that no commit names them: more than one epoch of a
/// test has.
const REVOKED: usize = 256;

/// What a proposal is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Add(Party),
    Remove(UserId),
}

pub(super) struct Proposal {
    pub(super) purpose: Purpose,
    user: UserId,
    message: Vec<u8>,
    reference: Vec<u8>,
    told: BTreeSet<Party>,
}

/// The proposals of the present epoch.
#[derive(Default)]
pub(super) struct Proposals {
    on_the_way: Vec<Proposal>,
    revoked: Vec<Vec<u8>>,
}

impl Proposals {
    pub(super) fn iter(&self) -> impl Iterator<Item = &Proposal> {
        self.on_the_way.iter()
    }

    /// Whether there are any but those that add `party`.
    pub(super) fn concern_others_than(&self, party: Party) -> bool {
        self.iter().any(|one| one.purpose != Purpose::Add(party))
    }

    /// Another epoch begins, or another group.
    pub(super) fn clear(&mut self) {
        self.on_the_way.clear();
        self.revoked.clear();
    }

    /// The party's group was reset: it knows none of them.
    pub(super) fn forget_told(&mut self, party: Party) {
        for one in &mut self.on_the_way {
            one.told.remove(&party);
        }
    }

    /// No commit may name this one.
    pub(super) fn forbid(&mut self, reference: Vec<u8>) {
        if self.revoked.len() == REVOKED {
            self.revoked.remove(0);
        }
        self.revoked.push(reference);
    }

    /// Why the gateway does not pass this commit on (dave-protocol, "Voice Gateway Commit
    /// Validity").
    pub(super) fn refusal(&self, commit: &ClientCommit, by: Party) -> Option<&'static str> {
        let due = |one: &&Proposal| one.purpose != Purpose::Add(by);
        if !self
            .iter()
            .filter(due)
            .all(|one| commit.names(&one.reference))
        {
            return Some("it leaves out a proposal");
        }
        self.revoked
            .iter()
            .any(|reference| commit.names(reference))
            .then_some("it names a revoked proposal")
    }
}

impl DaveGroup {
    /// Makes the proposals that are due, and tells them and the revoked ones.
    pub(super) fn propose(&mut self, effects: &mut Effects) -> Result<(), Error> {
        let revoked = self.take_outdated();
        let mut by_party: BTreeMap<Party, Vec<u8>> = BTreeMap::new();
        for one in &revoked {
            for &party in one.told.iter().filter(|party| self.commits(**party)) {
                let references = by_party.entry(party).or_default();
                references.extend(vector(&one.reference)?);
            }
        }
        for (party, references) in by_party {
            self.tell(party, ProposalsOperationType::REVOKE, &references, effects)?;
        }
        for one in revoked {
            let step = format!("revoked: the proposal about {}", one.user);
            effects.step(step, self.members.epoch());
            self.proposals.forbid(one.reference);
        }

        self.propose_removals()?;
        self.propose_additions()?;
        let mut by_party: BTreeMap<Party, Vec<u8>> = BTreeMap::new();
        let parties = self.participants.keys().copied();
        let audience: Vec<Party> = parties.filter(|party| self.commits(*party)).collect();
        for party in audience {
            for one in &mut self.proposals.on_the_way {
                if one.purpose != Purpose::Add(party) && one.told.insert(party) {
                    by_party.entry(party).or_default().extend(&one.message);
                }
            }
        }
        for (party, messages) in by_party {
            self.tell(party, ProposalsOperationType::APPEND, &messages, effects)?;
        }
        Ok(())
    }

    /// Op 27 for one party; `list` is what the vector in it holds.
    fn tell(
        &mut self,
        party: Party,
        operation: ProposalsOperationType,
        list: &[u8],
        effects: &mut Effects,
    ) -> Result<(), Error> {
        let payload = vector(list)?;
        match party {
            Party::Client(ssrc) => {
                effects.binary(ssrc, op::DAVE_PROPOSALS, &[&[operation as u8], &payload]);
                Ok(())
            }
            // Before there is a group only the listener commits; the others wait for a welcome.
            Party::Member(user)
                if self.members.epoch() == 0 && user != self.members.listener_id() =>
            {
                Ok(())
            }
            Party::Member(user) => self.members.proposals(user, operation, &payload),
        }
    }

    /// Whether the party is told of proposals: all in the group, or, before there is one, all that
    /// will found it.
    fn commits(&self, party: Party) -> bool {
        let standing = self.participants.get(&party).map(|one| &one.standing);
        match standing {
            Some(Standing::InGroup) => true,
            Some(Standing::Pending { .. }) => self.members.epoch() == 0,
            Some(Standing::Connected) | None => false,
        }
    }

    /// Additions of those that have gone, or that sent another key package.
    fn take_outdated(&mut self) -> Vec<Proposal> {
        let participants = &self.participants;
        let outdated = |one: &mut Proposal| {
            let Purpose::Add(party) = one.purpose else {
                return false;
            };
            let standing = participants.get(&party).map(|one| &one.standing);
            !matches!(standing, Some(Standing::Pending { proposed: true, .. }))
        };
        self.proposals.on_the_way.extract_if(.., outdated).collect()
    }

    fn propose_removals(&mut self) -> Result<(), Error> {
        for (user, leaf) in self.members.roster() {
            let purpose = Purpose::Remove(user);
            if self.leaving.contains(&user)
                && self.proposals.iter().all(|one| one.purpose != purpose)
            {
                self.make(purpose, user, &Change::Remove(leaf))?;
            }
        }
        Ok(())
    }

    fn propose_additions(&mut self) -> Result<(), Error> {
        let epoch = self.members.epoch();
        let roster = self.members.roster();
        let mut additions = Vec::new();
        let mut users: BTreeSet<UserId> = self
            .proposals
            .iter()
            .filter(|one| matches!(one.purpose, Purpose::Add(_)))
            .map(|one| one.user)
            .collect();
        for (&party, participant) in &mut self.participants {
            let user = participant.user;
            // A user has one leaf: the old one goes first.
            let has_leaf = epoch > 0
                && roster.iter().any(|(member, _)| *member == user)
                && !self.leaving.contains(&user);
            if let Standing::Pending {
                change,
                proposed: proposed @ false,
            } = &mut participant.standing
                && !has_leaf
                && users.insert(user)
            {
                *proposed = true;
                additions.push((party, user, change.clone()));
            }
        }
        for (party, user, change) in additions {
            self.make(Purpose::Add(party), user, &change)?;
        }
        Ok(())
    }

    fn make(&mut self, purpose: Purpose, user: UserId, change: &Change) -> Result<(), Error> {
        let message = self.sender.propose(self.members.epoch(), change)?;
        self.proposals.on_the_way.push(Proposal {
            purpose,
            user,
            reference: proposal_reference(&message)?,
            message,
            told: BTreeSet::new(),
        });
        Ok(())
    }
}
