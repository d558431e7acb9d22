//! Shards: connections of one bot that share its guilds out among them (Discord, "Gateway: sharding").

use serde::Serialize;
use serde_json::{Value, json};

use crate::GuildId;

/// Which part of its bot's guilds a connection has. Written as Discord does: `[id, count]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(into = "[u32; 2]")]
pub struct Shard {
    /// From 0.
    pub id: u32,
    /// How many there are.
    pub count: u32,
}

impl Shard {
    /// All guilds.
    pub const WHOLE: Self = Self { id: 0, count: 1 };

    /// What an IDENTIFY says; `None` where that makes no sense.
    pub(crate) fn of_identify(field: Option<&Value>) -> Option<Self> {
        let Some(field) = field else {
            return Some(Self::WHOLE);
        };
        let [id, count] = serde_json::from_value(field.clone()).ok()?;
        (id < count).then_some(Self { id, count })
    }

    /// Whether events of the guild come over this connection.
    pub fn has(self, guild: GuildId) -> bool {
        (guild.0 >> 22) % u64::from(self.count) == u64::from(self.id)
    }

    pub(crate) fn to_json(self) -> Value {
        json!([self.id, self.count])
    }
}

impl From<Shard> for [u32; 2] {
    fn from(shard: Shard) -> Self {
        [shard.id, shard.count]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_guilds_out() {
        assert_eq!(Shard::of_identify(None), Some(Shard::WHOLE));
        let second = Shard::of_identify(Some(&json!([1, 2])));
        assert_eq!(second, Some(Shard { id: 1, count: 2 }));
        assert!(
            second.is_some_and(|shard| shard.has(GuildId(1 << 22)) && !shard.has(GuildId(2 << 22)))
        );
        for nonsense in [
            json!([2, 2]),
            json!([0, 0]),
            json!([-1, 2]),
            json!("0"),
            json!([0]),
        ] {
            assert_eq!(Shard::of_identify(Some(&nonsense)), None, "{nonsense}");
        }
    }
}
