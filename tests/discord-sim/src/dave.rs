//! One call's DAVE group, as the voice gateway sees it (dave-protocol, "Group Key Exchange").
//!
//! ```text
//!  op 25 ─▶ client                    key package (26) arrives
//!     group not established (epoch 0)                established
//!     ├ op 27 add(others) ─▶ all who wait            ├ op 27 add/remove ─▶ all in the group
//!     └ the first commit founds it: a client's (28)  └ the listener commits at once, or the
//!       or, when it is late or told to, the            first client does, as configured
//!       listener's
//!            └──────────── op 29 commit ─▶ in the group, op 30 welcome ─▶ joiners ───────┘
//!                          op 23 of all, or a time-out ─▶ op 22 execute
//! ```
//!
//! Parties of the group are clients, told over their connections, and simulated members, who take
//! part at once and in here. The listener is one of them and always there; when it is left alone
//! the group is reset, as the protocol demands.
//!
//! What a step is made of: who takes part changes (this file), proposals follow from that
//! (`proposals`), one party commits to them (`commits`), and all go over to the new keys
//! (`transitions`). `versions` are downgrade, upgrade and groups made anew, `mischief` is what
//! goes wrong on purpose.
//!
//! No I/O: what is to be sent comes back as [`Effects`].

mod commits;
mod effects;
mod fault;
mod members;
mod mischief;
mod proposals;
mod transitions;
mod versions;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

pub(crate) use effects::Effects;
pub use fault::{DaveFault, Spoil};
use members::Members;
pub(crate) use members::{Hearing, Sight};
use mischief::Mischief;
use proposals::Proposals;
use transitions::Transitions;
use versions::Phase;

use crate::config::FirstCommit;
use crate::external_sender::{Change, VoiceGatewaySender};
use crate::voice_wire::op;
use crate::{ChannelId, Error, UserId};

/// Somebody who takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Party {
    /// A simulated member.
    Member(UserId),
    /// A connection, by its SSRC.
    Client(u32),
}

struct Participant {
    user: UserId,
    standing: Standing,
    /// It was sent op 25.
    knows_sender: bool,
}

enum Standing {
    /// No valid key package from it yet.
    Connected,
    /// Its key package waits to be proposed, or the proposal to be committed.
    Pending {
        change: Change,
        proposed: bool,
    },
    InGroup,
}

pub(crate) struct DaveGroup {
    sender: VoiceGatewaySender,
    members: Members,
    first_commit: FirstCommit,
    later_commits: FirstCommit,
    participants: BTreeMap<Party, Participant>,
    /// Users whose leaf has to go.
    leaving: BTreeSet<UserId>,
    proposals: Proposals,
    /// When the listener commits in the clients' place; `None`: no commit is due.
    commit_due: Option<Instant>,
    transitions: Transitions,
    phase: Phase,
    /// The last commit that was announced.
    last_commit: Vec<u8>,
    mischief: Mischief,
}

impl DaveGroup {
    pub(crate) fn new(
        channel: ChannelId,
        listener: UserId,
        first_commit: FirstCommit,
        later_commits: FirstCommit,
    ) -> Result<Self, Error> {
        let sender = VoiceGatewaySender::new(channel)?;
        let members = Members::new(listener, channel, sender.package()?)?;
        let mut group = Self {
            sender,
            members,
            first_commit,
            later_commits,
            participants: BTreeMap::new(),
            leaving: BTreeSet::new(),
            proposals: Proposals::default(),
            commit_due: None,
            transitions: Transitions::default(),
            phase: Phase::default(),
            last_commit: Vec::new(),
            mischief: Mischief::default(),
        };
        group.seat(listener)?;
        Ok(group)
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.members.epoch()
    }

    /// The simulated members, the listener first.
    #[cfg(test)]
    fn users(&self) -> Vec<UserId> {
        self.members.users()
    }

    /// What the members make of a packet of `from`.
    pub(crate) fn hear(&mut self, from: UserId, payload: &[u8], now: Instant) -> Hearing {
        Hearing {
            downgraded: self.phase.allows_plain(now),
            ..self.members.hear(from, payload, now)
        }
    }

    /// What the listener makes of a picture of `from`.
    pub(crate) fn see(&mut self, from: UserId, frame: &[u8], now: Instant) -> Sight {
        Sight {
            downgraded: self.phase.allows_plain(now),
            ..self.members.see(from, frame)
        }
    }

    /// Whether [`Self::join_member`] would let this user in.
    pub(crate) fn check_room(&self, user: UserId) -> Result<(), Error> {
        self.members.check_room(user)
    }

    /// A further simulated member comes.
    pub(crate) fn join_member(&mut self, user: UserId, now: Instant) -> Result<Effects, Error> {
        let mut effects = Effects::default();
        self.members.add(user)?;
        self.seat(user)?;
        effects.step(format!("member {user} came"), self.epoch());
        self.advance(now, &mut effects)?;
        Ok(effects)
    }

    /// A simulated member leaves; not the listener.
    pub(crate) fn leave_member(&mut self, user: UserId, now: Instant) -> Result<Effects, Error> {
        let mut effects = Effects::default();
        if !self.members.remove(user) {
            return Ok(effects);
        }
        effects.step(format!("member {user} left"), self.epoch());
        self.part(Party::Member(user), now, &mut effects)?;
        Ok(effects)
    }

    /// A connection negotiated DAVE: it gets the external sender (op 25), unless the call is
    /// downgraded.
    pub(crate) fn connect(&mut self, ssrc: u32, user: UserId) -> Result<Effects, Error> {
        let mut effects = Effects::default();
        let knows_sender = self.phase.exchanges_keys();
        let participant = Participant {
            user,
            standing: Standing::Connected,
            knows_sender,
        };
        self.participants.insert(Party::Client(ssrc), participant);
        if knows_sender {
            let package = self.sender.package()?;
            effects.binary(ssrc, op::DAVE_EXTERNAL_SENDER, &[&package]);
        }
        Ok(effects)
    }

    /// Op 26.
    pub(crate) fn key_package(
        &mut self,
        ssrc: u32,
        key_package: &[u8],
        now: Instant,
    ) -> Result<Effects, Error> {
        let mut effects = Effects::default();
        let client = Party::Client(ssrc);
        let Some(participant) = self.participants.get_mut(&client) else {
            return Ok(effects);
        };
        let change = self.sender.validate(key_package, participant.user)?;
        if !self.phase.exchanges_keys() {
            effects.step("key package without a group to come", 0);
            return Ok(effects);
        }
        if matches!(participant.standing, Standing::InGroup) {
            // Added anew with another key package: the old leaf goes first.
            self.leaving.insert(participant.user);
        }
        participant.standing = Standing::Pending {
            change,
            proposed: false,
        };
        self.proposals.forget_told(client);
        effects.step(
            format!("key package of {}", self.user_of(ssrc)),
            self.epoch(),
        );
        self.advance(now, &mut effects)?;
        Ok(effects)
    }

    /// Op 23.
    pub(crate) fn ready(
        &mut self,
        ssrc: u32,
        transition: u16,
        now: Instant,
    ) -> Result<Effects, Error> {
        let mut effects = Effects::default();
        let awaited = self.transitions.ready(ssrc, transition);
        let user = self.user_of(ssrc);
        let step = if awaited {
            format!("{user} is ready for transition {transition}")
        } else {
            format!("{user} is ready for transition {transition}, which does not wait for it")
        };
        effects.step(step, self.epoch());
        self.execute_due(now, &mut effects)?;
        Ok(effects)
    }

    /// Op 31: the client could not follow; it leaves the group and sends a new key package.
    pub(crate) fn invalid(&mut self, ssrc: u32, now: Instant) -> Result<Effects, Error> {
        let mut effects = Effects::default();
        let step = format!("invalid commit or welcome at {}", self.user_of(ssrc));
        effects.step(step, self.epoch());
        self.transitions.forget(ssrc);
        if let Some(participant) = self.participants.get_mut(&Party::Client(ssrc)) {
            if matches!(participant.standing, Standing::InGroup) {
                self.leaving.insert(participant.user);
            }
            participant.standing = Standing::Connected;
        }
        self.execute_due(now, &mut effects)?;
        self.advance(now, &mut effects)?;
        Ok(effects)
    }

    /// The connection is gone, or takes part no longer.
    pub(crate) fn leave(&mut self, ssrc: u32, now: Instant) -> Result<Effects, Error> {
        let mut effects = Effects::default();
        self.transitions.forget(ssrc);
        self.part(Party::Client(ssrc), now, &mut effects)?;
        Ok(effects)
    }

    /// What must not wait any longer.
    pub(crate) fn overdue(&mut self, now: Instant) -> Result<Effects, Error> {
        let mut effects = Effects::default();
        self.execute_due(now, &mut effects)?;
        self.revoke_stranger(now, &mut effects)?;
        let upgrading = matches!(self.phase, Phase::Upgrading { .. });
        if upgrading || self.commit_due.is_some_and(|due| due <= now) {
            self.advance(now, &mut effects)?;
        }
        Ok(effects)
    }

    fn part(&mut self, party: Party, now: Instant, effects: &mut Effects) -> Result<(), Error> {
        let Some(gone) = self.participants.remove(&party) else {
            return Ok(());
        };
        if matches!(gone.standing, Standing::InGroup) {
            self.leaving.insert(gone.user);
        }
        self.execute_due(now, effects)?;
        self.advance(now, effects)
    }

    /// A simulated member takes part: its key package waits to be proposed.
    fn seat(&mut self, user: UserId) -> Result<(), Error> {
        let standing = if self.phase.exchanges_keys() {
            let key_package = self.members.key_package(user)?;
            Standing::Pending {
                change: self.sender.validate(&key_package, user)?,
                proposed: false,
            }
        } else {
            Standing::Connected
        };
        let participant = Participant {
            user,
            standing,
            knows_sender: true,
        };
        self.participants.insert(Party::Member(user), participant);
        Ok(())
    }

    fn listener(&self) -> Party {
        Party::Member(self.members.listener_id())
    }

    /// The user of a connection; 0 for one that does not take part.
    fn user_of(&self, ssrc: u32) -> UserId {
        let participant = self.participants.get(&Party::Client(ssrc));
        participant.map_or(UserId(0), |one| one.user)
    }

    /// All connections that take part, by SSRC.
    fn clients(&self) -> Vec<u32> {
        let parties: Vec<Party> = self.participants.keys().copied().collect();
        commits::clients(&parties)
    }
}

#[cfg(test)]
mod tests;
