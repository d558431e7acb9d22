//! The gateway connection of a user's account.
//!
//! The protocol is the bots' (Discord, "Gateway"): hello, IDENTIFY or RESUME, heartbeats, numbered events. What differs,
//! after userdoccers: the token stands alone, without a prefix, and there are no intents and no shards. The properties
//! name this program and nothing else; no client is imitated.
//!
//! Sans-task: everything happens in [`UserConnection::next`], whose state is all in the struct, so it may be dropped at
//! any point.

mod link;
mod message;
#[cfg(test)]
mod tests;

use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use futures::future::BoxFuture;
use secrecy::SecretString;
use tokio::time::{Instant, Sleep, sleep, sleep_until};
use twilight_gateway::queue::InMemoryQueue;

use crate::{
    Error, GatewaySession, Permission, TokenPlace, connection::Signal, dial::DialRule,
    rest::Introduction, voice_states::GatewayCommand, wire::Dispatch,
};
use link::{Link, Received};
use message::{Incoming, SessionEnd};

/// A connection that has not come up after so long is dialled anew.
const DIAL_WAIT: Duration = Duration::from_secs(20);

/// A connection without a session after so long is dialled anew. Our turn to IDENTIFY comes within five seconds, and READY
/// within a few more.
const READY_WAIT: Duration = Duration::from_mins(1);

/// The longest wait between two dials that came to nothing; the first one is a second, and each doubles it.
const LONGEST_PAUSE: Duration = Duration::from_secs(8);

/// After op 9 Discord asks for one to five seconds.
const INVALID_SESSION_PAUSE: Duration = Duration::from_secs(2);

/// How often it is asked whether a connection that was cut may be made anew, as for bots.
const ASK_AGAIN: Duration = Duration::from_millis(20);

/// A close frame is answered within a round trip, or the connection is dead anyway.
const CLOSE_WAIT: Duration = Duration::from_secs(2);

type Dialling = BoxFuture<'static, Result<Link, &'static str>>;

enum State {
    /// Dials at that time.
    Down(Pin<Box<Sleep>>),
    Dialling(Dialling),
    Up(Box<Link>),
    /// After a fatal close, which was told.
    Over,
}

pub(crate) struct UserConnection {
    place: TokenPlace,
    token: SecretString,
    gateway_url: String,
    dial: DialRule,
    permission: Permission,
    /// Paces the IDENTIFYs.
    queue: InMemoryQueue,
    session: Option<GatewaySession>,
    state: State,
    /// READY or RESUMED has come on this connection.
    ready: bool,
    /// When the last connection was cut, until it is confirmed that another may be made.
    cut: Option<std::time::Instant>,
    /// Connections in a row that did not get as far as READY or RESUMED.
    failures: u32,
    ready_within: Duration,
}

impl UserConnection {
    pub(crate) fn new(
        place: TokenPlace,
        token: &SecretString,
        introduction: Introduction,
        (dial, permission): (DialRule, Permission),
        session: Option<GatewaySession>,
    ) -> Self {
        Self {
            place,
            token: token.clone(),
            gateway_url: introduction.gateway_url,
            dial,
            permission,
            queue: introduction.queue,
            session,
            state: State::Down(Box::pin(sleep(Duration::ZERO))),
            ready: false,
            cut: None,
            failures: 0,
            ready_within: READY_WAIT,
        }
    }

    pub(crate) async fn next(&mut self) -> Signal {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    pub(crate) fn is_live(&self) -> bool {
        self.ready && matches!(self.state, State::Up(_))
    }

    pub(crate) fn session(&self) -> Option<GatewaySession> {
        self.session.clone()
    }

    pub(crate) fn send(&mut self, command: GatewayCommand) {
        if let State::Up(link) = &mut self.state {
            link.queue(message::command(command));
        }
    }

    pub(crate) async fn close(mut self, code: u16) {
        let State::Up(link) = std::mem::replace(&mut self.state, State::Over) else {
            return;
        };
        if !self.permission.holds() {
            return;
        }
        let closed = tokio::time::timeout(CLOSE_WAIT, link.close(code));
        if closed.await.is_err() {
            tracing::debug!("gateway did not answer the close frame");
        }
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Signal> {
        loop {
            if !self.permission.holds() {
                return Poll::Ready(Signal::NotPermitted);
            }
            match &mut self.state {
                State::Down(until) => {
                    ready!(until.as_mut().poll(cx));
                    if self
                        .cut
                        .is_some_and(|cut| !self.permission.is_confirmed_since(cut))
                    {
                        *until = Box::pin(sleep(ASK_AGAIN));
                        continue;
                    }
                    self.cut = None;
                    self.state = State::Dialling(self.open());
                }
                State::Dialling(dialling) => match ready!(dialling.as_mut().poll(cx)) {
                    Ok(link) => self.state = State::Up(Box::new(link)),
                    Err(reason) => {
                        tracing::warn!(reason, "gateway connection failed, trying again");
                        self.go_down(Duration::ZERO);
                        return Poll::Ready(Signal::Other);
                    }
                },
                State::Up(link) => {
                    let sequence = self.session.as_ref().map(|session| session.sequence);
                    let received = ready!(link.poll_next(cx, sequence));
                    if let Some(signal) = self.on_received(received) {
                        return Poll::Ready(signal);
                    }
                }
                // Only after a fatal close, which was returned.
                State::Over => {
                    let error = Error::from_close_code(self.place, 1006);
                    return Poll::Ready(Signal::Fatal(error));
                }
            }
        }
    }

    fn open(&self) -> Dialling {
        let resume_url = self.session.as_ref().map(|session| &session.resume_url);
        let checked = resume_url.and_then(|url| match self.dial.check(url) {
            Ok(url) => Some(url.to_owned()),
            Err(reason) => {
                tracing::warn!(reason, "the stored resume url is not used");
                None
            }
        });
        let url = checked.unwrap_or_else(|| self.gateway_url.clone());
        let ready_within = self.ready_within;
        Box::pin(async move {
            match tokio::time::timeout(DIAL_WAIT, Link::open(&url, ready_within)).await {
                Ok(opened) => opened,
                Err(_) => Err("no connection in time"),
            }
        })
    }

    /// Nothing where the next message is to be waited for.
    fn on_received(&mut self, received: Received) -> Option<Signal> {
        match received {
            Received::Text(text) => self.read(&text),
            Received::Closed(code) => {
                tracing::info!(code, "gateway connection closed");
                match message::after_close(code) {
                    SessionEnd::Resume => {}
                    SessionEnd::Identify => self.session = None,
                    SessionEnd::Fatal => {
                        (self.state, self.ready) = (State::Over, false);
                        let error = Error::from_close_code(self.place, code);
                        return Some(Signal::Fatal(error));
                    }
                }
                self.go_down(Duration::ZERO);
                Some(Signal::Other)
            }
            Received::Broken(reason) => {
                tracing::info!(reason, "gateway connection ended");
                self.go_down(Duration::ZERO);
                Some(Signal::Other)
            }
        }
    }

    fn read(&mut self, text: &str) -> Option<Signal> {
        let State::Up(link) = &mut self.state else {
            return None;
        };
        match message::read(text) {
            Some(Incoming::Hello(interval)) => {
                let turn = match &self.session {
                    Some(session) => {
                        link.queue(message::resume(&self.token, session));
                        None
                    }
                    None => Some(&self.queue),
                };
                link.greet(interval, turn, message::identify(&self.token));
                None
            }
            Some(Incoming::HeartbeatWanted) => {
                link.beat(self.session.as_ref().map(|session| session.sequence));
                None
            }
            Some(Incoming::Acknowledged) => {
                link.acknowledge();
                None
            }
            Some(Incoming::Reconnect) => {
                tracing::info!("discord asks for another gateway connection");
                self.go_down(Duration::ZERO);
                Some(Signal::Other)
            }
            Some(Incoming::InvalidSession { resumable }) => {
                tracing::info!(resumable, "gateway session is invalid");
                if !resumable {
                    self.session = None;
                }
                self.go_down(INVALID_SESSION_PAUSE);
                Some(Signal::Other)
            }
            Some(Incoming::Dispatch { sequence, ready }) => {
                if let Some((id, resume_url)) = ready {
                    if let Err(reason) = self.dial.check(&resume_url) {
                        (self.state, self.ready) = (State::Over, false);
                        let token = self.place;
                        return Some(Signal::Fatal(Error::GatewayUrl { token, reason }));
                    }
                    self.session = Some(GatewaySession {
                        id,
                        sequence,
                        resume_url,
                    });
                }
                // After op 9, what still arrives is of no session.
                let session = self.session.as_mut()?;
                session.sequence = sequence;
                Some(self.dispatch(text))
            }
            None => None,
        }
    }

    fn dispatch(&mut self, text: &str) -> Signal {
        match crate::wire::read(text) {
            Ok(Some(dispatch)) => {
                if matches!(dispatch, Dispatch::Ready { .. } | Dispatch::Resumed) {
                    self.ready = true;
                    self.failures = 0;
                    if let State::Up(link) = &mut self.state {
                        link.has_begun();
                    }
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

    /// Drops the connection, without a close frame: the session lives on. Dials again after a while.
    fn go_down(&mut self, at_least: Duration) {
        if !std::mem::take(&mut self.ready) {
            self.failures = self.failures.saturating_add(1);
        }
        self.cut = Some(std::time::Instant::now());
        let pause = match self.failures {
            0 => Duration::ZERO,
            failures => Duration::from_secs(1 << (failures - 1).min(6)).min(LONGEST_PAUSE),
        };
        let at = Instant::now() + pause.max(at_least);
        self.state = State::Down(Box::pin(sleep_until(at)));
    }
}
