//! An account of which REST has said who it is, before it connects.

use std::{collections::BTreeMap, time::Instant};

use secrecy::SecretString;
use tokio::sync::mpsc;

use super::{AccountShard, COMMANDS, Command};
use crate::{
    AccountConfig, AccountEvent, AccountId, AccountKind, AccountTiming, Error, Permission,
    RestoredAccount, ShardId, TokenPlace,
    audience::Audience,
    connection::Connection,
    dial::DialRule,
    rest::{self, Introduction},
    send_limit::SendLimit,
    sharding,
    voice_states::VoiceStates,
};

/// An account, its token, and how its gateway is reached.
pub(crate) struct Introduced {
    place: TokenPlace,
    token: SecretString,
    dial: DialRule,
    introduction: Introduction,
}

impl Introduced {
    /// Asks REST who the token is.
    pub(crate) async fn ask(place: TokenPlace, config: AccountConfig) -> Result<Self, Error> {
        let api_url = config.api_url.as_deref();
        let dial = DialRule::new(api_url);
        let introduction = rest::introduce(place, &config.token, api_url, &dial).await?;
        Ok(Self {
            place,
            token: config.token,
            dial,
            introduction,
        })
    }

    pub(crate) fn id(&self) -> AccountId {
        AccountId(self.introduction.user_id)
    }

    pub(crate) fn kind(&self) -> AccountKind {
        self.place.kind
    }

    pub(crate) fn place(&self) -> TokenPlace {
        self.place
    }

    /// The account's shards, by number, each with where its commands go. Takes from `restored` what was stored of
    /// this account.
    pub(crate) fn into_shards(
        self,
        restored: &[RestoredAccount],
        timing: AccountTiming,
        permission: &Permission,
        events: &mpsc::Sender<AccountEvent>,
    ) -> Vec<(mpsc::Sender<Command>, AccountShard)> {
        let id = self.id();
        let restored = restored.iter().find(|restored| restored.account == id);
        let count = sharding::count(self.introduction.shards, restored);
        let held = restored.map_or(&[][..], |restored| &restored.held);
        let shard = |shard: ShardId| {
            let (sender, commands) = mpsc::channel(COMMANDS);
            let held = held.iter().filter(|held| shard.has(held.guild_id));
            let connection = Connection::new(
                (self.place, &self.token),
                self.introduction.clone(),
                (self.dial.clone(), permission.clone()),
                (shard, sharding::session_of(shard, restored)),
            );
            let shard = AccountShard {
                id,
                kind: self.place.kind,
                shard,
                connection,
                told_ready: false,
                voice: VoiceStates::new(id.0, timing.voice_event_wait, held.cloned().collect()),
                audience: Audience::default(),
                told_listeners: BTreeMap::new(),
                limit: SendLimit::default(),
                last_progress: Instant::now(),
                leave_wait: 2 * timing.voice_event_wait,
                shutdown: None,
                commands,
                events: events.clone(),
            };
            (sender, shard)
        };
        ShardId::all(count).map(shard).collect()
    }
}
