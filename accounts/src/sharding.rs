//! Shards: a bot in many guilds has several gateway connections, each for its part of them.
//!
//! Discord names how many it wants (`GET /gateway/bot`, "shards") and refuses a connection with too many guilds (4011).
//! Which guild is whose is arithmetic (Gateway, "Sharding"): `(guild_id >> 22) % count`.

use crate::{GatewaySession, RestoredAccount};

/// One of an account's gateway connections.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ShardId {
    /// From 0.
    pub number: u32,
    /// How many the account has; at least 1.
    pub count: u32,
}

impl ShardId {
    /// All shards of an account that has so many.
    pub fn all(count: u32) -> impl Iterator<Item = Self> {
        let count = count.max(1);
        (0..count).map(move |number| Self { number, count })
    }

    /// The one that a guild belongs to.
    pub fn of_guild(guild: u64, count: u32) -> Self {
        let count = count.max(1);
        let number = (guild >> 22) % u64::from(count);
        Self {
            // Below `count`, which is one.
            number: u32::try_from(number).unwrap_or_default(),
            count,
        }
    }

    /// Whether events of the guild come over this connection.
    pub fn has(self, guild: u64) -> bool {
        Self::of_guild(guild, self.count) == self
    }
}

impl std::fmt::Display for ShardId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.number, self.count)
    }
}

/// How many shards an account gets: as many as Discord recommends, or as many as a predecessor had, if that is enough.
///
/// Sessions are of one count: who takes another one gives them up, and has to IDENTIFY for every shard and to join
/// every channel again. That is worth it only where Discord wants more.
pub(crate) fn count(recommended: u32, restored: Option<&RestoredAccount>) -> u32 {
    let recommended = recommended.max(1);
    let stored = restored.iter().flat_map(|restored| &restored.sessions);
    let counts = stored.map(|(shard, _)| shard.count);
    let enough = counts.filter(|count| *count >= recommended);
    enough.min().unwrap_or(recommended)
}

/// What a predecessor stored of one shard.
pub(crate) fn session_of(
    shard: ShardId,
    restored: Option<&RestoredAccount>,
) -> Option<GatewaySession> {
    let mut stored = restored?.sessions.iter();
    let session = stored.find(|(of, _)| *of == shard)?;
    Some(session.1.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AccountId;

    fn restored(shards: &[(u32, u32)]) -> RestoredAccount {
        let session = |&(number, count): &(u32, u32)| {
            let session = GatewaySession {
                id: format!("{number} of {count}"),
                sequence: 1,
                resume_url: String::new(),
            };
            (ShardId { number, count }, session)
        };
        RestoredAccount {
            account: AccountId(1),
            sessions: shards.iter().map(session).collect(),
            held: Vec::new(),
        }
    }

    #[test]
    fn guilds_are_shared_out_as_discord_does_it() {
        // The example of Discord's documentation has 2 shards; the bits below 22 say nothing.
        let guild = 197_038_439_483_310_086;
        assert_eq!(
            ShardId::of_guild(guild, 2).number,
            ((guild >> 22) % 2) as u32
        );
        assert!(ShardId::of_guild(guild, 1).has(guild));
        for guild in [0, 1 << 22, (5 << 22) + 77, u64::MAX] {
            let of: Vec<_> = ShardId::all(3).filter(|shard| shard.has(guild)).collect();
            assert_eq!(of, [ShardId::of_guild(guild, 3)], "{guild}");
        }
        assert_eq!(ShardId::all(0).count(), 1);
    }

    #[test]
    fn a_predecessors_count_stands_while_it_is_enough() {
        let two = restored(&[(0, 2), (1, 2)]);
        assert_eq!(count(0, None), 1);
        assert_eq!(count(3, None), 3);
        assert_eq!(
            count(1, Some(&two)),
            2,
            "one would be enough, but two are there"
        );
        assert_eq!(count(2, Some(&two)), 2);
        assert_eq!(count(3, Some(&two)), 3, "too few by now");
        let mixed = restored(&[(0, 4), (1, 2)]);
        assert_eq!(
            count(3, Some(&mixed)),
            4,
            "a change that was cut off is gone on with"
        );
    }

    #[test]
    fn a_session_is_of_its_shard_and_count_alone() {
        let two = restored(&[(0, 2), (1, 2)]);
        let id = |number, count| {
            session_of(ShardId { number, count }, Some(&two)).map(|session| session.id)
        };
        assert_eq!(id(1, 2).as_deref(), Some("1 of 2"));
        assert_eq!(id(1, 3), None);
        assert_eq!(
            session_of(
                ShardId {
                    number: 0,
                    count: 1
                },
                None
            ),
            None
        );
    }
}
