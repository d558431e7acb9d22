//! One gateway connection, as the account's task sees it: a bot's by twilight, a user's by our own few lines.
//!
//! twilight-gateway 0.18 puts `Bot ` before every token and always sends intents, and neither can be turned off: as a
//! user it cannot identify. See [`user_gateway`](crate::user_gateway).

use secrecy::SecretString;
use twilight_gateway::CloseFrame;

use crate::{
    AccountKind, Error, GatewaySession, Permission, ShardId, TokenPlace, dial::DialRule,
    rest::Introduction, shard::ShardConnection, user_gateway::UserConnection,
    voice_states::GatewayCommand, wire::Dispatch,
};

/// What came of polling.
pub(crate) enum Signal {
    /// An event that matters.
    Dispatch(Dispatch),
    /// Nothing that matters; the connection's state may have changed.
    Other,
    /// The connection is closed for good.
    Fatal(Error),
    /// Another process may use the account by now.
    NotPermitted,
}

pub(crate) enum Connection {
    Bot(Box<ShardConnection>),
    User(Box<UserConnection>),
}

impl Connection {
    /// Dials when first polled. `place`: for errors.
    pub(crate) fn new(
        (place, token): (TokenPlace, &SecretString),
        introduction: Introduction,
        rules: (DialRule, Permission),
        (id, resume): (ShardId, Option<GatewaySession>),
    ) -> Self {
        match place.kind {
            AccountKind::Bot => {
                let session = (id, resume);
                let shard = ShardConnection::new(place, token, introduction, rules, session);
                Self::Bot(Box::new(shard))
            }
            AccountKind::User => {
                let user = UserConnection::new(place, token, introduction, rules, resume);
                Self::User(Box::new(user))
            }
        }
    }

    /// Waits for the next message. Cancel-safe: what was received is in the connection or returned.
    pub(crate) async fn next(&mut self) -> Signal {
        match self {
            Self::Bot(shard) => shard.next().await,
            Self::User(user) => user.next().await,
        }
    }

    /// Between READY or RESUMED and the loss of the connection: commands are sent and answered.
    pub(crate) fn is_live(&self) -> bool {
        match self {
            Self::Bot(shard) => shard.is_live(),
            Self::User(user) => user.is_live(),
        }
    }

    /// From where another process can go on: everything that `next` has returned is covered.
    pub(crate) fn session(&self) -> Option<GatewaySession> {
        match self {
            Self::Bot(shard) => shard.session(),
            Self::User(user) => user.session(),
        }
    }

    pub(crate) fn send(&mut self, command: GatewayCommand) {
        match self {
            Self::Bot(shard) => shard.send(command),
            Self::User(user) => user.send(command),
        }
    }

    /// Closes with `frame` and drops the connection.
    pub(crate) async fn close(self, frame: CloseFrame<'static>) {
        match self {
            Self::Bot(shard) => shard.close(frame).await,
            Self::User(user) => user.close(frame.code).await,
        }
    }
}
