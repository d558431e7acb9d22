//! What a connection's task does with the wire: the media path, end-to-end encryption, who is in the call, and what is
//! heard of them. All of it through [`Shared`], so that nothing is done to the wire of a successor.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use orb_video::ladder::Wants;
use tokio::sync::mpsc;

use super::{
    ends::{Ends, Receiver},
    event::{CallEvent, Encryption, Heard},
    shared::{Path, Shared, Wire},
    stats::DriverStats,
};
use crate::{
    Media, PictureFormat, Roster, Verdict,
    pacer::Ticket,
    packet::{PacketLayer, PathState},
    wire::{ClientMessage, DaveMessage, Speaking},
};

/// SSRCs whose owner is remembered; only for those who listen.
const MOST_SPEAKERS: usize = 1000;

/// A path that broke is noticed by its own clock (ICE's): this is how soon after.
const WATCH: Duration = Duration::from_secs(1);

/// A call's places in the pacer.
pub(super) struct Tickets {
    pub(super) sound: Arc<Ticket>,
    /// Of a stream alone.
    pub(super) line: Option<Arc<Ticket>>,
}

impl Tickets {
    fn wake(&self) {
        self.sound.wake();
        self.wake_line();
    }

    fn wake_line(&self) {
        if let Some(line) = &self.line {
            line.wake();
        }
    }
}

pub(super) struct MediaSide {
    /// For the log.
    guild_id: u64,
    /// Among the call's connections.
    id: u64,
    shared: Arc<Shared>,
    tickets: Tickets,
    stats: Arc<DriverStats>,
    events: mpsc::Sender<CallEvent>,
    heard: Option<mpsc::Sender<Heard>>,
    /// Of the present path, for those who listen; and of a stream, whose packet layer does.
    receiver: Option<Receiver>,
    ssrc: u32,
    /// When to look at a stream's path.
    watch_at: Option<Instant>,
    speakers: HashMap<u32, u64>,
    encryption: Encryption,
    invalid_commits: u64,
}

impl MediaSide {
    pub(super) fn new(
        guild_id: u64,
        (id, shared): (u64, Arc<Shared>),
        tickets: Tickets,
        stats: Arc<DriverStats>,
        (events, heard): (mpsc::Sender<CallEvent>, Option<mpsc::Sender<Heard>>),
    ) -> Self {
        Self {
            guild_id,
            id,
            shared,
            tickets,
            stats,
            events,
            heard,
            receiver: None,
            ssrc: 0,
            watch_at: None,
            speakers: HashMap::new(),
            encryption: Encryption::TransportOnly,
            invalid_commits: 0,
        }
    }

    pub(super) fn is_listening(&self) -> bool {
        self.heard.is_some()
    }

    pub(super) fn is_stream(&self) -> bool {
        self.tickets.line.is_some()
    }

    /// Takes a path into use, by whichever layer. Returns what to answer; [`MediaSide::settle`] comes after it.
    pub(super) fn open(
        &mut self,
        (ssrc, dave_version): (u32, u16),
        layer: Box<dyn PacketLayer>,
        ends: Ends,
    ) -> Vec<ClientMessage> {
        let now = Instant::now();
        let media = if self.is_stream() {
            self.watch_at = Some(now + WATCH);
            Media::for_stream(layer, rand::random(), now)
        } else {
            Media::new(layer, rand::random(), now)
        };
        self.ssrc = ssrc;
        self.receiver = ends.receiver;
        let socket = ends.sender;
        let answers = self.with_wire(|wire| {
            let answers = wire.dave.begin(dave_version);
            wire.wants = Wants::default();
            wire.open(Path { media, socket });
            answers
        });
        // It has something to say before anything can come.
        self.tickets.wake_line();
        answers.unwrap_or_default()
    }

    /// How far a stream's path has come; none without one.
    pub(super) fn path_state(&self) -> Option<PathState> {
        self.watch_at?;
        self.with_wire(|wire| Some(wire.path.as_mut()?.media.layer().state()))?
    }

    /// What the pictures are, if there are any.
    pub(super) fn format(&self) -> Option<PictureFormat> {
        self.shared.pictures.as_ref()?.format()
    }

    /// The server was told of pictures, or that there are none any more.
    pub(super) fn announced(&self, there_are: bool) {
        self.with_wire(|wire| {
            if let Some(path) = &mut wire.path {
                path.media.announce(there_are, Instant::now());
            }
        });
        self.tickets.wake_line();
    }

    pub(super) fn wants(&self, wants: Wants) {
        self.with_wire(|wire| wire.wants = wants);
    }

    /// Returns what to answer; [`MediaSide::settle`] comes after it.
    pub(super) fn dave(&mut self, message: DaveMessage) -> Vec<ClientMessage> {
        let answers = self.with_wire(|wire| wire.dave.handle(message));
        answers.unwrap_or_default()
    }

    /// Says what has changed, and lets frames flow if they may.
    pub(super) fn settle(&mut self) {
        let state = |wire: &mut Wire| (wire.encryption(), wire.dave.invalid_commits());
        let Some((encryption, invalid)) = self.with_wire(state) else {
            return;
        };
        self.stats.invalid_commits(invalid - self.invalid_commits);
        self.invalid_commits = invalid;
        if encryption != self.encryption {
            self.encryption = encryption;
            self.tell(CallEvent::Encryption(encryption));
        }
        if encryption != Encryption::Waiting {
            self.tickets.wake();
        }
    }

    pub(super) fn hold(&self) {
        self.with_wire(|wire| wire.hold(true));
    }

    pub(super) fn release(&self) {
        self.with_wire(|wire| wire.hold(false));
        self.tickets.wake();
    }

    pub(super) fn roster(&mut self, roster: Roster) {
        match roster {
            Roster::Speaks { user, ssrc } => {
                if self.is_listening() && self.speakers.len() < MOST_SPEAKERS {
                    self.speakers.insert(ssrc, user);
                }
            }
            Roster::Joined(users) => {
                self.with_wire(|wire| wire.dave.joined(&users));
            }
            Roster::Left(user) => {
                self.speakers.retain(|_, speaker| *speaker != user);
                self.with_wire(|wire| wire.dave.left(user));
            }
            Roster::Unknown => {
                self.speakers.clear();
                self.with_wire(|wire| wire.dave.forget_members());
            }
        }
    }

    pub(super) fn speaking(&self, speaking: Speaking) -> ClientMessage {
        let ssrc = self.ssrc;
        ClientMessage::Speaking { speaking, ssrc }
    }

    /// When the packet layer wants to send something of its own; of a stream, which the pacer serves, when to look after
    /// its path.
    pub(super) fn deadline(&self) -> Option<Instant> {
        if self.watch_at.is_some() {
            return self.watch_at;
        }
        let deadline = |wire: &mut Wire| wire.path.as_mut()?.media.layer().next_deadline();
        self.with_wire(deadline).flatten()
    }

    pub(super) fn due(&mut self, now: Instant) {
        if let Some(watch_at) = &mut self.watch_at {
            *watch_at = now + WATCH;
            return;
        }
        self.with_wire(|wire| {
            if let Some(Path { media, socket }) = &mut wire.path {
                let mut send = |packet: &[u8]| drop(socket.send(packet));
                media.layer().on_deadline(now, &mut send);
            }
        });
    }

    /// The length of the next datagram; never comes where nobody listens.
    pub(super) async fn receive(&self, buffer: &mut [u8]) -> usize {
        match &self.receiver {
            Some(receiver) => receiver.receive(buffer).await,
            None => std::future::pending().await,
        }
    }

    /// For the packet layer of a stream, which may have something to answer, or to send again.
    pub(super) fn take_in(&self, datagram: &mut [u8], now: Instant) {
        let wants_turn = self.with_wire(|wire| {
            let Path { media, socket } = wire.path.as_mut()?;
            let mut send = |packet: &[u8]| drop(socket.send(packet));
            // Anybody's error but ours.
            let _ = media.layer().receive(datagram, now, &mut send);
            Some(media.wants_turn())
        });
        if wants_turn.flatten() == Some(true) {
            self.tickets.wake_line();
        }
    }

    pub(super) fn hear(&self, datagram: &mut [u8], now: Instant) {
        let Some(heard) = &self.heard else { return };
        let packet = self.with_wire(|wire| {
            let Path { media, socket } = wire.path.as_mut()?;
            let mut send = |packet: &[u8]| drop(socket.send(packet));
            let frame = media.layer().receive(datagram, now, &mut send).ok()??;
            let user = self.speakers.get(&frame.ssrc).copied().unwrap_or_default();
            let opus = wire.dave.open_opus(user, frame.payload);
            Some(Heard {
                user,
                ssrc: frame.ssrc,
                sequence: frame.sequence,
                rtp_time: frame.rtp_time,
                opus: opus.map(Bytes::from),
            })
        });
        if let Some(packet) = packet.flatten() {
            // A listener that does not keep up loses packets, as the network would.
            let _ = heard.try_send(packet);
        }
    }

    pub(super) fn tell(&self, event: CallEvent) {
        // Under the lock: nothing is told of a connection that was replaced meanwhile.
        if let Some(Err(error)) = self.with_wire(|_| self.events.try_send(event)) {
            tracing::warn!(guild = self.guild_id, %error, "nobody reads the call's events");
        }
    }

    /// What is left to do when the task has panicked: nothing more is sent, and the owner is told.
    pub(super) fn breaking_off(&self) -> impl FnOnce() + Send + use<> {
        let (id, shared, events) = (self.id, Arc::clone(&self.shared), self.events.clone());
        move || {
            shared.with_wire(id, |wire| {
                wire.path = None;
                let _ = events.try_send(CallEvent::Lost {
                    close_code: None,
                    verdict: Verdict::NewCredentials,
                    reason: "the driver failed; see the log".to_owned(),
                });
            });
        }
    }

    fn with_wire<T>(&self, act: impl FnOnce(&mut Wire) -> T) -> Option<T> {
        self.shared.with_wire(self.id, act)
    }
}
