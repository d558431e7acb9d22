//! What is known of a line's connections, and what of it the owner is told.

use std::task::{Context, Poll};

use orb_voice::{CallEvent, Encryption};
use tokio::sync::mpsc;

use crate::voice::VoiceEvent;
use crate::voice::deck::Deck;

/// One of the connections that a line may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// To the voice channel.
    Channel,
    /// To the account's stream in it.
    Stream,
}

/// The present connections, seen as one: it stands when all of them do.
pub(super) struct Links {
    guild_id: u64,
    revision: u64,
    channel: Link,
    /// Made with the first stream.
    stream: Option<Link>,
}

/// One connection.
pub(super) struct Link {
    /// With the rest under one lock: an event is taken and acted on in one step, so that none that an older connection
    /// left here is taken for the new one's.
    events: mpsc::Receiver<CallEvent>,
    state: State,
    pub(super) encryption: Option<Encryption>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// There is no such connection.
    Absent,
    Connecting,
    Connected,
    /// It was cut after it had been connected.
    Reconnecting,
    Lost,
}

/// The connections that are to be made anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Anew {
    pub(super) channel: bool,
    pub(super) stream: bool,
}

impl Links {
    pub(super) fn without_connection(events: mpsc::Receiver<CallEvent>) -> Self {
        Self {
            guild_id: 0,
            revision: 0,
            channel: Link::absent(events),
            stream: None,
        }
    }

    /// From now on there can be a stream.
    pub(super) fn add_stream(&mut self, events: mpsc::Receiver<CallEvent>) {
        self.stream = Some(Link::absent(events));
    }

    /// All connections that were there are gone, and so is what they had to tell.
    pub(super) fn end(&mut self) {
        (self.guild_id, self.revision) = (0, 0);
        self.channel.begin(State::Absent);
        self.stream_becomes(State::Absent);
    }

    /// These are begun, and what those before them had to tell is gone. The others are as they were, under the new
    /// revision.
    pub(super) fn begin(&mut self, guild_id: u64, revision: u64, with_stream: bool, anew: Anew) {
        (self.guild_id, self.revision) = (guild_id, revision);
        if anew.channel {
            self.channel.begin(State::Connecting);
        }
        if !with_stream {
            self.stream_becomes(State::Absent);
        } else if anew.stream {
            self.stream_becomes(State::Connecting);
        }
    }

    fn stream_becomes(&mut self, state: State) {
        if let Some(stream) = &mut self.stream {
            stream.begin(state);
        }
    }

    /// Whether the connection is there or under way.
    pub(super) fn is_alive(&self, part: Part) -> bool {
        self.of(part)
            .is_some_and(|link| !matches!(link.state, State::Absent | State::Lost))
    }

    /// Whether all that shall be there is, and no cut is being mended.
    pub(super) fn are_up(&self) -> bool {
        let stream = self
            .stream
            .as_ref()
            .map_or(State::Absent, |link| link.state);
        self.channel.state == State::Connected && matches!(stream, State::Connected | State::Absent)
    }

    /// The one that bears the sound.
    pub(super) fn bearer(&self) -> &Link {
        let stream = self.stream.as_ref();
        stream
            .filter(|stream| stream.state != State::Absent)
            .unwrap_or(&self.channel)
    }

    pub(super) fn has_stream(&self) -> bool {
        self.stream
            .as_ref()
            .is_some_and(|stream| stream.state != State::Absent)
    }

    /// Ready when the driver will never say anything again.
    pub(super) fn read(&mut self, part: Part, context: &mut Context<'_>, deck: &Deck) -> Poll<()> {
        while let Some(link) = self.of_mut(part)
            && let Some(event) = std::task::ready!(link.events.poll_recv(context))
        {
            if let Some(event) = self.take(part, event) {
                deck.outbox.push(event);
            }
        }
        Poll::Ready(())
    }

    fn take(&mut self, part: Part, event: CallEvent) -> Option<VoiceEvent> {
        let (guild, revision) = (self.guild_id, self.revision);
        let of_other = match part {
            Part::Channel => self.stream.as_ref().map(|link| link.state),
            Part::Stream => Some(self.channel.state),
        };
        let link = self.of_mut(part)?;
        match event {
            CallEvent::Connected { .. } => {
                link.state = State::Connected;
                // It tells changes only, and begins here.
                link.encryption.get_or_insert(Encryption::TransportOnly);
                self.are_up().then_some(VoiceEvent::Connected { revision })
            }
            CallEvent::Reconnecting { close_code, reason } => {
                tracing::info!(guild, revision, ?part, close_code, %reason, "voice reconnects");
                if link.state == State::Connected {
                    link.state = State::Reconnecting;
                }
                // That would hide the loss of the other one.
                (of_other != Some(State::Lost)).then_some(VoiceEvent::Reconnecting { revision })
            }
            CallEvent::Lost {
                close_code,
                verdict,
                reason,
            } => {
                tracing::info!(guild, revision, ?part, close_code, ?verdict, %reason, "voice is lost");
                link.state = State::Lost;
                let (what, stream) = match part {
                    Part::Channel => ("voice", false),
                    Part::Stream => ("stream's", true),
                };
                Some(VoiceEvent::Lost {
                    revision,
                    close_code,
                    reason: format!("the {what} connection was given up: {reason}"),
                    stream,
                })
            }
            CallEvent::Encryption(encryption) => {
                tracing::info!(guild, revision, ?part, ?encryption, "voice encryption");
                link.encryption = Some(encryption);
                None
            }
        }
    }

    fn of(&self, part: Part) -> Option<&Link> {
        match part {
            Part::Channel => Some(&self.channel),
            Part::Stream => self.stream.as_ref(),
        }
    }

    fn of_mut(&mut self, part: Part) -> Option<&mut Link> {
        match part {
            Part::Channel => Some(&mut self.channel),
            Part::Stream => self.stream.as_mut(),
        }
    }
}

impl Link {
    fn absent(events: mpsc::Receiver<CallEvent>) -> Self {
        Self {
            events,
            state: State::Absent,
            encryption: None,
        }
    }

    fn begin(&mut self, state: State) {
        while self.events.try_recv().is_ok() {}
        self.state = state;
        self.encryption = None;
    }

    /// It was connected, and was not given up.
    pub(super) fn is_connected(&self) -> bool {
        matches!(self.state, State::Connected | State::Reconnecting)
    }

    /// A cut of it is being mended.
    pub(super) fn reconnects(&self) -> bool {
        self.state == State::Reconnecting
    }
}
