//! One connection: the task that does what [`Signalling`] says. It has the WebSocket and asks the gate; what concerns
//! media is the [`MediaSide`]'s.

use std::{
    future::Future,
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::FutureExt;
use tokio::{
    sync::{Notify, mpsc},
    time::sleep_until,
};

use super::{
    announcer::Announcer,
    discovery::{Discovered, discover},
    driver::Common,
    ends::Ends,
    event::{CallEvent, Heard},
    media_side::{MediaSide, Tickets},
    offer::Offered,
    shared::Shared,
    socket::Socket,
};
use crate::{
    End, Gate, MediaPath, News, Output, Permit, Refused, Signalling, Step, Transport, VoiceServer,
    judge_close_code,
    packet::{PacketLayer, PathState, UdpLayer},
    wire::{ClientMessage, Numbered, Speaking, WireError},
};

type Pending<T> = Option<Pin<Box<dyn Future<Output = T> + Send>>>;

/// A message, or bytes that are none; or the end.
type Received = Result<Result<Numbered, WireError>, End>;

pub(super) struct Connection {
    common: Arc<Common>,
    server: VoiceServer,
    gate: Arc<dyn Gate>,
    media: MediaSide,
    speaking: mpsc::Receiver<Speaking>,
    /// What the pictures are may have changed.
    format: Arc<Notify>,
    announcer: Option<Announcer>,
    signalling: Signalling,
    /// What was last allowed; checked again right before the act.
    permit: Option<Permit>,
    asking: Pending<(Step, Result<Permit, Refused>)>,
    dialling: Pending<Result<Box<Socket>, End>>,
    discovering: Pending<Result<Discovered, End>>,
    socket: Option<Box<Socket>>,
    /// Found, and waiting for the session description.
    discovered: Option<Ends>,
    /// The same, of a stream.
    offered: Option<Offered>,
}

enum Input {
    Gate(Step, Result<Permit, Refused>),
    Dialled(Result<Box<Socket>, End>),
    Discovered(Result<Discovered, End>),
    Message(Received),
    Speaking(Option<Speaking>),
    Format,
    Datagram(usize),
    Media,
    Timeout,
}

impl Connection {
    pub(super) fn new(
        common: Arc<Common>,
        (id, shared): (u64, Arc<Shared>),
        (tickets, format): (Tickets, Arc<Notify>),
        (server, gate): (VoiceServer, Arc<dyn Gate>),
        (events, heard): (mpsc::Sender<CallEvent>, Option<mpsc::Sender<Heard>>),
        speaking: mpsc::Receiver<Speaking>,
    ) -> Self {
        let (timing, seed) = (common.config.timing, rand::random());
        let signalling = match server.stream {
            None => Signalling::new(timing, seed),
            Some(_) => Signalling::for_stream(timing, seed),
        };
        let stats = Arc::clone(&common.stats);
        let media = MediaSide::new(
            server.guild_id,
            (id, shared),
            tickets,
            stats,
            (events, heard),
        );
        Self {
            common,
            server,
            gate,
            media,
            speaking,
            format,
            announcer: None,
            signalling,
            permit: None,
            asking: None,
            dialling: None,
            discovering: None,
            socket: None,
            discovered: None,
            offered: None,
        }
    }

    /// Runs until the connection is lost; a fault of ours, or of the cryptography below, is a loss, too, and no other
    /// call's.
    pub(super) async fn run(self) {
        let break_off = self.media.breaking_off();
        let conversation = AssertUnwindSafe(self.converse());
        if conversation.catch_unwind().await.is_err() {
            break_off();
        }
    }

    async fn converse(mut self) {
        let receives = self.media.is_listening() || self.media.is_stream();
        let mut datagram = vec![0; if receives { 2048 } else { 0 }];
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
        let media = self.media.deadline().unwrap_or(far);
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
            () = self.format.notified() => Input::Format,
            length = self.media.receive(datagram) => Input::Datagram(length),
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
            Input::Discovered(Ok(Discovered { ends, address })) => {
                self.discovered = Some(ends);
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
            Input::Speaking(Some(speaking)) => self.signalling.say(self.media.speaking(speaking)),
            Input::Speaking(None) => {}
            Input::Format => self.announce(),
            Input::Datagram(length) if self.media.is_stream() => {
                self.media.take_in(&mut datagram[..length], now);
                self.watch(now);
            }
            Input::Datagram(length) => self.media.hear(&mut datagram[..length], now),
            Input::Media => {
                self.media.due(now);
                self.watch(now);
            }
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
                self.offered = None;
                self.socket = None;
            }
            Output::Send(message) => self.send(message).await,
            Output::Discover { media, ssrc } => {
                let retry = self.common.config.timing.discovery_retry;
                let listening = self.media.is_listening();
                self.discovering = Some(Box::pin(discover(media, ssrc, listening, retry)));
            }
            Output::Offer {
                media,
                ssrc,
                pictures,
            } => {
                self.announcer = Some(Announcer::new(ssrc, pictures));
                let rate = self.media.format().map(|format| format.bits_per_second);
                match Offered::new(media, ssrc, pictures, rate) {
                    Ok(offered) => self
                        .signalling
                        .offered(self.offered.insert(offered).offer()),
                    Err(end) => self.end(end, Instant::now()),
                }
            }
            Output::Media(path) => self.open(path).await,
            Output::Dave(message) => {
                let answers = self.media.dave(message);
                self.answer(answers).await;
            }
            Output::Roster(roster) => self.media.roster(roster),
            Output::Wants(wants) => self.media.wants(wants),
            Output::News(news) => {
                self.news(news);
                // What was changed during a cut could not be said.
                self.announce();
            }
            Output::Hold => self.media.hold(),
            Output::Release => self.media.release(),
        }
    }

    async fn open(&mut self, path: MediaPath) {
        let (layer, ends): (Box<dyn PacketLayer>, _) = match path.transport {
            Transport::Udp { mode, key } => {
                let Some(ends) = self.discovered.take() else {
                    return;
                };
                let layer = UdpLayer::new(path.ssrc, mode, key, Instant::now());
                (Box::new(layer), ends)
            }
            Transport::WebRtc { answer } => {
                let Some(offered) = self.offered.take() else {
                    return;
                };
                match offered.accept(&answer) {
                    Ok(Offered { layer, ends }) => (layer, ends),
                    Err(end) => return self.end(end, Instant::now()),
                }
            }
        };
        let of = (path.ssrc, path.dave_version);
        let answers = self.media.open(of, layer, ends);
        self.answer(answers).await;
        self.announce();
    }

    /// Whether a stream's path has opened, or is lost.
    fn watch(&mut self, now: Instant) {
        match self.media.path_state() {
            Some(PathState::Open) => self.signalling.media_opened(),
            Some(PathState::Lost) => self.signalling.media_lost(now),
            Some(PathState::Opening) | None => {}
        }
    }

    /// Tells the server what the pictures are, if it does not know.
    fn announce(&mut self) {
        if let Some(announcer) = &mut self.announcer
            && self.signalling.may_say()
            && let Some(video) = announcer.news(self.media.format())
        {
            self.signalling.say(ClientMessage::Video(video));
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
            return self.end(end, Instant::now());
        }
        if let ClientMessage::Video(video) = message {
            self.media.announced(video.format.is_some());
        }
    }

    /// What follows from DAVE's state is done when the server has been told.
    async fn answer(&mut self, messages: Vec<ClientMessage>) {
        for message in messages {
            self.send(message).await;
        }
        self.media.settle();
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

    fn news(&self, news: News) {
        self.media.tell(match news {
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
}

async fn pending<T>(future: &mut Pending<T>) -> T {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}

async fn next_message(socket: &mut Option<Box<Socket>>) -> Received {
    match socket {
        Some(socket) => socket.next().await,
        None => std::future::pending().await,
    }
}
