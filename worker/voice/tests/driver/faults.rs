//! What a test does to the call's connection and to its group.

use std::time::{Duration, Instant};

use discord_sim::{DaveFault, Fault, GuildId, RecordEvent, StallAt};

use crate::stage::{GUILD, Stage};

pub(crate) const GUILD_ID: GuildId = GuildId(GUILD);

pub(crate) fn close(code: u16) -> Fault {
    let (guild, user) = (GUILD_ID, None);
    Fault::CloseVoice { guild, user, code }
}

pub(crate) fn reset() -> Fault {
    let (guild, user) = (GUILD_ID, None);
    Fault::ResetVoice { guild, user }
}

/// TLS ends without a close frame.
pub(crate) fn drop_tls() -> Fault {
    let (guild, user) = (GUILD_ID, None);
    Fault::DropVoice { guild, user }
}

/// The server says nothing any more.
pub(crate) fn silence() -> Fault {
    let (guild, user) = (GUILD_ID, None);
    Fault::SilenceVoice { guild, user }
}

impl Stage {
    /// The next connections wait for so long at that step.
    pub(crate) fn stall(&self, at: StallAt, length: Duration) {
        let (listener, ms) = (None, length.as_millis() as u64);
        let stall = Fault::StallVoice { listener, at, ms };
        self.sim.fault(&stall).unwrap();
    }

    pub(crate) fn dave(&self, what: DaveFault) {
        let guild = GUILD_ID;
        self.fault(&Fault::Dave { guild, what });
    }

    pub(crate) fn member_joins(&self, user: u64) {
        let user = Some(user.into());
        self.dave(DaveFault::JoinMember { user });
    }

    pub(crate) fn member_leaves(&self, user: u64) {
        let user = Some(user.into());
        self.dave(DaveFault::LeaveMember { user });
    }

    /// Waits until the newest packet can be decrypted by all of so many members.
    pub(crate) async fn heard_by(&self, members: u16) {
        self.until("all members hear", |stage| {
            let packets = stage.packets();
            let last = packets.last()?;
            let all = last.members == members && last.decrypted_by == members;
            (all && last.dave_encrypted).then_some(())
        })
        .await;
    }

    /// Waits until a group of after `since` is in force.
    pub(crate) async fn group_in_force(&self, since: Instant) {
        self.until("a group is in force", |stage| {
            let recorded = stage.recorded(since);
            let executed = |entry: &discord_sim::RecordEntry| {
                matches!(&entry.event, RecordEvent::Dave { step, .. } if step.starts_with("executed"))
            };
            recorded.iter().any(executed).then_some(())
        })
        .await;
    }
}
