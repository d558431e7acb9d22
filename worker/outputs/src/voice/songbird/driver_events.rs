//! songbird's events, as far as they are about the connection.

use std::{sync::Arc, time::Instant};

use songbird::{
    Event, EventContext, EventHandler,
    events::context_data::{DisconnectData, DisconnectKind, DisconnectReason},
};

use super::tap::Tap;

pub(super) struct DriverEvents {
    tap: Arc<Tap>,
    link: u64,
}

impl DriverEvents {
    pub(super) fn new(tap: Arc<Tap>, link: u64) -> Self {
        Self { tap, link }
    }

    fn on(&self, context: &EventContext<'_>) {
        match context {
            EventContext::DriverConnect(data) | EventContext::DriverReconnect(data) => {
                self.tap.on_connected(self.link, data.ssrc, Instant::now());
            }
            EventContext::DriverDisconnect(data) => {
                let (close_code, reason) = describe(data);
                self.tap.on_lost(self.link, close_code, reason);
            }
            _ => {}
        }
    }
}

// What `#[async_trait]` makes of an async fn, written out: the handler waits for nothing.
impl EventHandler for DriverEvents {
    fn act<'life0, 'life1, 'life2, 'async_trait>(
        &'life0 self,
        context: &'life1 EventContext<'life2>,
    ) -> std::pin::Pin<Box<dyn Future<Output = Option<Event>> + Send + 'async_trait>>
    where
        'life0: 'async_trait,
        'life1: 'async_trait,
        'life2: 'async_trait,
        Self: 'async_trait,
    {
        self.on(context);
        Box::pin(std::future::ready(None))
    }
}

/// Close code and a sentence. songbird keeps no code of a handshake that failed for another reason, and none that its
/// list lacks.
fn describe(data: &DisconnectData<'_>) -> (Option<u16>, String) {
    let when = match data.kind {
        DisconnectKind::Connect => "while connecting",
        DisconnectKind::Reconnect => "while reconnecting",
        _ => "while connected",
    };
    let (code, what) = match &data.reason {
        Some(DisconnectReason::WsClosed(Some(code))) => (
            Some(*code as u16),
            format!("discord closed the voice connection with {}", *code as u16),
        ),
        Some(DisconnectReason::WsClosed(None)) => {
            (None, "the voice gateway connection failed".to_owned())
        }
        Some(DisconnectReason::TimedOut) => {
            (None, "the voice server did not answer in time".to_owned())
        }
        Some(DisconnectReason::Io) => (None, "the voice server could not be reached".to_owned()),
        Some(DisconnectReason::ProtocolViolation) => {
            (None, "the voice server broke the protocol".to_owned())
        }
        _ => (None, "the voice connection ended".to_owned()),
    };
    (code, format!("{what} {when}"))
}
