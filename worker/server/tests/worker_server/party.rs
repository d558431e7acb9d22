//! A session with a queue, whose words the test says one by one, and whose sound a member of the channel hears.

use std::time::{Duration, Instant};

use discord_sim::{
    DiscordSim, DiscordSimConfig, Fault, GuildId, HeardPacket, LinkDirection, LinkShape,
    SeenCounters,
};
use jellyfin_sim::film::{FilmSpec, generate};
use jellyfin_sim::{Film, JellyfinSim, JellyfinSimConfig};
use orb_jellyfin::SourcePolicy;
use orb_proto::v1;
use orb_proto::v1::attach_request::Message as Report;
use orb_proto::v1::attach_response::Message as Word;
use tempfile::TempDir;
use tokio::time::timeout;
use twilight_gateway::Shard;

use super::account::{CHANNEL, GUILD, join};
use super::stage::{LONG_PERMIT, PATIENCE, Setting, Stage, Stream};

/// A packet lasts 20 ms: so many samples at 48 kHz.
const PACKET: u32 = 960;

pub(crate) struct Party {
    stage: Stage,
    stream: Stream,
    discord: DiscordSim,
    jellyfin: JellyfinSim,
    voice: v1::VoiceCredentials,
    generation: u64,
    /// What the worker is to carry out, as said last.
    pub(crate) desired: v1::DesiredState,
    _account: Shard,
    _films: TempDir,
}

impl Party {
    /// With films of so many seconds; entry 1 is the first of them.
    pub(crate) async fn of(seconds: &[u32], capacity_millicores: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut films = Vec::new();
        for (index, seconds) in seconds.iter().enumerate() {
            let path = folder.path().join(format!("{index}.mkv"));
            let spec = FilmSpec {
                seconds: *seconds,
                width: 320,
                height: 180,
                ..FilmSpec::default()
            };
            generate(&path, spec).await.unwrap();
            films.push(Film::new(id_of(index as u64 + 1), "Film", path));
        }
        let jellyfin = JellyfinSim::start(JellyfinSimConfig {
            films,
            ..JellyfinSimConfig::default()
        });
        let (jellyfin, discord) = (
            jellyfin.await.unwrap(),
            DiscordSim::start(DiscordSimConfig::default())
                .await
                .unwrap(),
        );
        let no_others: [&str; 0] = [];
        let sources = SourcePolicy::from_config(Some(jellyfin.base_url()), &no_others, None);
        let mut stage = Stage::set_with(Setting {
            capacity_millicores,
            sources: sources.unwrap(),
            go_live: true,
            voice: orb_voice::DriverConfig {
                extra_ca_file: Some(discord.ca_file().to_owned()),
                ..orb_voice::DriverConfig::default()
            },
        })
        .await;
        let stream = stage.attach(LONG_PERMIT).await;
        let (account, voice) = join(&discord).await;
        Self {
            stage,
            stream,
            discord,
            jellyfin,
            voice,
            generation: 0,
            desired: v1::DesiredState::default(),
            _account: account,
            _films: folder,
        }
    }

    fn item(&self, entry: u64) -> v1::Item {
        v1::Item {
            entry_id: entry,
            item_id: id_of(entry),
            title: format!("Film {entry}"),
            stream_url: self.jellyfin.stream_url(&id_of(entry)),
            ..v1::Item::default()
        }
    }

    /// An entry plays from its start, another one is next (0: none). The generation of the word.
    pub(crate) async fn plays(&mut self, current: u64, next: u64) -> u64 {
        let set_at_generation = self.generation + 1;
        self.desired.current = Some(self.item(current));
        self.desired.anchor = Some(v1::Anchor {
            position_ms: 0,
            set_at_generation,
        });
        self.desired.current_set_at_generation = set_at_generation;
        self.follows(next).await
    }

    /// Another entry is next.
    pub(crate) async fn follows(&mut self, next: u64) -> u64 {
        self.desired.next = (next > 0).then(|| self.item(next));
        self.say().await
    }

    pub(crate) async fn seeks(&mut self, position_ms: i64) -> u64 {
        self.desired.anchor = Some(v1::Anchor {
            position_ms,
            set_at_generation: self.generation + 1,
        });
        self.say().await
    }

    pub(crate) async fn pauses(&mut self, paused: bool) -> u64 {
        self.desired.paused = paused;
        self.say().await
    }

    /// The picture goes into the channel: by another account, which streams there.
    pub(crate) async fn goes_live(&mut self) -> u64 {
        let (channel, user) = (CHANNEL, 77);
        let stream = self.discord.stream_credentials(GUILD, channel, user);
        let stream = stream.unwrap();
        let voice = self.discord.voice_credentials(GUILD, channel, user);
        let voice = voice.unwrap();
        self.voice = v1::VoiceCredentials {
            user_id: user.to_string(),
            voice_session_id: voice.session,
            endpoint: voice.endpoint,
            token: voice.token,
            revision: self.voice.revision + 1,
            stream: Some(v1::StreamCredentials {
                stream_key: stream.stream_key,
                rtc_server_id: stream.rtc_server_id.to_string(),
                endpoint: stream.endpoint,
                token: stream.token,
            }),
            ..self.voice.clone()
        };
        self.desired.go_live = true;
        self.say().await
    }

    /// The sound goes into the channel again, and no picture.
    pub(crate) async fn goes_dark(&mut self) -> u64 {
        self.voice.stream = None;
        self.voice.revision += 1;
        self.desired.go_live = false;
        self.say().await
    }

    /// From now on the account's line takes so much.
    pub(crate) fn line_takes(&self, bits_per_second: u64) {
        let link = Fault::Link {
            guild: GuildId(GUILD),
            user: None,
            direction: LinkDirection::Up,
            shape: LinkShape {
                bits_per_second: Some(bits_per_second),
                ..LinkShape::default()
            },
            seed: 7,
        };
        self.discord.fault(&link).unwrap();
    }

    /// What the member saw so far.
    pub(crate) fn seen(&self) -> SeenCounters {
        self.discord.seen(GUILD).totals()
    }

    async fn say(&mut self) -> u64 {
        self.generation += 1;
        self.desired.voice = Some(self.voice.clone());
        let lease = v1::Lease {
            session_id: "s".to_owned(),
            fence: Some(v1::Fence {
                token: 1,
                epoch: 1,
                generation: self.generation,
            }),
            desired: Some(self.desired.clone()),
            ..v1::Lease::default()
        };
        self.stream.say(Word::Lease(lease)).await;
        self.generation
    }

    /// Waits for a report; meanwhile the worker may dial.
    pub(crate) async fn until(
        &mut self,
        what: &str,
        fits: impl Fn(&v1::ObservedState) -> bool,
    ) -> v1::ObservedState {
        self.until_with_room(what, |observed, _| fits(observed))
            .await
            .0
    }

    /// The same with the free capacity that was reported at once.
    pub(crate) async fn until_with_room(
        &mut self,
        what: &str,
        fits: impl Fn(&v1::ObservedState, u32) -> bool,
    ) -> (v1::ObservedState, u32) {
        let mut last = v1::ObservedState::default();
        let waiting = async {
            loop {
                match self.stream.report().await {
                    Report::ConfirmLeases(question) => {
                        self.stream.confirm(question.request_id, 1, true).await;
                    }
                    Report::Heartbeat(beat) => {
                        let free = beat.capacity.unwrap_or_default().free_millicores;
                        for observed in beat.sessions {
                            last = observed;
                            if fits(&last, free) {
                                return (last.clone(), free);
                            }
                        }
                    }
                    _ => {}
                }
            }
        };
        let found = timeout(PATIENCE, waiting).await;
        found.unwrap_or_else(|_| panic!("never: {what}; the last report is {last:?}"))
    }

    /// Waits until an entry is heard, by the worker's word.
    pub(crate) async fn until_plays(&mut self, entry: u64) -> v1::ObservedState {
        self.until(&format!("entry {entry} plays"), |observed| {
            observed.entry_id == entry && observed.playback_state() == v1::PlaybackState::Playing
        })
        .await
    }

    /// Packets that came to the member, silence at the very end left out.
    pub(crate) fn packets(&self) -> Vec<HeardPacket> {
        let heard = self.discord.heard(GUILD);
        let mut packets: Vec<_> = heard.packets().into_iter().cloned().collect();
        while packets.last().is_some_and(|packet| packet.silence) {
            packets.pop();
        }
        packets
    }

    /// The numbers of the seconds that the member heard, in order.
    pub(crate) fn seconds(&self) -> Vec<u32> {
        let heard = self.discord.heard(GUILD);
        let report = tokio::task::block_in_place(|| heard.listen().unwrap());
        report.seconds.iter().map(|one| one.second).collect()
    }

    /// That not one packet is missing or silent between the first sound and the last, and how long the longest time
    /// between two of them is, by the sound's own clock and by arrival.
    pub(crate) fn assert_unbroken(&self) -> (u32, Duration) {
        let packets = self.packets();
        assert!(
            packets
                .iter()
                .all(|packet| !packet.silence && packet.decrypted)
        );
        let mut longest = (PACKET, Duration::ZERO);
        for pair in packets.windows(2) {
            assert_eq!(pair[1].sequence, pair[0].sequence.wrapping_add(1));
            let ticks = pair[1].timestamp.wrapping_sub(pair[0].timestamp);
            longest = (longest.0.max(ticks), longest.1.max(pair[1].at - pair[0].at));
        }
        longest
    }

    /// The ffmpegs that write for viewers, by their process ids.
    pub(crate) fn ffmpegs(&self) -> Vec<String> {
        let spool = self.stage.spool().canonicalize().unwrap();
        let processes = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
        let writes = |pid: &std::path::Path| {
            let folder = std::fs::read_link(pid.join("cwd"));
            folder.is_ok_and(|folder| folder.starts_with(&spool))
        };
        processes
            .filter(|process| writes(&process.path()))
            .map(|process| process.file_name().into_string().unwrap())
            .collect()
    }

    /// Since when the member has heard nothing.
    pub(crate) fn silent_since(&self) -> Option<Instant> {
        self.packets().last().map(|packet| packet.at)
    }

    pub(crate) async fn strike(self) {
        self.stage.strike().await;
    }
}

fn id_of(entry: u64) -> String {
    format!("{entry:032x}")
}
