//! What can be done to a guild's groups by a fault.

use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::{DaveGroup, Effects};
use crate::{Error, UserId};

/// Something that happens to the DAVE groups of a guild's calls. Over HTTP:
/// `{"kind": "dave", "guild": "1", "do": "downgrade"}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum DaveFault {
    /// A further simulated member comes into the call.
    JoinMember {
        /// Who; else one made up.
        #[serde(default)]
        user: Option<UserId>,
    },
    /// A simulated member leaves; never the listener.
    LeaveMember {
        /// Who; else the last that came.
        #[serde(default)]
        user: Option<UserId>,
    },
    /// The call goes over to transport encryption: op 21 with version 0, op 23 of all, op 22.
    Downgrade,
    /// A downgraded call goes back to DAVE: op 24 with epoch 1, and a new group.
    Upgrade,
    /// The next commit (op 29) or welcome (op 30) to a client is invalid.
    SpoilNext {
        /// To this user's client only.
        #[serde(default)]
        user: Option<UserId>,
        /// In which way.
        how: Spoil,
    },
    /// Op 27 adds somebody of whom no op 11 told, and revokes it half a second later.
    ProposeStranger,
    /// Op 27 adds somebody and is revoked at once.
    ProposeAndRevoke,
    /// Op 29 with the last commit once more, in a transition that does not exist.
    StrayCommit,
    /// Op 22 for a transition that does not exist.
    StrayExecute,
    /// As when a client is left alone: op 24 with epoch 1, then op 21 with transition 0, which
    /// takes away the old keys at once; a new group follows.
    Reset,
    /// The next commit and its welcomes bear transition 0: executed at once, without ops 23 and
    /// 22.
    NextAtOnce,
}

/// How a commit or welcome is made invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Spoil {
    /// Its last byte is wrong.
    Bytes,
    /// A commit bears another epoch; a welcome, whose epoch is encrypted, is spoiled as by
    /// [`Spoil::Bytes`].
    Epoch,
}

impl DaveGroup {
    /// Applies a fault. Members are let in and out by the call, which tells the clients.
    pub(crate) fn apply(&mut self, fault: &DaveFault, now: Instant) -> Result<Effects, Error> {
        match fault {
            DaveFault::JoinMember { user: Some(user) } => self.join_member(*user, now),
            DaveFault::LeaveMember { user: Some(user) } => self.leave_member(*user, now),
            DaveFault::JoinMember { user: None } | DaveFault::LeaveMember { user: None } => {
                Err(Error::Fault("no member was named".to_owned()))
            }
            DaveFault::Downgrade => self.downgrade(now),
            DaveFault::Upgrade => self.upgrade(now),
            DaveFault::SpoilNext { user, how } => {
                self.spoil_next(*user, *how)?;
                Ok(Effects::default())
            }
            DaveFault::ProposeStranger => self.propose_stranger(now),
            DaveFault::ProposeAndRevoke => self.propose_and_revoke(),
            DaveFault::StrayCommit => self.stray_commit(),
            DaveFault::StrayExecute => Ok(self.stray_execute()),
            DaveFault::Reset => self.reset_by_transition_0(now),
            DaveFault::NextAtOnce => {
                self.transitions.next_is_at_once();
                Ok(Effects::default())
            }
        }
    }
}
