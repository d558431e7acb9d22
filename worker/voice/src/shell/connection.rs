//! One connection: the task that does what [`Signalling`] says.

use std::{
    collections::HashMap,
    future::Future,
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures::FutureExt;
use tokio::{net::UdpSocket, sync::mpsc, time::sleep_until};

use super::{
    discovery::{Discovered, discover},
    driver::Common,
    event::{CallEvent, Encryption, Heard},
    shared::{Path, Shared, Wire},
    socket::Socket,
};
use crate::{
    End, Gate, Media, MediaPath, News, Output, Permit, Refused, Roster, Signalling, Step, Verdict,
    VoiceServer, judge_close_code,
    pacer::Ticket,
    packet::UdpLayer,
    wire::{ClientMessage, DaveMessage, Speaking},
};

type Pending<T> = Option<Pin<Box<dyn Future<Output = T> + Send>>>;

/// SSRCs whose owner is remembered; only for those who listen.
const MOST_SPEAKERS: usize = 1000;

pub(super) struct Connection {
    common: Arc<Common>,
    /// Among the call's connections.
    id: u64,
    shared: Arc<Shared>,
    ticket: Arc<Ticket>,
    server: VoiceServer,
    gate: Arc<dyn Gate>,
    events: mpsc::Sender<CallEvent>,
    heard: Option<mpsc::Sender<Heard>>,
    speaking: mpsc::Receiver<Speaking>,
    signalling: Signalling,
    /// What was last allowed; checked again right before the act.
    permit: Option<Permit>,
    asking: Pending<(Step, Result<Permit, Refused>)>,
    dialling: Pending<Result<Box<Socket>, End>>,
    discovering: Pending<Result<Discovered, End>>,
    socket: Option<Box<Socket>>,
    /// Found, and waiting for the session description.
    discovered: Option<Arc<UdpSocket>>,
    /// Of the present path.
    udp: Option<Arc<UdpSocket>>,
    ssrc: u32,
    speakers: HashMap<u32, u64>,
    encryption: Encryption,
    invalid_commits: u64,
}

enum Input {
    Gate(Step, Result<Permit, Refused>),
    Dialled(Result<Box<Socket>, End>),
    Discovered(Result<Discovered, End>),
    Message(Result<Result<crate::wire::Numbered, crate::wire::WireError>, End>),
    Speaking(Option<Speaking>),
    Datagram(usize),
    Media,
    Timeout,
}

impl Connection {
    pub(super) fn new(
        common: Arc<Common>,
        (id, shared): (u64, Arc<Shared>),
        ticket: Arc<Ticket>,
        (server, gate): (VoiceServer, Arc<dyn Gate>),
        (events, heard): (mpsc::Sender<CallEvent>, Option<mpsc::Sender<Heard>>),
        speaking: mpsc::Receiver<Speaking>,
    ) -> Self {
        let signalling = Signalling::new(common.config.timing, rand::random());
        Self {
            common,
            id,
            shared,
            ticket,
            server,
            gate,
            events,
            heard,
            speaking,
            signalling,
            permit: None,
            asking: None,
            dialling: None,
            discovering: None,
            socket: None,
            discovered: None,
            udp: None,
            ssrc: 0,
            speakers: HashMap::new(),
            encryption: Encryption::TransportOnly,
            invalid_commits: 0,
        }
    }

    /// Runs until the connection is lost; a fault of ours, or of the cryptography below, is a loss, too, and no other
    /// call's.
    pub(super) async fn run(self) {
        let events = self.events.clone();
        let (id, shared) = (self.id, Arc::clone(&self.shared));
        if AssertUnwindSafe(self.converse())
            .catch_unwind()
            .await
            .is_err()
        {
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

    async fn converse(mut self) {
        let mut datagram = vec![0; if self.heard.is_some() { 2048 } else { 0 }];
        self.signalling.start(Instant::now());
        loop {
            while let Some(output) = self.signalling.next_output() {
                self.perform(output).await;
            }
            if self.signalling.is_over() {
                return;
            }
            let input = self.next_input(&mut datagram).await;
            self.take(input, &mut datagram);
        }
    }

    async fn next_input(&mut self, datagram: &mut [u8]) -> Input {
        let far = Instant::now() + Duration::from_hours(1);
        let timeout = self.signalling.next_timeout().unwrap_or(far);
        let media = self.media_deadline().unwrap_or(far);
        let listening = self.heard.is_some();
        tokio::select! {
            (step, answer) = pending(&mut self.asking) => {
                self.asking = None;
                Input::Gate(step, answer)
            }
            opened = pending(&mut self.dialling) => {
                self.dialling = None;
                Input::Dialled(opened)
            }
            discovered = pending(&mut self.discovering) => {
                self.discovering = None;
                Input::Discovered(discovered)
            }
            message = next_message(&mut self.socket) => Input::Message(message),
            speaking = self.speaking.recv() => Input::Speaking(speaking),
            length = next_datagram(self.udp.as_deref(), datagram), if listening => {
                Input::Datagram(length)
            }
            () = sleep_until(media.into()) => Input::Media,
            () = sleep_until(timeout.into()) => Input::Timeout,
        }
    }

    fn take(&mut self, input: Input, datagram: &mut [u8]) {
        let now = Instant::now();
        match input {
            Input::Gate(step, Ok(permit)) => {
                if permit.expires > now {
                    self.permit = Some(permit);
                    self.signalling.gate_passed(step, now);
                } else {
                    // This process was stopped, or the answer was slow.
                    self.ask(step);
                }
            }
            Input::Gate(_, Err(Refused)) => {
                self.common.stats.refused();
                self.signalling.gate_refused();
            }
            Input::Dialled(Ok(socket)) => {
                self.socket = Some(socket);
                self.signalling.opened();
            }
            Input::Discovered(Ok(Discovered { socket, address })) => {
                self.discovered = Some(socket);
                self.signalling.discovered(address);
            }
            Input::Message(Ok(Ok(message))) => self.signalling.received(message, now),
            Input::Message(Ok(Err(error))) => {
                // What is not understood is not needed: the rest of the conversation may go on.
                self.common.stats.malformed();
                tracing::warn!(guild = self.server.guild_id, %error, "ignored");
            }
            Input::Dialled(Err(end)) | Input::Discovered(Err(end)) | Input::Message(Err(end)) => {
                self.end(end, now);
            }
            Input::Speaking(Some(speaking)) => self.say_speaking(speaking),
            Input::Speaking(None) => {}
            Input::Datagram(length) => self.hear(&mut datagram[..length], now),
            Input::Media => self.media_due(now),
            Input::Timeout => self.signalling.timeout(now),
        }
    }

    async fn perform(&mut self, output: Output) {
        match output {
            Output::Ask(step) => self.ask(step),
            Output::Dial => self.dial(),
            Output::Drop => {
                self.asking = None;
                self.dialling = None;
                self.discovering = None;
                self.discovered = None;
                self.socket = None;
            }
            Output::Send(message) => self.send(message).await,
            Output::Discover { media, ssrc } => {
                let retry = self.common.config.timing.discovery_retry;
                self.discovering = Some(Box::pin(discover(media, ssrc, retry)));
            }
            Output::Media(path) => self.open_path(path).await,
            Output::Dave(message) => self.dave(message).await,
            Output::Roster(roster) => self.roster(roster),
            Output::News(news) => self.news(news),
            Output::Hold => {
                self.shared.with_wire(self.id, |wire| wire.hold(true));
            }
            Output::Release => {
                self.shared.with_wire(self.id, |wire| wire.hold(false));
                self.ticket.wake();
            }
        }
    }

    fn ask(&mut self, step: Step) {
        let gate = Arc::clone(&self.gate);
        self.asking = Some(Box::pin(async move { (step, gate.pass(step).await) }));
    }

    fn dial(&mut self) {
        let endpoint = self.server.endpoint.clone();
        let tls = Arc::clone(&self.common.tls);
        let stats = Arc::clone(&self.common.stats);
        let permit = self.permit.take();
        self.dialling = Some(Box::pin(async move {
            if permit.is_none_or(|permit| permit.expires <= Instant::now()) {
                return Err(End::broken("leave to dial had expired"));
            }
            stats.stepped(Step::Dial);
            Socket::open(&endpoint, tls).await.map(Box::new)
        }));
    }

    async fn send(&mut self, message: ClientMessage) {
        let step = match message {
            ClientMessage::Identify => Some(Step::Identify),
            ClientMessage::Resume { .. } => Some(Step::Resume),
            _ => None,
        };
        let encoded = message.encode(&self.server);
        let Some(socket) = &mut self.socket else {
            return;
        };
        if let Some(step) = step {
            // Between the gate's answer and here there is no await; but the process may have been stopped.
            let permit = self.permit.take();
            if permit.is_none_or(|permit| permit.expires <= Instant::now()) {
                return self.end(End::broken("leave to go on had expired"), Instant::now());
            }
            self.common.stats.stepped(step);
        }
        let within = self.common.config.timing.write;
        if let Err(end) = socket.send(encoded, within).await {
            self.end(end, Instant::now());
        }
    }

    async fn send_all(&mut self, messages: Vec<ClientMessage>) {
        for message in messages {
            self.send(message).await;
        }
    }

    fn end(&mut self, end: End, now: Instant) {
        self.common.stats.closed(end.code);
        tracing::info!(
            guild = self.server.guild_id,
            code = end.code,
            reason = %end.reason,
            verdict = ?judge_close_code(end.code),
            "voice connection ended"
        );
        self.signalling.ended(end, now);
    }

    async fn open_path(&mut self, path: MediaPath) {
        let Some(socket) = self.discovered.take() else {
            return;
        };
        let (now, ssrc) = (Instant::now(), path.ssrc);
        let layer = UdpLayer::new(ssrc, path.mode, path.key, now);
        let media = Media::new(Box::new(layer), rand::random(), now);
        self.ssrc = ssrc;
        self.udp = Some(Arc::clone(&socket));
        let answers = self.shared.with_wire(self.id, |wire| {
            let answers = wire.dave.begin(path.dave_version);
            wire.open(Path { media, socket });
            answers
        });
        self.send_all(answers.unwrap_or_default()).await;
        self.after_dave();
    }

    async fn dave(&mut self, message: DaveMessage) {
        let answers = self
            .shared
            .with_wire(self.id, |wire| wire.dave.handle(message));
        self.send_all(answers.unwrap_or_default()).await;
        self.after_dave();
    }

    /// Says what has changed, and lets frames flow if they may.
    fn after_dave(&mut self) {
        let state = |wire: &mut Wire| (wire.encryption(), wire.dave.invalid_commits());
        let Some((encryption, invalid)) = self.shared.with_wire(self.id, state) else {
            return;
        };
        self.common
            .stats
            .invalid_commits(invalid - self.invalid_commits);
        self.invalid_commits = invalid;
        if encryption != self.encryption {
            self.encryption = encryption;
            self.tell(CallEvent::Encryption(encryption));
        }
        if encryption != Encryption::Waiting {
            self.ticket.wake();
        }
    }

    fn roster(&mut self, roster: Roster) {
        match roster {
            Roster::Speaks { user, ssrc } => {
                if self.heard.is_some() && self.speakers.len() < MOST_SPEAKERS {
                    self.speakers.insert(ssrc, user);
                }
            }
            Roster::Joined(users) => {
                self.shared
                    .with_wire(self.id, |wire| wire.dave.joined(&users));
            }
            Roster::Left(user) => {
                self.speakers.retain(|_, speaker| *speaker != user);
                self.shared.with_wire(self.id, |wire| wire.dave.left(user));
            }
            Roster::Unknown => {
                self.speakers.clear();
                self.shared
                    .with_wire(self.id, |wire| wire.dave.forget_members());
            }
        }
    }

    fn news(&mut self, news: News) {
        self.tell(match news {
            News::Up { resumed } => CallEvent::Connected { resumed },
            News::Cut { end } => CallEvent::Reconnecting {
                close_code: end.code,
                reason: end.reason,
            },
            News::Lost { end } => CallEvent::Lost {
                close_code: end.code,
                verdict: judge_close_code(end.code),
                reason: end.reason,
            },
        });
    }

    fn tell(&self, event: CallEvent) {
        // Under the lock: nothing is told of a connection that was replaced meanwhile.
        let told = self
            .shared
            .with_wire(self.id, |_| self.events.try_send(event));
        if let Some(Err(error)) = told {
            tracing::warn!(guild = self.server.guild_id, %error, "nobody reads the call's events");
        }
    }

    fn say_speaking(&mut self, speaking: Speaking) {
        let ssrc = self.ssrc;
        self.signalling
            .say(ClientMessage::Speaking { speaking, ssrc });
    }

    fn media_deadline(&self) -> Option<Instant> {
        let deadline = |wire: &mut Wire| wire.path.as_mut()?.media.layer().next_deadline();
        self.shared.with_wire(self.id, deadline).flatten()
    }

    fn media_due(&self, now: Instant) {
        self.shared.with_wire(self.id, |wire| {
            if let Some(Path { media, socket }) = &mut wire.path {
                let mut send = |packet: &[u8]| drop(socket.try_send(packet));
                media.layer().on_deadline(now, &mut send);
            }
        });
    }

    fn hear(&self, datagram: &mut [u8], now: Instant) {
        let Some(heard) = &self.heard else { return };
        let packet = self.shared.with_wire(self.id, |wire| {
            let Path { media, socket } = wire.path.as_mut()?;
            let mut send = |packet: &[u8]| drop(socket.try_send(packet));
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
}

async fn pending<T>(future: &mut Pending<T>) -> T {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}

async fn next_message(
    socket: &mut Option<Box<Socket>>,
) -> Result<Result<crate::wire::Numbered, crate::wire::WireError>, End> {
    match socket {
        Some(socket) => socket.next().await,
        None => std::future::pending().await,
    }
}

/// Errors of a datagram socket are about one datagram (ICMP); the next may fare better.
async fn next_datagram(socket: Option<&UdpSocket>, buffer: &mut [u8]) -> usize {
    let Some(socket) = socket else {
        return std::future::pending().await;
    };
    loop {
        if let Ok(length) = socket.recv(buffer).await {
            return length;
        }
    }
}
