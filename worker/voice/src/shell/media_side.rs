//! What a connection's task does with the wire: the media path, end-to-end encryption, who is in the call, and what is
//! heard of them. All of it through [`Shared`], so that nothing is done to the wire of a successor.

use std::{collections::HashMap, sync::Arc, time::Instant};

use bytes::Bytes;
use tokio::{net::UdpSocket, sync::mpsc};

use super::{
    discovery::Ends,
    event::{CallEvent, Encryption, Heard},
    shared::{Path, Shared, Wire},
    stats::DriverStats,
};
use crate::{
    Media, MediaPath, Roster, Verdict,
    pacer::Ticket,
    packet::UdpLayer,
    wire::{ClientMessage, DaveMessage, Speaking},
};

/// SSRCs whose owner is remembered; only for those who listen.
const MOST_SPEAKERS: usize = 1000;

pub(super) struct MediaSide {
    /// For the log.
    guild_id: u64,
    /// Among the call's connections.
    id: u64,
    shared: Arc<Shared>,
    ticket: Arc<Ticket>,
    stats: Arc<DriverStats>,
    events: mpsc::Sender<CallEvent>,
    heard: Option<mpsc::Sender<Heard>>,
    /// Of the present path, for those who listen.
    receiver: Option<UdpSocket>,
    ssrc: u32,
    speakers: HashMap<u32, u64>,
    encryption: Encryption,
    invalid_commits: u64,
}

impl MediaSide {
    pub(super) fn new(
        guild_id: u64,
        (id, shared): (u64, Arc<Shared>),
        ticket: Arc<Ticket>,
        stats: Arc<DriverStats>,
        (events, heard): (mpsc::Sender<CallEvent>, Option<mpsc::Sender<Heard>>),
    ) -> Self {
        Self {
            guild_id,
            id,
            shared,
            ticket,
            stats,
            events,
            heard,
            receiver: None,
            ssrc: 0,
            speakers: HashMap::new(),
            encryption: Encryption::TransportOnly,
            invalid_commits: 0,
        }
    }

    pub(super) fn is_listening(&self) -> bool {
        self.heard.is_some()
    }

    /// Takes the path into use. Returns what to answer; [`MediaSide::settle`] comes after it.
    pub(super) fn open(&mut self, path: MediaPath, ends: Ends) -> Vec<ClientMessage> {
        let (now, ssrc) = (Instant::now(), path.ssrc);
        let layer = UdpLayer::new(ssrc, path.mode, path.key, now);
        let media = Media::new(Box::new(layer), rand::random(), now);
        self.ssrc = ssrc;
        self.receiver = ends.receiver;
        let socket = ends.sender;
        let answers = self.with_wire(|wire| {
            let answers = wire.dave.begin(path.dave_version);
            wire.open(Path { media, socket });
            answers
        });
        answers.unwrap_or_default()
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
            self.ticket.wake();
        }
    }

    pub(super) fn hold(&self) {
        self.with_wire(|wire| wire.hold(true));
    }

    pub(super) fn release(&self) {
        self.with_wire(|wire| wire.hold(false));
        self.ticket.wake();
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

    /// When the packet layer wants to send something of its own.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let deadline = |wire: &mut Wire| wire.path.as_mut()?.media.layer().next_deadline();
        self.with_wire(deadline).flatten()
    }

    pub(super) fn due(&self, now: Instant) {
        self.with_wire(|wire| {
            if let Some(Path { media, socket }) = &mut wire.path {
                let mut send = |packet: &[u8]| drop(socket.send(packet));
                media.layer().on_deadline(now, &mut send);
            }
        });
    }

    /// The length of the next datagram; never comes where nobody listens.
    pub(super) async fn receive(&self, buffer: &mut [u8]) -> usize {
        let Some(receiver) = &self.receiver else {
            return std::future::pending().await;
        };
        loop {
            // Errors of a datagram socket are about one datagram (ICMP); the next may fare better.
            if let Ok(length) = receiver.recv(buffer).await {
                return length;
            }
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
