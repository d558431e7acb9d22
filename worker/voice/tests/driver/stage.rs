//! A simulated Discord, one driver, one call, and what its member heard.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use discord_sim::{
    DiscordSim, DiscordSimConfig, Fault, HeardPacket, RecordEntry, RecordEvent, StreamCredentials,
    VoiceCredentials,
};
use orb_voice::{
    Call, CallEvent, Driver, DriverConfig, FrameSource, Gate, Heard, NextFrame, Passing, Permit,
    PictureSource, Refused, Step, StreamServer, VoiceServer,
};
use tokio::sync::{mpsc, watch};

use crate::film::Film;

pub(crate) const GUILD: u64 = 70;
pub(crate) const CHANNEL: u64 = 71;
pub(crate) const USER: u64 = 72;

/// On a machine that is busy with other tests, MLS in an unoptimised build takes its time.
const PATIENCE: Duration = Duration::from_secs(30);

/// Frames that say which they are, without end.
#[derive(Default)]
pub(crate) struct Counted {
    taken: AtomicU32,
    sent: AtomicU32,
    paused: AtomicBool,
}

impl Counted {
    pub(crate) fn sent(&self) -> u32 {
        self.sent.load(SeqCst)
    }

    pub(crate) fn pause(&self, paused: bool) {
        self.paused.store(paused, SeqCst);
    }
}

/// 20 ms of CELT by its first byte; the rest is not read by anybody.
fn frame(number: u32) -> Bytes {
    let mut frame = vec![0xfc];
    frame.extend(number.to_be_bytes());
    frame.resize(120, 0x55);
    Bytes::from(frame)
}

pub(crate) fn number(opus: &[u8]) -> Option<u32> {
    let number = opus.get(1..5)?;
    (opus.len() == 120).then(|| u32::from_be_bytes(number.try_into().unwrap()))
}

impl FrameSource for Counted {
    fn next(&self) -> NextFrame {
        if self.paused.load(SeqCst) {
            return NextFrame::Idle;
        }
        NextFrame::Opus(frame(self.taken.fetch_add(1, SeqCst)))
    }

    fn sent(&self, _: Instant, _: Duration) {
        self.sent.fetch_add(1, SeqCst);
    }
}

/// What a [`TestGate`] does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Open,
    Shut,
    Refuse,
    /// Lets pass with leave that has expired.
    Stale,
    /// A fault in the task that asks.
    Panic,
}

/// A gate that a test opens and shuts, and that counts its questions.
pub(crate) struct TestGate {
    answer: watch::Sender<Answer>,
    asked: Mutex<Vec<Step>>,
}

impl TestGate {
    pub(crate) fn new(answer: Answer) -> Arc<Self> {
        Arc::new(Self {
            answer: watch::Sender::new(answer),
            asked: Mutex::default(),
        })
    }

    pub(crate) fn set(&self, answer: Answer) {
        self.answer.send_replace(answer);
    }

    pub(crate) fn asked(&self) -> Vec<Step> {
        self.asked.lock().unwrap().clone()
    }
}

impl Gate for TestGate {
    fn pass(&self, step: Step) -> Passing<'_> {
        self.asked.lock().unwrap().push(step);
        let mut answer = self.answer.subscribe();
        Box::pin(async move {
            let now = *answer
                .wait_for(|answer| *answer != Answer::Shut)
                .await
                .unwrap();
            match now {
                Answer::Refuse => Err(Refused),
                Answer::Panic => panic!("as the test wanted"),
                Answer::Stale => {
                    // Not a busy loop: the driver asks again at once.
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    Ok(Permit {
                        expires: Instant::now(),
                    })
                }
                _ => Ok(Permit {
                    expires: Instant::now() + Duration::from_secs(5),
                }),
            }
        })
    }
}

pub(crate) struct Stage {
    pub(crate) sim: DiscordSim,
    pub(crate) driver: Driver,
    pub(crate) call: Call,
    pub(crate) gate: Arc<TestGate>,
    pub(crate) source: Arc<Counted>,
    /// Of a stream.
    pub(crate) film: Option<Arc<Film>>,
    pub(crate) events: mpsc::Receiver<CallEvent>,
    pub(crate) begun: Instant,
}

pub(crate) fn server(credentials: VoiceCredentials) -> VoiceServer {
    VoiceServer {
        endpoint: credentials.endpoint.clone(),
        guild_id: credentials.guild.0,
        channel_id: credentials.channel.0,
        user_id: credentials.user.0,
        session_id: credentials.session.into(),
        token: credentials.token.into(),
        stream: None,
    }
}

/// A server of the account's Go Live stream.
pub(crate) fn stream_server(credentials: StreamCredentials) -> VoiceServer {
    VoiceServer {
        endpoint: credentials.endpoint.clone(),
        guild_id: credentials.guild.0,
        channel_id: credentials.channel.0,
        user_id: credentials.user.0,
        session_id: credentials.session.into(),
        token: credentials.token.into(),
        stream: Some(StreamServer {
            rtc_server_id: credentials.rtc_server_id,
        }),
    }
}

impl Stage {
    /// Everything is there, and nothing is connected.
    pub(crate) async fn new(config: DiscordSimConfig) -> Self {
        Self::with(config, None).await
    }

    /// The same for a Go Live stream.
    pub(crate) async fn of_stream(config: DiscordSimConfig) -> Self {
        Self::with(config, Some(Arc::new(Film::default()))).await
    }

    async fn with(config: DiscordSimConfig, film: Option<Arc<Film>>) -> Self {
        let sim = DiscordSim::start(config).await.unwrap();
        let driver = Driver::new(DriverConfig {
            extra_ca_file: Some(sim.ca_file().to_owned()),
            ..DriverConfig::default()
        })
        .unwrap();
        let source = Arc::new(Counted::default());
        let (sender, events) = mpsc::channel(64);
        let sound = Arc::clone(&source) as Arc<dyn FrameSource>;
        let call = match &film {
            None => driver.call(sound, sender),
            Some(film) => {
                let pictures = Arc::clone(film) as Arc<dyn PictureSource>;
                driver.stream_call(sound, pictures, sender)
            }
        };
        let gate = TestGate::new(Answer::Open);
        Self {
            sim,
            driver,
            call,
            gate,
            source,
            film,
            events,
            begun: Instant::now(),
        }
    }

    /// Connected, and frames are heard.
    pub(crate) async fn playing(config: DiscordSimConfig) -> Self {
        let mut stage = Self::new(config).await;
        stage.connect();
        stage.hears_a_frame_after(Instant::now()).await;
        stage
    }

    /// The same, and the owner was told of it: the next event is about what happens then.
    pub(crate) async fn connected(config: DiscordSimConfig) -> Self {
        let mut stage = Self::playing(config).await;
        stage
            .event_like(|event| matches!(event, CallEvent::Connected { .. }))
            .await;
        stage
    }

    pub(crate) fn connect(&mut self) {
        let server = if self.film.is_some() {
            stream_server(self.sim.stream_credentials(GUILD, CHANNEL, USER).unwrap())
        } else {
            server(self.sim.voice_credentials(GUILD, CHANNEL, USER).unwrap())
        };
        let gate = Arc::clone(&self.gate) as Arc<dyn Gate>;
        self.call.connect(server, gate);
    }

    /// One more member of the channel that listens and says nothing.
    pub(crate) fn listener(
        &self,
        user: u64,
        source: Arc<dyn FrameSource>,
    ) -> (Call, mpsc::Receiver<Heard>, mpsc::Receiver<CallEvent>) {
        let (events, told) = mpsc::channel(64);
        let (heard, packets) = mpsc::channel(4096);
        let mut call = self.driver.listening_call(source, events, heard);
        let credentials = self.sim.voice_credentials(GUILD, CHANNEL, user).unwrap();
        call.connect(server(credentials), Arc::new(orb_voice::OpenGate));
        (call, packets, told)
    }

    pub(crate) fn fault(&self, fault: &Fault) {
        assert!(self.sim.fault(fault).unwrap() > 0, "{fault:?} hit nothing");
    }

    /// The next event that is not about encryption.
    pub(crate) async fn event(&mut self) -> CallEvent {
        loop {
            let event = tokio::time::timeout(PATIENCE, self.events.recv()).await;
            match event.expect("an event").expect("the call lives") {
                CallEvent::Encryption(_) => {}
                event => return event,
            }
        }
    }

    /// Waits for an event, past others.
    pub(crate) async fn event_like(&mut self, wanted: impl Fn(&CallEvent) -> bool) -> CallEvent {
        loop {
            let event = tokio::time::timeout(PATIENCE, self.events.recv()).await;
            let event = event.expect("the event").expect("the call lives");
            if wanted(&event) {
                return event;
            }
        }
    }

    /// Packets of this account that the listening member got, silence as well.
    pub(crate) fn packets(&self) -> Vec<HeardPacket> {
        let heard = self.sim.heard(GUILD);
        let mut packets: Vec<_> = heard
            .connections
            .into_iter()
            .filter(|connection| connection.info.user.0 == USER)
            .flat_map(|connection| connection.packets)
            .collect();
        packets.sort_by_key(|packet| packet.at);
        packets
    }

    /// Frames of the source that the member could decrypt: when, and which.
    pub(crate) fn frames(&self) -> Vec<(Instant, u32)> {
        let packets = self.packets();
        let frames = packets.iter().filter(|packet| packet.decrypted);
        frames
            .filter_map(|packet| Some((packet.at, number(packet.opus.as_deref()?)?)))
            .collect()
    }

    /// The longest time between two frames from `since` on.
    pub(crate) fn longest_gap(&self, since: Instant) -> Duration {
        let frames = self.frames();
        let pairs = frames.windows(2).filter(|pair| pair[1].0 >= since);
        pairs
            .map(|pair| pair[1].0 - pair[0].0)
            .max()
            .unwrap_or_default()
    }

    pub(crate) async fn hears_a_frame_after(&self, since: Instant) -> Instant {
        self.until("a frame is heard", |stage| {
            let frames = stage.frames();
            frames.iter().map(|(at, _)| *at).find(|at| *at > since)
        })
        .await
    }

    /// Waits until `found` returns something.
    pub(crate) async fn until<T>(&self, what: &str, found: impl Fn(&Self) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = found(self) {
                return found;
            }
            assert!(Instant::now() < deadline, "waited in vain until {what}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Frames flow for so long.
    pub(crate) async fn plays_for(&self, length: Duration) {
        let begun = Instant::now();
        self.hears_a_frame_after(begun + length).await;
    }

    /// What the simulator recorded since.
    pub(crate) fn recorded(&self, since: Instant) -> Vec<RecordEntry> {
        let record = self.sim.record();
        record
            .into_iter()
            .filter(|entry| entry.at >= since)
            .collect()
    }

    /// Dials, IDENTIFYs and RESUMEs since.
    pub(crate) fn attempts(&self, since: Instant) -> (usize, usize, usize) {
        let recorded = self.recorded(since);
        let count = |kind: fn(&RecordEvent) -> bool| {
            recorded.iter().filter(|entry| kind(&entry.event)).count()
        };
        (
            count(|event| matches!(event, RecordEvent::VoiceDialled { .. })),
            count(|event| matches!(event, RecordEvent::VoiceIdentify { .. })),
            count(|event| matches!(event, RecordEvent::VoiceResume { .. })),
        )
    }

    /// No frame of the source was ever heard in the clear, and none is missing or out of order, of those between the
    /// first and the last that were heard.
    pub(crate) fn assert_whole_and_encrypted(&self) {
        self.assert_encrypted();
        let numbers: Vec<u32> = self.frames().iter().map(|(_, number)| *number).collect();
        let expected: Vec<u32> = (numbers[0]..).take(numbers.len()).collect();
        assert_eq!(numbers, expected);
    }

    pub(crate) fn assert_encrypted(&self) {
        let heard = self.sim.heard(GUILD);
        for connection in &heard.connections {
            assert_eq!(connection.counters.in_the_clear, 0, "{:?}", connection.info);
        }
    }
}
