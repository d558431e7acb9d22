//! A worker, a scheduler played by the test, and a voice server that only notices who dials.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use orb_jellyfin::SourcePolicy;
use orb_proto::v1;
use orb_proto::v1::attach_request::Message as Report;
use orb_proto::v1::attach_response::Message as Word;
use orb_proto::v1::worker_service_server::{WorkerService, WorkerServiceServer};
use orb_worker::{Drain, Reconnect, Worker, WorkerConfig};
use orb_worker_media::{Media, MediaConfig};
use orb_worker_outputs::voice::VoiceDriver;
use secrecy::SecretString;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tokio_util::sync::CancellationToken;
use tonic::transport::{Endpoint, Server};
use tonic::{Request, Response, Status, Streaming};

/// For anything that should come at once, on a busy machine: encoders of pictures give way to all else there.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// No test runs into it by being slow.
pub(crate) const LONG_PERMIT: Duration = Duration::from_mins(1);

pub(crate) struct Stage {
    attached: mpsc::Receiver<Stream>,
    go_live: bool,
    voice_server: TcpListener,
    cancel: CancellationToken,
    tasks: JoinSet<()>,
    spool: TempDir,
}

/// What a test wants otherwise than most.
pub(crate) struct Setting {
    pub(crate) capacity_millicores: u32,
    pub(crate) sources: SourcePolicy,
    pub(crate) go_live: bool,
    pub(crate) voice: orb_voice::DriverConfig,
}

impl Default for Setting {
    fn default() -> Self {
        Self {
            capacity_millicores: 1_000,
            sources: SourcePolicy::default(),
            go_live: false,
            voice: orb_voice::DriverConfig::default(),
        }
    }
}

impl Stage {
    pub(crate) async fn set() -> Self {
        Self::set_with(Setting::default()).await
    }

    pub(crate) async fn set_with(setting: Setting) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let cancel = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let (streams, attached) = mpsc::channel(4);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let scheduler = listener.local_addr().unwrap();
        tasks.spawn(async move {
            Server::builder()
                .add_service(WorkerServiceServer::new(FakeScheduler { streams }))
                .serve_with_incoming(TcpListenerStream::new(listener))
                .await
                .unwrap();
        });
        let spool = tempfile::tempdir().unwrap();
        let media = Media::start(MediaConfig {
            spool_root: Some(spool.path().to_owned()),
            policy: setting.sources.clone(),
            ..MediaConfig::default()
        });
        let config = WorkerConfig {
            go_live: setting.go_live,
            most_picture_bits_per_second: 6_000_000,
            incarnation: uuid::Uuid::new_v4(),
            id: "w1".to_owned(),
            capacity_millicores: setting.capacity_millicores,
            media_addr: SocketAddr::from(([127, 0, 0, 1], 0)),
            media_url: None,
            sources: setting.sources,
            reconnect: Reconnect {
                min: Duration::from_millis(10),
                max: Duration::from_millis(100),
                spread: Duration::from_millis(10),
            },
            tls: None,
            metrics: orb_operation::Metrics::default(),
        };
        let driver = orb_voice::Driver::new(setting.voice).unwrap();
        let media = Arc::new(media.await.unwrap());
        let worker = Worker::start(config, media, VoiceDriver::Orb(driver)).unwrap();
        let channel = Endpoint::from_shared(format!("http://{scheduler}"))
            .unwrap()
            .connect_lazy();
        let running = cancel.clone();
        tasks.spawn(async move {
            worker
                .run(
                    channel,
                    &SecretString::from("token"),
                    Drain::default(),
                    running,
                )
                .await;
        });
        Self {
            attached,
            go_live: setting.go_live,
            voice_server: TcpListener::bind("127.0.0.1:0").await.unwrap(),
            cancel,
            tasks,
            spool,
        }
    }

    /// The worker's next stream, registered.
    pub(crate) async fn attach(&mut self, dial_permit: Duration) -> Stream {
        self.attach_and_say(dial_permit).await.0
    }

    /// The same, and whether it drains, by its own word.
    pub(crate) async fn attach_and_say(&mut self, dial_permit: Duration) -> (Stream, bool) {
        let attached = timeout(PATIENCE, self.attached.recv()).await;
        let mut stream = attached.expect("the worker attaches").unwrap();
        let draining = match stream.report().await {
            Report::Register(register) => {
                assert_eq!(register.worker_id, "w1");
                assert_eq!(register.go_live, self.go_live);
                register.draining
            }
            other => panic!("{other:?}"),
        };
        stream
            .say(Word::Registered(v1::Registered {
                epoch: 1,
                heartbeat_playing_ms: 20,
                heartbeat_idle_ms: 20,
                self_stop_after_ms: 90_000,
                dial_permit_ms: dial_permit.as_millis() as u32,
            }))
            .await;
        (stream, draining)
    }

    /// A lease of session `s`, with voice credentials for this stage's server.
    pub(crate) fn lease(&self, token: u64) -> Word {
        let endpoint = self.voice_server.local_addr().unwrap().to_string();
        Word::Lease(v1::Lease {
            session_id: "s".to_owned(),
            fence: Some(v1::Fence {
                token,
                epoch: 1,
                generation: 1,
            }),
            desired: Some(v1::DesiredState {
                voice: Some(v1::VoiceCredentials {
                    guild_id: "1".to_owned(),
                    channel_id: "2".to_owned(),
                    user_id: "3".to_owned(),
                    voice_session_id: "voice-session".to_owned(),
                    endpoint,
                    token: "voice-token".to_owned(),
                    revision: 1,
                    stream: None,
                }),
                ..v1::DesiredState::default()
            }),
            ..v1::Lease::default()
        })
    }

    /// The same with a stream, whose server is this stage's as well.
    pub(crate) fn live_lease(&self, token: u64) -> Word {
        let Word::Lease(mut lease) = self.lease(token) else {
            unreachable!("that is what it makes");
        };
        if let Some(desired) = &mut lease.desired {
            desired.go_live = true;
            let voice = desired.voice.as_mut().unwrap();
            voice.stream = Some(v1::StreamCredentials {
                stream_key: "guild:1:2:3".to_owned(),
                rtc_server_id: "9".to_owned(),
                endpoint: voice.endpoint.clone(),
                token: "stream-token".to_owned(),
            });
        }
        Word::Lease(lease)
    }

    /// The same, to be warmed up: a source that this worker may not open.
    pub(crate) fn warms_up(token: u64) -> Word {
        Word::Lease(v1::Lease {
            session_id: "s".to_owned(),
            fence: Some(v1::Fence {
                token,
                epoch: 1,
                generation: 1,
            }),
            desired: Some(v1::DesiredState {
                current: Some(v1::Item {
                    queue_entry_id: 1,
                    stream_url: "http://elsewhere/film".to_owned(),
                    ..v1::Item::default()
                }),
                anchor: Some(v1::Anchor {
                    position_ms: 10_000,
                    set_at_generation: 1,
                }),
                ..v1::DesiredState::default()
            }),
            traceparent: String::new(),
            role: Some(v1::lease::Role::WarmsUp(v1::WarmsUp {})),
            plan: None,
        })
    }

    /// Where the worker's ffmpegs write for viewers.
    pub(crate) fn spool(&self) -> &Path {
        self.spool.path()
    }

    /// Waits until somebody dials.
    pub(crate) async fn dialled(&self) {
        let accepted = timeout(PATIENCE, self.voice_server.accept()).await;
        accepted.expect("the worker dials").unwrap();
    }

    /// Nobody has dialled while the worker beat five times more.
    pub(crate) async fn is_silent(&self, stream: &mut Stream) {
        let five_beats = async {
            for _ in 0..5 {
                while !matches!(stream.report().await, Report::Heartbeat(_)) {}
            }
        };
        tokio::select! {
            _ = self.voice_server.accept() => panic!("the worker dialled"),
            () = five_beats => {}
        }
    }

    pub(crate) async fn strike(self) {
        self.cancel.cancel();
        self.ended().await;
    }

    /// Waits until the worker has ended.
    pub(crate) async fn ended(mut self) {
        let worker_ended = timeout(PATIENCE, self.tasks.join_next()).await;
        worker_ended.expect("the worker stops").unwrap().unwrap();
    }
}

/// The scheduler's end of one stream. Dropping it cuts the stream.
pub(crate) struct Stream {
    reports: Streaming<v1::AttachRequest>,
    words: mpsc::Sender<Result<v1::AttachResponse, Status>>,
}

impl Stream {
    pub(crate) async fn say(&self, word: Word) {
        let message = Some(word);
        let said = self.words.send(Ok(v1::AttachResponse { message })).await;
        said.expect("the stream is open");
    }

    pub(crate) async fn confirm(&self, request_id: u64, token: u64, held: bool) {
        let lease = Some(v1::LeaseRef {
            session_id: "s".to_owned(),
            token,
        });
        self.say(Word::LeasesConfirmed(v1::LeasesConfirmed {
            request_id,
            verdicts: vec![v1::LeaseVerdict { lease, held }],
        }))
        .await;
    }

    /// The number of the next question, which is about session `s` under this token.
    pub(crate) async fn question(&mut self, token: u64) -> u64 {
        let asked = async {
            loop {
                if let Report::ConfirmLeases(question) = self.report().await {
                    return question;
                }
            }
        };
        let question = timeout(PATIENCE, asked).await.expect("a question in time");
        let leases: Vec<_> = question
            .leases
            .iter()
            .map(|lease| (lease.session_id.as_str(), lease.token))
            .collect();
        assert_eq!(leases, [("s", token)]);
        question.request_id
    }

    /// Waits until the worker says a thing of this kind.
    pub(crate) async fn until<T>(&mut self, fits: impl Fn(Report) -> Option<T>) -> T {
        let said = async {
            loop {
                if let Some(said) = fits(self.report().await) {
                    return said;
                }
            }
        };
        timeout(PATIENCE, said).await.expect("a word in time")
    }

    pub(crate) async fn report(&mut self) -> Report {
        let report = timeout(PATIENCE, self.reports.next()).await;
        let report = report.expect("a report in time").expect("an open stream");
        report.unwrap().message.unwrap()
    }
}

struct FakeScheduler {
    streams: mpsc::Sender<Stream>,
}

#[tonic::async_trait]
impl WorkerService for FakeScheduler {
    type AttachStream = ReceiverStream<Result<v1::AttachResponse, Status>>;

    async fn attach(
        &self,
        request: Request<Streaming<v1::AttachRequest>>,
    ) -> Result<Response<Self::AttachStream>, Status> {
        let (words, stream) = mpsc::channel(16);
        let reports = request.into_inner();
        self.streams
            .send(Stream { reports, words })
            .await
            .map_err(|_| Status::unavailable("the test is over"))?;
        Ok(Response::new(ReceiverStream::new(stream)))
    }
}
