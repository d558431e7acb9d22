//! The line over the project's own driver, `orb-voice`.
//!
//! The driver asks the deck for a frame when it can send one, and tells it in the same tick that the frame went out; so
//! a pause, a seek or a resume is at most one tick away, and nothing has to be waited for after a connect. While there
//! is nothing to play it does not ask at all, until [`Line::wake`].

use std::{
    future::poll_fn,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use orb_voice::{Call, CallEvent, Driver, Encryption, FrameSource, Gate, NextFrame, VoiceServer};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use super::{
    VoiceCredentials, VoiceEvent,
    clock::Next,
    deck::Deck,
    line::{Line, LineStatus},
};
use crate::Error;

/// Events of the driver that may wait: far more than one connection causes between two reads.
const EVENTS: usize = 64;

/// Media goes on through a cut unless the server cannot be reached; the driver does not say which. No frame for so long
/// says it.
const STOOD: Duration = Duration::from_millis(250);

pub(super) struct OrbLine {
    /// The pacing thread asks the deck under a lock of the call's, so never take this under the clock's lock.
    call: Mutex<Call>,
    link: Arc<Mutex<Link>>,
    deck: Arc<Deck>,
    _reader: AbortOnDropHandle<()>,
}

/// What is known of the present connection.
struct Link {
    /// With the rest under one lock: an event is taken and acted on in one step, so that none that an older connection
    /// left here is taken for the new one's.
    events: mpsc::Receiver<CallEvent>,
    guild_id: u64,
    revision: u64,
    connected: bool,
    reconnecting: bool,
    encryption: Option<Encryption>,
}

impl OrbLine {
    pub(super) fn new(driver: &Driver, deck: Arc<Deck>) -> Self {
        let (sender, events) = mpsc::channel(EVENTS);
        let call = driver.call(Arc::clone(&deck) as Arc<dyn FrameSource>, sender);
        let link = Arc::new(Mutex::new(Link::without_connection(events)));
        let (read, told) = (Arc::clone(&link), Arc::clone(&deck));
        let reader = tokio::spawn(async move {
            poll_fn(|context| lock(&read).read(context, &told)).await;
        });
        Self {
            call: Mutex::new(call),
            link,
            deck,
            _reader: AbortOnDropHandle::new(reader),
        }
    }

    fn call(&self) -> MutexGuard<'_, Call> {
        lock(&self.call)
    }
}

impl Line for OrbLine {
    fn connect(&self, credentials: VoiceCredentials, gate: Arc<dyn Gate>) {
        let mut call = self.call();
        call.disconnect();
        let (guild_id, revision) = (credentials.guild_id, credentials.revision);
        lock(&self.link).begin(guild_id, revision);
        self.deck.clock().lose_taken();
        match voice_server(credentials) {
            Ok(server) => call.connect(server, gate),
            Err(error) => self.deck.outbox.push(VoiceEvent::Lost {
                revision,
                close_code: None,
                reason: error.to_string(),
            }),
        }
    }

    fn disconnect(&self) {
        self.call().disconnect();
        lock(&self.link).begin(0, 0);
        self.deck.clock().lose_taken();
    }

    fn wake(&self) {
        self.call().wake();
    }

    fn status(&self) -> LineStatus {
        let link = lock(&self.link);
        let has_key = link.encryption != Some(Encryption::Waiting);
        let goes_on = || {
            let last = self.deck.clock().read().position;
            last.is_some_and(|last| last.sent_at + STOOD > Instant::now())
        };
        LineStatus {
            connected: link.connected && !link.reconnecting,
            sends: link.connected && has_key && (!link.reconnecting || goes_on()),
            encryption: link.encryption.filter(|_| link.connected),
        }
    }
}

impl Link {
    fn without_connection(events: mpsc::Receiver<CallEvent>) -> Self {
        Self {
            events,
            guild_id: 0,
            revision: 0,
            connected: false,
            reconnecting: false,
            encryption: None,
        }
    }

    /// The connection that was there is gone, and so is what it had to tell.
    fn begin(&mut self, guild_id: u64, revision: u64) {
        while self.events.try_recv().is_ok() {}
        self.guild_id = guild_id;
        self.revision = revision;
        self.connected = false;
        self.reconnecting = false;
        self.encryption = None;
    }

    /// Ready when the driver will never say anything again.
    fn read(&mut self, context: &mut Context<'_>, deck: &Deck) -> Poll<()> {
        while let Some(event) = std::task::ready!(self.events.poll_recv(context)) {
            if let Some(event) = self.take(event) {
                deck.outbox.push(event);
            }
        }
        Poll::Ready(())
    }

    fn take(&mut self, event: CallEvent) -> Option<VoiceEvent> {
        let (guild, revision) = (self.guild_id, self.revision);
        Some(match event {
            CallEvent::Connected { .. } => {
                self.connected = true;
                self.reconnecting = false;
                // It tells changes only, and begins here.
                self.encryption.get_or_insert(Encryption::TransportOnly);
                VoiceEvent::Connected { revision }
            }
            CallEvent::Reconnecting { close_code, reason } => {
                tracing::info!(guild, revision, close_code, %reason, "voice reconnects");
                self.reconnecting = true;
                VoiceEvent::Reconnecting { revision }
            }
            CallEvent::Lost {
                close_code,
                verdict,
                reason,
            } => {
                tracing::info!(guild, revision, close_code, ?verdict, %reason, "voice is lost");
                self.connected = false;
                self.reconnecting = false;
                VoiceEvent::Lost {
                    revision,
                    close_code,
                    reason: format!("the voice connection was given up: {reason}"),
                }
            }
            CallEvent::Encryption(encryption) => {
                tracing::info!(guild, revision, ?encryption, "voice encryption");
                self.encryption = Some(encryption);
                return None;
            }
        })
    }
}

/// The driver's form of the same; refuses an id of zero.
fn voice_server(credentials: VoiceCredentials) -> Result<VoiceServer, Error> {
    let ids = credentials.ids()?;
    Ok(VoiceServer {
        endpoint: credentials.endpoint,
        guild_id: ids.guild.get(),
        channel_id: ids.channel.get(),
        user_id: ids.user.get(),
        session_id: credentials.voice_session_id.into(),
        token: credentials.token,
        stream: None,
    })
}

impl FrameSource for Deck {
    fn next(&self) -> NextFrame {
        match Deck::next(self) {
            Next::Frame(packet) => NextFrame::Opus(packet),
            Next::Missing => NextFrame::Missing,
            Next::NotYet | Next::Nothing => NextFrame::Idle,
        }
    }

    fn sent(&self, at: Instant, late: Duration) {
        Deck::sent(self, at, late);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What it guards is whole after every statement, and the session goes on.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
