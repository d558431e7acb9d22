//! Films with their time in picture and sound, a stream that they are shown in, and a member who watches.

use std::sync::Arc;
use std::time::{Duration, Instant};

use discord_sim::{DiscordSim, DiscordSimConfig, RecordEvent, Skew};
use jellyfin_sim::film::{FilmSpec, generate};
use jellyfin_sim::{Film, JellyfinSim, JellyfinSimConfig};
use orb_jellyfin::SourcePolicy;
use orb_video::ladder::Rung;
use orb_voice::{Driver, DriverConfig, OpenGate};
use orb_worker_media::{
    Media, MediaConfig, OpenSpec, PictureSpec, Pipeline, PipelineEvent, Sources,
};
use orb_worker_outputs::voice::{
    StreamCredentials, Track, Voice, VoiceCredentials, VoiceDriver, VoiceEvent,
};
use secrecy::SecretString;
use tempfile::TempDir;
use tokio::process::Command;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

pub(crate) const GUILD: u64 = 41;
pub(crate) const CHANNEL: u64 = 42;
/// Who streams.
const USER: u64 = 77;

/// For anything that should come at once, on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// Seconds of each film.
const SECONDS: u32 = 24;

/// The entry of the first film's sound alone.
pub(crate) const SONG: u64 = 99;

pub(crate) struct Cinema {
    pub(crate) discord: DiscordSim,
    pub(crate) voice: Arc<Voice>,
    pub(crate) events: mpsc::Receiver<VoiceEvent>,
    jellyfin: JellyfinSim,
    media: Media,
    revision: u64,
    runs: u64,
    /// Of each pipeline: its reader, which carries rungs to it and says what came of them.
    readers: Vec<Reader>,
    _folder: TempDir,
}

struct Reader {
    asks: mpsc::Sender<(Option<Rung>, u64)>,
    changed: watch::Receiver<Option<Rung>>,
    _task: AbortOnDropHandle<()>,
}

impl Cinema {
    /// With as many films.
    pub(crate) async fn of(films: u64) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let folder = tempfile::tempdir().unwrap();
        let mut library = Vec::new();
        for entry in 1..=films {
            let path = folder.path().join(format!("{entry}.mkv"));
            let spec = FilmSpec {
                seconds: SECONDS,
                width: 640,
                height: 360,
                ..FilmSpec::default()
            };
            generate(&path, spec).await.unwrap();
            library.push(Film::new(id_of(entry), "Film", path));
        }
        let song = folder.path().join("song.mkv");
        let copied = Command::new("ffmpeg")
            .args(["-v", "error", "-i"])
            .arg(folder.path().join("1.mkv"))
            .args(["-vn", "-c:a", "copy"])
            .arg(&song)
            .status();
        assert!(copied.await.unwrap().success());
        library.push(Film::new(id_of(SONG), "Song", song));
        let jellyfin = JellyfinSim::start(JellyfinSimConfig {
            films: library,
            ..JellyfinSimConfig::default()
        })
        .await
        .unwrap();
        let discord = DiscordSim::start(DiscordSimConfig::default())
            .await
            .unwrap();
        let none: [&str; 0] = [];
        let media = Media::start(MediaConfig {
            policy: SourcePolicy::from_config(Some(jellyfin.base_url()), &none, None).unwrap(),
            spool_root: Some(folder.path().to_owned()),
            ..MediaConfig::default()
        })
        .await
        .unwrap();
        let driver = Driver::new(DriverConfig {
            extra_ca_file: Some(discord.ca_file().to_owned()),
            ..DriverConfig::default()
        });
        let (sender, events) = mpsc::channel(256);
        Self {
            voice: Arc::new(Voice::new(&VoiceDriver::Orb(driver.unwrap()), sender)),
            discord,
            events,
            jellyfin,
            media,
            revision: 0,
            runs: 0,
            readers: Vec::new(),
            _folder: folder,
        }
    }

    /// Those in force, under a new revision.
    pub(crate) fn credentials(&mut self) -> VoiceCredentials {
        self.revision += 1;
        let stream = self.discord.stream_credentials(GUILD, CHANNEL, USER);
        let stream = stream.unwrap();
        let channel = self.discord.voice_credentials(GUILD, CHANNEL, USER);
        let channel = channel.unwrap();
        assert_eq!(channel.session, stream.session);
        VoiceCredentials {
            guild_id: GUILD,
            channel_id: CHANNEL,
            user_id: USER,
            voice_session_id: channel.session,
            endpoint: channel.endpoint,
            token: SecretString::from(channel.token),
            revision: self.revision,
            stream: Some(StreamCredentials {
                stream_key: stream.stream_key,
                rtc_server_id: stream.rtc_server_id,
                endpoint: stream.endpoint,
                token: SecretString::from(stream.token),
            }),
        }
    }

    pub(crate) fn connect(&self, credentials: VoiceCredentials) {
        self.voice.connect(credentials, Arc::new(OpenGate));
    }

    /// Joins and goes live, and waits until it is.
    pub(crate) async fn join(&mut self) {
        let credentials = self.credentials();
        let revision = credentials.revision;
        self.connect(credentials);
        self.until_event("connected", |event| {
            *event == VoiceEvent::Connected { revision }
        })
        .await;
    }

    /// Opens a film at a media time, with its picture.
    pub(crate) fn open(&mut self, entry: u64, start_ms: u64) -> Track {
        self.runs += 1;
        let run = self.runs;
        let pipeline = self.media.open(OpenSpec {
            session: "cinema".to_owned(),
            sources: Sources {
                stream: self.jellyfin.stream_url(&id_of(entry)).parse().unwrap(),
                download: None,
            },
            start_ms,
            duration_ms: None,
            watch: None,
            picture: Some(PictureSpec {
                start_rung: self.voice.picture_rung(run - 1),
                most_bits_per_second: 6_000_000,
            }),
            known: None,
        });
        let track = Track {
            frames: Arc::clone(&pipeline.frames),
            pictures: pipeline.pictures.clone(),
            entry,
            run,
        };
        let reader = Reader::of(run, pipeline, Arc::clone(&self.voice));
        self.readers.push(reader);
        track
    }

    /// Does as the owner does when the line asks for another encoding, until the pipeline has it.
    pub(crate) async fn changes_rung(&mut self) -> Rung {
        let asked = |event: &VoiceEvent| matches!(event, VoiceEvent::Rung { .. });
        let event = self.until_event("another rung is asked for", asked).await;
        let VoiceEvent::Rung { run, rung } = event else {
            unreachable!("that was waited for");
        };
        assert_eq!(run, self.runs);
        let at_ms = self.voice.snapshot().position_ms.unwrap() + 300;
        let reader = self.readers.last_mut().unwrap();
        reader.asks.send((rung, at_ms)).await.unwrap();
        let changed = reader.changed.wait_for(|changed| *changed == rung);
        timeout(PATIENCE, changed).await.expect("in time").unwrap();
        rung.expect("a copy is what it was")
    }

    pub(crate) async fn until_event(
        &mut self,
        what: &str,
        fits: impl Fn(&VoiceEvent) -> bool,
    ) -> VoiceEvent {
        let mut before = Vec::new();
        loop {
            let event = timeout(PATIENCE, self.events.recv()).await;
            let Ok(event) = event else {
                panic!("never: {what}; {before:?}");
            };
            let event = event.expect("the voice lives");
            if fits(&event) {
                return event;
            }
            before.push(event);
        }
    }

    /// Waits until the film is there.
    pub(crate) async fn plays_to(&self, media_ms: u64) {
        let what = format!("{media_ms} ms are played");
        let is_there = || {
            let voice = self.voice.snapshot();
            voice.run == self.runs && voice.position_ms >= Some(media_ms)
        };
        self.until(&what, is_there).await;
    }

    pub(crate) async fn until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !holds() {
            let voice = self.voice.snapshot();
            assert!(Instant::now() < deadline, "never: {what}; {voice:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Pictures that the member could decode so far.
    pub(crate) fn decodable(&self) -> u64 {
        self.discord.seen(GUILD).totals().decodable
    }

    /// How far picture and sound were apart at the member, second by second, since then.
    pub(crate) fn skews(&self, since: Instant) -> Vec<Skew> {
        let seen = self.discord.seen_since(GUILD, since);
        let heard = self.discord.heard_since(GUILD, since);
        let pictures = seen.look().unwrap();
        seen.skews(&pictures, &heard.listen().unwrap())
    }

    /// Identifies so far: to the channel, and to its stream.
    pub(crate) fn identifies(&self) -> (usize, usize) {
        let record = self.discord.record();
        let of = |live: bool| {
            let is_one = |event: &RecordEvent| matches!(event, RecordEvent::VoiceIdentify { stream, .. } if stream.is_some() == live);
            record.iter().filter(|entry| is_one(&entry.event)).count()
        };
        (of(false), of(true))
    }
}

impl Reader {
    fn of(run: u64, mut pipeline: Pipeline, voice: Arc<Voice>) -> Self {
        let (asks, mut asked) = mpsc::channel::<(Option<Rung>, u64)>(4);
        let (change, changed) = watch::channel(None);
        let task = tokio::spawn(async move {
            loop {
                tokio::select! {
                    Some((rung, at_ms)) = asked.recv() => pipeline.change_rung(rung, at_ms),
                    Some(event) = pipeline.events.recv() => match event {
                        PipelineEvent::Planned { plan, .. } => {
                            println!("run {run}: {}", plan.explain());
                            voice.picture_planned(run, plan.picture);
                        }
                        PipelineEvent::RungChanged { rung, .. } => {
                            voice.rung_changed(run, rung);
                            change.send_replace(rung);
                        }
                        PipelineEvent::Failed(failure)
                        | PipelineEvent::RungFailed { cause: failure, .. } => panic!("{failure:?}"),
                        _ => {}
                    },
                    else => std::future::pending().await,
                }
            }
        });
        Self {
            asks,
            changed,
            _task: AbortOnDropHandle::new(task),
        }
    }
}

fn id_of(entry: u64) -> String {
    format!("{entry:032}")
}
