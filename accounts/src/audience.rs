//! Who is in which voice channel, as far as it decides whether anybody listens.
//!
//! Discord lists a guild's voice states once, with `GUILD_CREATE` after an IDENTIFY, and sends changes
//! from then on. A session that was taken over by RESUME gets only the changes: its guilds stay
//! unknown until the next list, and nothing is said of them, for a party must not be ended because
//! its listeners were never heard of.

use std::collections::BTreeMap;

struct Member {
    channel: u64,
    bot: bool,
}

/// Voice states of the guilds that were listed.
#[derive(Default)]
pub(crate) struct Audience {
    guilds: BTreeMap<u64, BTreeMap<u64, Member>>,
}

impl Audience {
    /// A guild's whole list: `(user, channel, bot)`.
    pub(crate) fn list(&mut self, guild: u64, states: impl IntoIterator<Item = (u64, u64, bool)>) {
        let members = states
            .into_iter()
            .map(|(user, channel, bot)| (user, Member { channel, bot }));
        self.guilds.insert(guild, members.collect());
    }

    /// One user's change. `bot`: nothing where Discord did not say; then what was known stands,
    /// and a stranger counts as a person.
    pub(crate) fn change(
        &mut self,
        guild: u64,
        user: u64,
        channel: Option<u64>,
        bot: Option<bool>,
    ) {
        let Some(members) = self.guilds.get_mut(&guild) else {
            return;
        };
        let known = members.remove(&user).map(|member| member.bot);
        if let Some(channel) = channel {
            let bot = bot.or(known).unwrap_or(false);
            members.insert(user, Member { channel, bot });
        }
    }

    /// People in the channel; nothing when the guild was never listed.
    pub(crate) fn listeners(&self, guild: u64, channel: u64) -> Option<usize> {
        let members = self.guilds.get(&guild)?;
        let people = members.values().filter(|member| !member.bot);
        Some(people.filter(|member| member.channel == channel).count())
    }

    /// A new session: everything is listed again.
    pub(crate) fn forget(&mut self) {
        self.guilds.clear();
    }

    pub(crate) fn forget_guild(&mut self, guild: u64) {
        self.guilds.remove(&guild);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_people_of_the_channel() {
        let mut audience = Audience::default();
        audience.list(1, [(10, 5, false), (11, 5, true), (12, 6, false)]);
        assert_eq!(audience.listeners(1, 5), Some(1));
        audience.change(1, 12, Some(5), None);
        audience.change(1, 13, Some(5), None);
        audience.change(1, 11, Some(5), None);
        assert_eq!(audience.listeners(1, 5), Some(3), "a known bot stays one");
        audience.change(1, 10, None, None);
        audience.change(1, 12, None, None);
        audience.change(1, 13, Some(6), None);
        assert_eq!(audience.listeners(1, 5), Some(0));
    }

    #[test]
    fn says_nothing_of_a_guild_that_was_not_listed() {
        let mut audience = Audience::default();
        audience.change(1, 10, Some(5), Some(false));
        assert_eq!(audience.listeners(1, 5), None);
        audience.list(1, []);
        assert_eq!(audience.listeners(1, 5), Some(0));
        audience.forget();
        assert_eq!(audience.listeners(1, 5), None);
    }
}
