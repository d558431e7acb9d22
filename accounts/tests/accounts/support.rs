//! A simulator, an account connected to it, and what it told.
#![allow(unreachable_pub)]

use std::time::Duration;

use discord_sim::{DiscordSim, DiscordSimConfig, RecordEvent};
use orb_accounts::{
    AccountConfig, AccountEvent, AccountId, AccountKind, AccountTiming, Accounts, Error,
    GatewaySession, Permission, RestoredAccount, ShardId, VoiceCredentials,
};
use tokio::{sync::mpsc, time::timeout};

/// One of the guilds that the simulator announces; others come to be when they are joined.
pub const GUILD: u64 = 900_000_000_000_000_001;
pub const CHANNEL: u64 = 31;
/// The only shard of an account that has one.
pub const WHOLE: ShardId = ShardId {
    number: 0,
    count: 1,
};
pub const OTHER_CHANNEL: u64 = 32;

/// Far above everything that is waited for; a second IDENTIFY waits 5 s, as Discord demands.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub async fn sim(config: DiscordSimConfig) -> DiscordSim {
    let _ = tracing_subscriber::fmt().with_test_writer().try_init();
    DiscordSim::start(config).await.unwrap()
}

pub fn config(sim: &DiscordSim) -> AccountConfig {
    AccountConfig {
        kind: AccountKind::Bot,
        token: sim.bot_token().into(),
        api_url: Some(sim.api_url()),
    }
}

/// The token of a person's account, as the simulator has them.
pub const USER_TOKEN: &str = "user.of.tests";

pub fn user_config(sim: &DiscordSim) -> AccountConfig {
    AccountConfig {
        kind: AccountKind::User,
        token: USER_TOKEN.into(),
        api_url: Some(sim.api_url()),
    }
}

/// A connected account and everything that it told.
pub struct Bot {
    pub accounts: Accounts,
    pub id: AccountId,
    pub events: mpsc::Receiver<AccountEvent>,
    pub told: Vec<AccountEvent>,
    /// As a scheduler would store it.
    pub stored: Option<GatewaySession>,
}

impl Bot {
    pub async fn connect(config: AccountConfig) -> Self {
        Self::connect_with(config, AccountTiming::default()).await
    }

    pub async fn connect_with(config: AccountConfig, timing: AccountTiming) -> Self {
        Self::connect_restored(config, Vec::new(), timing, Permission::always()).await
    }

    /// As a successor, with what was stored.
    pub async fn connect_restored(
        config: AccountConfig,
        restored: Vec<RestoredAccount>,
        timing: AccountTiming,
        permission: Permission,
    ) -> Self {
        let (sender, events) = mpsc::channel(64);
        let accounts =
            Accounts::connect_restored(vec![config], restored, timing, permission, sender)
                .await
                .unwrap();
        Self {
            id: accounts.ids()[0],
            accounts,
            events,
            told: Vec::new(),
            stored: None,
        }
    }

    /// Reads events until `wanted` picks one.
    pub async fn until<T>(&mut self, what: &str, wanted: impl Fn(&AccountEvent) -> Option<T>) -> T {
        let found = timeout(PATIENCE, async {
            loop {
                let event = self.events.recv().await.expect("the account has not ended");
                if let AccountEvent::Progress { session, .. } = &event {
                    self.stored = Some(session.clone());
                }
                let found = wanted(&event);
                self.told.push(event);
                if let Some(found) = found {
                    return found;
                }
            }
        });
        let Ok(found) = found.await else {
            panic!("no {what}, but {:#?}", self.told);
        };
        found
    }

    pub async fn ready(&mut self) -> bool {
        let ready = |event: &AccountEvent| match event {
            AccountEvent::Ready { resumed, .. } => Some(*resumed),
            _ => None,
        };
        self.until("ready", ready).await
    }

    pub async fn credentials(&mut self) -> VoiceCredentials {
        let credentials = |event: &AccountEvent| match event {
            AccountEvent::Credentials { credentials, .. } => Some(credentials.clone()),
            _ => None,
        };
        self.until("credentials", credentials).await
    }

    /// Whether the leave was asked for.
    pub async fn left(&mut self) -> bool {
        let left = |event: &AccountEvent| match event {
            AccountEvent::Left { asked, .. } => Some(*asked),
            _ => None,
        };
        self.until("left", left).await
    }

    pub async fn lost(&mut self) -> Option<Error> {
        let lost = |event: &AccountEvent| match event {
            AccountEvent::Disconnected { fatal, .. } => Some(fatal.clone()),
            _ => None,
        };
        self.until("disconnected", lost).await
    }

    /// The next progress, which covers everything that was told before.
    pub async fn progress(&mut self) -> GatewaySession {
        let progress = |event: &AccountEvent| match event {
            AccountEvent::Progress { session, .. } => Some(session.clone()),
            _ => None,
        };
        self.until("progress", progress).await
    }

    pub async fn join(&mut self, channel: u64) -> VoiceCredentials {
        self.accounts
            .join(self.id, GUILD, channel, false)
            .await
            .unwrap();
        self.credentials().await
    }

    pub async fn go_live(&mut self, channel: u64) -> VoiceCredentials {
        let joined = self.accounts.join(self.id, GUILD, channel, true);
        joined.await.unwrap();
        self.live().await
    }

    /// The next credentials with a stream.
    pub async fn live(&mut self) -> VoiceCredentials {
        let live = |event: &AccountEvent| match event {
            AccountEvent::Credentials { credentials, .. } if credentials.stream.is_some() => {
                Some(credentials.clone())
            }
            _ => None,
        };
        self.until("credentials with a stream", live).await
    }

    pub fn has_left(&self) -> bool {
        let mut told = self.told.iter();
        told.any(|event| matches!(event, AccountEvent::Left { .. }))
    }
}

/// A bot that is in [`CHANNEL`].
pub async fn seated(sim: &DiscordSim) -> (Bot, VoiceCredentials) {
    let mut bot = Bot::connect(config(sim)).await;
    assert!(!bot.ready().await, "a new session");
    let credentials = bot.join(CHANNEL).await;
    (bot, credentials)
}

/// A person's account that streams in [`CHANNEL`].
pub async fn streaming(sim: &DiscordSim) -> (Bot, VoiceCredentials) {
    let mut user = Bot::connect(user_config(sim)).await;
    assert!(!user.ready().await, "a new session");
    let credentials = user.go_live(CHANNEL).await;
    (user, credentials)
}

/// What was asked of the simulator by ops 18 to 22: the ops in their order, each with why it led to nothing.
pub fn stream_requests(sim: &DiscordSim) -> Vec<(u64, Option<String>)> {
    let entries = sim.record().into_iter();
    entries
        .filter_map(|entry| match entry.event {
            RecordEvent::StreamRequest { op, refused, .. } => Some((op, refused)),
            _ => None,
        })
        .collect()
}

pub fn identifies(sim: &DiscordSim) -> usize {
    count(sim, |event| {
        matches!(event, RecordEvent::GatewayIdentify { .. })
    })
}

pub fn count(sim: &DiscordSim, wanted: impl Fn(&RecordEvent) -> bool) -> usize {
    sim.record()
        .iter()
        .filter(|entry| wanted(&entry.event))
        .count()
}

pub async fn recorded(sim: &DiscordSim, what: &str, wanted: impl Fn(&RecordEvent) -> bool) {
    let seen = timeout(PATIENCE, async {
        while count(sim, &wanted) == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    assert!(seen.await.is_ok(), "no {what} in {:#?}", sim.record());
}
