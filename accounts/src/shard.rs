//! The gateway connection of a bot: twilight's shard, and the cases in which it would do too much.
//!
//! twilight heartbeats, reconnects and RESUMEs by itself, as long as it is polled. Added here: it
//! never dials what [`DialRule`] forbids, its waits between dials stay short, and a closing
//! connection does not come back.

use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use futures::{Stream, StreamExt};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::{Sleep, sleep};
use twilight_gateway::{
    CloseFrame, Config, ConfigBuilder, Intents, Message, Session, Shard, ShardState,
    error::{ReceiveMessageError, ReceiveMessageErrorType},
};
use twilight_model::{
    gateway::payload::outgoing::{UpdateVoiceState, identify::IdentifyProperties},
    id::Id,
};

use crate::{
    Error, GatewaySession, Permission, ShardId, TokenPlace,
    connection::Signal,
    dial::DialRule,
    rest::Introduction,
    voice_states::GatewayCommand,
    wire::{self, Dispatch},
};

/// After so many failed dials in a row the next one comes at once again: twilight doubles its wait
/// each time, without a useful bound (up to 255 s), and so it stays at 8 s or below.
const DIALS_IN_A_ROW: u8 = 4;

/// How often it is asked whether a connection that was cut may be made anew: often enough that a cut costs
/// little more than the confirmation itself.
const ASK_AGAIN: Duration = Duration::from_millis(20);

/// A close frame is answered within a round trip, or the connection is dead anyway.
const CLOSE_WAIT: Duration = Duration::from_secs(2);

/// What came of a poll of the shard.
enum Polled {
    Received(Option<Result<Message, ReceiveMessageError>>),
    /// The socket has just ended, without a word.
    Cut,
    NotPermitted,
}

pub(crate) struct ShardConnection {
    shard: Shard,
    id: ShardId,
    /// As configured, without a session; shares TLS set-up and the IDENTIFY queue.
    config: Config,
    dial: DialRule,
    place: TokenPlace,
    /// READY or RESUMED has come on this connection.
    ready: bool,
    permission: Permission,
    /// When the connection was last seen to be cut, while it is.
    cut: Option<Cut>,
}

struct Cut {
    at: Instant,
    /// Wakes up to ask again whether a new connection is permitted.
    again: Pin<Box<Sleep>>,
}

impl ShardConnection {
    /// Dials when first polled. `place`: for errors.
    pub(crate) fn new(
        place: TokenPlace,
        token: &SecretString,
        introduction: Introduction,
        (dial, permission): (DialRule, Permission),
        (id, resume): (ShardId, Option<GatewaySession>),
    ) -> Self {
        let intents = Intents::GUILDS | Intents::GUILD_VOICE_STATES;
        let properties = IdentifyProperties::new("orb", "orb", std::env::consts::OS);
        let config = ConfigBuilder::new(token.expose_secret().to_owned(), intents)
            .queue(introduction.queue)
            .identify_properties(properties)
            .proxy_url(introduction.gateway_url)
            .build();
        let mut builder = ConfigBuilder::from(config.clone());
        if let Some(resume) = resume {
            builder = builder.session(Session::new(resume.sequence, resume.id));
            match dial.check(&resume.resume_url) {
                Ok(url) => builder = builder.resume_url(url.to_owned()),
                Err(reason) => {
                    tracing::warn!(reason, "the stored resume url is not used");
                }
            }
        }
        Self {
            shard: shard(id, builder.build()),
            id,
            config,
            dial,
            place,
            ready: false,
            permission,
            cut: None,
        }
    }

    /// Waits for the next message. Cancel-safe: what was received is in the shard or returned.
    pub(crate) async fn next(&mut self) -> Signal {
        let received = match poll_fn(|cx| self.poll_permitted(cx)).await {
            Polled::Received(received) => received,
            Polled::Cut => {
                tracing::info!("gateway connection ended");
                return Signal::Other;
            }
            Polled::NotPermitted => return Signal::NotPermitted,
        };
        match received {
            Some(Ok(Message::Text(text))) => self.read(&text),
            Some(Ok(Message::Close(frame))) => {
                let code = frame.map_or(1005, |frame| frame.code);
                tracing::info!(code, "gateway connection closed");
                if self.shard.state() == ShardState::FatallyClosed {
                    return Signal::Fatal(Error::from_close_code(self.place, code));
                }
                Signal::Other
            }
            Some(Err(error)) => {
                // Its text may repeat the event with a voice token in it: only the kind is logged.
                let is_dial = matches!(error.kind(), ReceiveMessageErrorType::Reconnect);
                tracing::warn!(is_dial, "gateway connection failed, trying again");
                self.shorten_wait();
                Signal::Other
            }
            // Only after a fatal close, which was returned.
            None => Signal::Fatal(Error::from_close_code(self.place, 1006)),
        }
    }

    /// Polls the shard if that is permitted.
    ///
    /// While it is disconnected, a poll would dial, RESUME and IDENTIFY. When a socket just ends, twilight begins to
    /// dial within the poll that sees the end; it gets no further than that until it is polled again.
    fn poll_permitted(&mut self, cx: &mut Context<'_>) -> Poll<Polled> {
        if !self.permission.holds() {
            return Poll::Ready(Polled::NotPermitted);
        }
        if let Some(cut) = &mut self.cut {
            while !self.permission.is_confirmed_since(cut.at) {
                ready!(cut.again.as_mut().poll(cx));
                if !self.permission.holds() {
                    return Poll::Ready(Polled::NotPermitted);
                }
                cut.again = Box::pin(sleep(ASK_AGAIN));
            }
        }
        let was_connected = self.is_connected();
        let received = Pin::new(&mut self.shard).poll_next(cx);
        if self.is_connected() {
            self.cut = None;
        } else if was_connected {
            self.cut = Some(Cut {
                at: Instant::now(),
                again: Box::pin(sleep(ASK_AGAIN)),
            });
            if received.is_pending() {
                return Poll::Ready(Polled::Cut);
            }
        }
        received.map(Polled::Received)
    }

    fn is_connected(&self) -> bool {
        !matches!(self.shard.state(), ShardState::Disconnected { .. })
    }

    fn read(&mut self, text: &str) -> Signal {
        // Once a session is invalidated (op 9), what still arrives is not ours any more: Discord
        // takes the bot out of its channels, and that is no kick. And when a socket just ends,
        // twilight dials again without a word: the next hello is the first that is seen of it.
        let is_over = self.shard.session().is_none();
        if is_over || wire::is_hello(text) {
            self.ready = false;
            return Signal::Other;
        }
        match wire::read(text) {
            Ok(Some(dispatch)) => {
                self.ready |= matches!(dispatch, Dispatch::Ready { .. } | Dispatch::Resumed);
                if let Dispatch::Ready { .. } = dispatch
                    && let Some(Err(reason)) =
                        self.shard.resume_url().map(|url| self.dial.check(url))
                {
                    // twilight would dial it by itself.
                    let token = self.place;
                    return Signal::Fatal(Error::GatewayUrl { token, reason });
                }
                Signal::Dispatch(dispatch)
            }
            Ok(None) => Signal::Other,
            Err(event) => {
                tracing::error!(event, "a gateway event has another shape than documented");
                Signal::Other
            }
        }
    }

    fn shorten_wait(&mut self) {
        let ShardState::Disconnected { reconnect_attempts } = self.shard.state() else {
            return;
        };
        if reconnect_attempts <= DIALS_IN_A_ROW {
            return;
        }
        let mut builder = ConfigBuilder::from(self.config.clone());
        if let Some(session) = self.shard.session() {
            builder = builder.session(session.clone());
        }
        self.shard = shard(self.id, builder.build());
    }

    /// Between READY or RESUMED and the loss of the connection: commands are sent and answered.
    pub(crate) fn is_live(&self) -> bool {
        self.ready && self.shard.state().is_identified()
    }

    /// From where another process can go on: everything that `next` has returned is covered.
    pub(crate) fn session(&self) -> Option<GatewaySession> {
        let session = self.shard.session()?;
        Some(GatewaySession {
            id: session.id().to_owned(),
            sequence: session.sequence(),
            // Unknown after a failed dial; then the gateway's usual address does.
            resume_url: self
                .shard
                .resume_url()
                .or_else(|| self.config.proxy_url())?
                .to_owned(),
        })
    }

    /// Op 4. Deaf: the bot has no use for what others say, and Discord need not send it.
    pub(crate) fn send(&self, command: GatewayCommand) {
        let GatewayCommand::SetVoiceState { guild, channel } = command else {
            // Never asked for: a bot is refused before.
            tracing::error!("a bot was to send a command of go live");
            return;
        };
        let Some(guild) = Id::new_checked(guild) else {
            return;
        };
        let channel = channel.and_then(Id::new_checked);
        self.shard
            .command(&UpdateVoiceState::new(guild, channel, true, false));
    }

    /// Closes with `frame` and drops the connection.
    pub(crate) async fn close(mut self, frame: CloseFrame<'static>) {
        if !self.is_connected() || !self.permission.holds() {
            return;
        }
        self.shard.close(frame);
        let answered = tokio::time::timeout(CLOSE_WAIT, async {
            let mut closing = false;
            while let Some(Ok(message)) = self.shard.next().await {
                let disconnected = matches!(self.shard.state(), ShardState::Disconnected { .. });
                // Connected once more: twilight has seen the end of the socket and dialled again.
                // It would RESUME when polled next.
                if message.is_close() || (closing && !disconnected) {
                    break;
                }
                closing |= disconnected;
            }
        });
        if answered.await.is_err() {
            tracing::debug!("gateway did not answer the close frame");
        }
    }
}

fn shard(id: ShardId, config: Config) -> Shard {
    Shard::with_config(twilight_gateway::ShardId::new(id.number, id.count), config)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::time::Instant;

    use twilight_gateway::queue::InMemoryQueue;

    use super::*;

    #[tokio::test]
    async fn waits_between_dials_stay_short_and_the_session_is_kept() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        // Bound and dropped: nothing listens on this port.
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("ws://{}", closed.local_addr().unwrap());
        drop(closed);
        let introduction = Introduction {
            user_id: 1,
            gateway_url: url.clone(),
            shards: 1,
            queue: InMemoryQueue::new(1, 1, Duration::ZERO, 1),
        };
        let resume = GatewaySession {
            id: "session".to_owned(),
            sequence: 5,
            resume_url: url,
        };
        let dial = DialRule::default();
        let place = TokenPlace {
            kind: crate::AccountKind::Bot,
            number: 1,
        };
        let mut connection = ShardConnection::new(
            place,
            &"token".into(),
            introduction,
            (dial, Permission::always()),
            (ShardId::of_guild(0, 1), Some(resume)),
        );
        for dialled in 0..8 {
            let before = Instant::now();
            assert!(matches!(connection.next().await, Signal::Other));
            let waited = before.elapsed();
            assert!(
                waited < Duration::from_secs(10),
                "dial {dialled}: {waited:?}"
            );
            let session = connection.session().unwrap();
            assert_eq!((session.id.as_str(), session.sequence), ("session", 5));
        }
    }
}
