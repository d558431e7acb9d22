//! One gateway connection: twilight's shard, and the cases in which it would do too much.
//!
//! twilight heartbeats, reconnects and RESUMEs by itself, as long as it is polled. Added here: it
//! never dials what [`DialRule`] forbids, its waits between dials stay short, and a closing
//! connection does not come back.

use std::time::Duration;

use futures::StreamExt;
use secrecy::{ExposeSecret, SecretString};
use twilight_gateway::{
    CloseFrame, Config, ConfigBuilder, Intents, Message, Session, Shard, ShardId, ShardState,
    error::ReceiveMessageErrorType,
};
use twilight_model::{
    gateway::payload::outgoing::{UpdateVoiceState, identify::IdentifyProperties},
    id::Id,
};

use crate::{
    Error, GatewaySession,
    dial::DialRule,
    rest::Introduction,
    voice_states::VoiceCommand,
    wire::{self, Dispatch},
};

/// After so many failed dials in a row the next one comes at once again: twilight doubles its wait
/// each time, without a useful bound (up to 255 s), and so it stays at 8 s or below.
const DIALS_IN_A_ROW: u8 = 4;

/// A close frame is answered within a round trip, or the connection is dead anyway.
const CLOSE_WAIT: Duration = Duration::from_secs(2);

/// What came of polling.
pub(crate) enum Signal {
    /// An event that matters.
    Dispatch(Dispatch),
    /// Nothing that matters; the connection's state may have changed.
    Other,
    /// The connection is closed for good.
    Fatal(Error),
}

pub(crate) struct Connection {
    shard: Shard,
    /// As configured, without a session; shares TLS set-up and the IDENTIFY queue.
    config: Config,
    dial: DialRule,
    number: usize,
    /// READY or RESUMED has come on this connection.
    ready: bool,
}

impl Connection {
    /// Dials when first polled. `number`: the token's place, for errors.
    pub(crate) fn new(
        number: usize,
        token: &SecretString,
        introduction: Introduction,
        dial: DialRule,
        resume: Option<GatewaySession>,
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
            shard: Shard::with_config(ShardId::ONE, builder.build()),
            config,
            dial,
            number,
            ready: false,
        }
    }

    /// Waits for the next message. Cancel-safe: what was received is in the shard or returned.
    pub(crate) async fn next(&mut self) -> Signal {
        match self.shard.next().await {
            Some(Ok(Message::Text(text))) => self.read(&text),
            Some(Ok(Message::Close(frame))) => {
                let code = frame.map_or(1005, |frame| frame.code);
                tracing::info!(code, "gateway connection closed");
                if self.shard.state() == ShardState::FatallyClosed {
                    return Signal::Fatal(Error::from_close_code(self.number, code));
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
            None => Signal::Fatal(Error::from_close_code(self.number, 1006)),
        }
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
                self.ready |= matches!(dispatch, Dispatch::Ready | Dispatch::Resumed);
                if let Dispatch::Ready = dispatch
                    && let Some(Err(reason)) =
                        self.shard.resume_url().map(|url| self.dial.check(url))
                {
                    // twilight would dial it by itself.
                    let number = self.number;
                    return Signal::Fatal(Error::GatewayUrl { number, reason });
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
        self.shard = Shard::with_config(ShardId::ONE, builder.build());
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
    pub(crate) fn send(&self, command: VoiceCommand) {
        let Some(guild) = Id::new_checked(command.guild) else {
            return;
        };
        let channel = command.channel.and_then(Id::new_checked);
        self.shard
            .command(&UpdateVoiceState::new(guild, channel, true, false));
    }

    /// Closes with `frame` and drops the connection.
    pub(crate) async fn close(mut self, frame: CloseFrame<'static>) {
        if matches!(self.shard.state(), ShardState::Disconnected { .. }) {
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
            queue: InMemoryQueue::new(1, 1, Duration::ZERO, 1),
        };
        let resume = GatewaySession {
            id: "session".to_owned(),
            sequence: 5,
            resume_url: url,
        };
        let dial = DialRule::default();
        let mut connection = Connection::new(1, &"token".into(), introduction, dial, Some(resume));
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
