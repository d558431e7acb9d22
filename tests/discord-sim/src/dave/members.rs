//! The simulated members of a call: the listener, who is always there, and those that come and go.
//!
//! Each is a whole member with a DAVE session of its own; what it is told reaches it at once, and
//! it is always ready. The listener is the gateway's view of the group as well.

use std::time::{Duration, Instant};

use davey::{CommitWelcome, ProposalsOperationType};
use openmls::prelude::LeafNodeIndex;

use super::transitions::Target;
use crate::member::{ListeningMember, is_dave_frame};
use crate::{ChannelId, Error, UserId};

/// Simulated members of one call besides the listener. Every one of them makes a commit of its own
/// whenever the group changes (davey knows no other way to take proposals), and decrypts every
/// packet, on the thread that hears all packets of the simulator. Unoptimised that is some 10 ms a
/// member and change, and 15 µs a member and packet: eight keep a change below 100 ms. Arrival
/// times are taken by another thread and do not suffer.
pub(super) const MOST_MEMBERS: usize = 8;

/// How long packets may be on their way. Until then after a transition's execution a joiner is
/// not expected to decrypt, and media may still come as it was sent before.
pub(super) const IN_FLIGHT: Duration = Duration::from_millis(250);

/// What the members made of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hearing {
    /// It bore a DAVE frame.
    pub(crate) dave: bool,
    /// The Opus packet as the listener got it; `None`: it could not decrypt.
    pub(crate) opus: Option<Vec<u8>>,
    /// Members that should be able to decrypt it.
    pub(crate) members: u16,
    /// Of these: how many could. All, for a packet in the clear.
    pub(crate) decrypted_by: u16,
    /// The call was downgraded to transport encryption when it came.
    pub(crate) downgraded: bool,
}

/// What the listener made of a picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sight {
    /// It was a DAVE frame.
    pub(crate) dave: bool,
    /// The access unit; `None`: it could not be decrypted.
    pub(crate) picture: Option<Vec<u8>>,
    /// The call was downgraded to transport encryption when it came.
    pub(crate) downgraded: bool,
}

impl Hearing {
    /// A packet that everybody understands.
    pub(crate) fn in_the_clear(payload: &[u8], members: u16) -> Self {
        Self {
            dave: false,
            opus: Some(payload.to_vec()),
            members,
            decrypted_by: members,
            downgraded: false,
        }
    }
}

struct Seat {
    member: ListeningMember,
    /// Since when it has the keys that all speak with.
    in_force: Option<Instant>,
}

pub(super) struct Members {
    channel: ChannelId,
    external_sender: Vec<u8>,
    /// The listener first.
    seats: Vec<Seat>,
    /// What the listener would commit, from the proposals that it was told of.
    draft: Option<CommitWelcome>,
}

impl Members {
    pub(super) fn new(
        listener: UserId,
        channel: ChannelId,
        external_sender: Vec<u8>,
    ) -> Result<Self, Error> {
        let mut members = Self {
            channel,
            external_sender,
            seats: Vec::new(),
            draft: None,
        };
        members.add(listener)?;
        Ok(members)
    }

    /// A further member, in a group of its own for now.
    pub(super) fn add(&mut self, user: UserId) -> Result<(), Error> {
        self.check_room(user)?;
        let member = ListeningMember::new(user, self.channel, &self.external_sender)?;
        self.seats.push(Seat {
            member,
            in_force: None,
        });
        Ok(())
    }

    pub(super) fn check_room(&self, user: UserId) -> Result<(), Error> {
        if self.seats.len() > MOST_MEMBERS {
            return Err(Error::Fault(format!(
                "a call has at most {MOST_MEMBERS} simulated members; let one leave first"
            )));
        }
        if self.seats.iter().any(|seat| seat.member.user() == user) {
            return Err(Error::Fault(format!("{user} is in the call already")));
        }
        Ok(())
    }

    /// Whether it was there. The listener stays.
    pub(super) fn remove(&mut self, user: UserId) -> bool {
        let before = self.seats.len();
        let listener = self.listener_id();
        self.seats
            .retain(|seat| seat.member.user() != user || user == listener);
        self.seats.len() < before
    }

    pub(super) fn listener(&mut self) -> &mut ListeningMember {
        &mut self.seats[0].member
    }

    pub(super) fn listener_id(&self) -> UserId {
        self.seats[0].member.user()
    }

    /// All of them, the listener first.
    pub(super) fn users(&self) -> Vec<UserId> {
        self.seats.iter().map(|seat| seat.member.user()).collect()
    }

    /// The group's epoch; 0: not established.
    pub(super) fn epoch(&self) -> u64 {
        self.seats[0].member.epoch()
    }

    /// Everybody in the group, the listener included.
    pub(super) fn roster(&self) -> Vec<(UserId, LeafNodeIndex)> {
        self.seats[0].member.roster()
    }

    pub(super) fn key_package(&mut self, user: UserId) -> Result<Vec<u8>, Error> {
        self.seat(user)?.member.key_package()
    }

    /// Op 27 for one of them.
    pub(super) fn proposals(
        &mut self,
        user: UserId,
        operation: ProposalsOperationType,
        payload: &[u8],
    ) -> Result<(), Error> {
        let commit = self.seat(user)?.member.proposals(operation, payload)?;
        if user == self.listener_id() {
            self.draft = commit;
        }
        Ok(())
    }

    /// The listener's commit to all that it was told of, which it has taken over.
    pub(super) fn commit(&mut self) -> Result<CommitWelcome, Error> {
        let made = self
            .draft
            .take()
            .ok_or_else(|| Error::Dave("nothing to commit".to_owned()))?;
        self.listener().take_commit(&made.commit)?;
        Ok(made)
    }

    /// Op 29 for one of them.
    pub(super) fn take_commit(&mut self, user: UserId, commit: &[u8]) -> Result<(), Error> {
        if user == self.listener_id() {
            self.draft = None;
        }
        self.seat(user)?.member.take_commit(commit)
    }

    /// Op 30 for one of them.
    pub(super) fn take_welcome(&mut self, user: UserId, welcome: &[u8]) -> Result<(), Error> {
        if user == self.listener_id() {
            self.draft = None;
        }
        self.seat(user)?.member.join(welcome)
    }

    /// All of them can hear what is sent after the transition.
    pub(super) fn prepare(&mut self, id: u16, target: Target) -> Result<(), Error> {
        self.each(|member| member.prepare(id, target == Target::Epoch))
    }

    /// Op 22. `holders` have the keys that all speak with from now on.
    pub(super) fn execute(
        &mut self,
        id: u16,
        holders: &[UserId],
        now: Instant,
    ) -> Result<(), Error> {
        for seat in &mut self.seats {
            if holders.contains(&seat.member.user()) {
                seat.in_force.get_or_insert(now);
            }
        }
        self.each(|member| member.execute(id))
    }

    /// All of them leave the group for groups of their own.
    pub(super) fn reset(&mut self) -> Result<(), Error> {
        self.draft = None;
        self.each(ListeningMember::reset)
    }

    pub(super) fn hear(&mut self, from: UserId, payload: &[u8], now: Instant) -> Hearing {
        let expected = |seat: &Seat| {
            seat.in_force
                .is_some_and(|since| now.saturating_duration_since(since) >= IN_FLIGHT)
        };
        let (listener, others) = self.seats.split_at_mut(1);
        let others = others.iter_mut().filter(|seat| expected(seat));
        if !is_dave_frame(payload) {
            let members = 1 + others.count() as u16;
            return Hearing::in_the_clear(payload, members);
        }
        let opus = listener[0].member.decrypt(from, payload);
        let mut hearing = Hearing {
            dave: true,
            members: 1,
            decrypted_by: u16::from(opus.is_some()),
            opus,
            downgraded: false,
        };
        for seat in others {
            let opus = seat.member.decrypt(from, payload);
            hearing.members += 1;
            hearing.decrypted_by += u16::from(opus.is_some());
        }
        hearing
    }

    pub(super) fn see(&mut self, from: UserId, frame: &[u8]) -> Sight {
        let dave = is_dave_frame(frame);
        Sight {
            dave,
            picture: if dave {
                self.listener().decrypt_picture(from, frame)
            } else {
                Some(frame.to_vec())
            },
            downgraded: false,
        }
    }

    fn each(
        &mut self,
        mut act: impl FnMut(&mut ListeningMember) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.seats
            .iter_mut()
            .try_for_each(|seat| act(&mut seat.member))
    }

    fn seat(&mut self, user: UserId) -> Result<&mut Seat, Error> {
        self.seats
            .iter_mut()
            .find(|seat| seat.member.user() == user)
            .ok_or_else(|| Error::Dave(format!("{user} is no simulated member")))
    }
}
