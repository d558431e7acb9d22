//! Things that go wrong on purpose.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::config::Displacement;
use crate::dave::DaveFault;
use crate::gateway_sessions::GatewayOut;
use crate::link::{LinkDirection, LinkShape};
use crate::media_faults::StreamFault;
use crate::record::RecordEvent;
use crate::stalls::StallAt;
use crate::stream_faults::PendingStreamFaults;
use crate::voice_connections::VoiceOut;
use crate::voice_faults::PendingVoiceFaults;
use crate::webrtc_peers::LinkRule;
use crate::world::State;
use crate::{ChannelId, Error, GuildId, StreamDeleteReason, UserId};

/// A fault to apply. Over HTTP: `{"kind": "close_voice", "guild": "1", "code": 4006}`.
///
/// Where `user` is left out, all bots are hit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Fault {
    /// Closes voice connections with any code.
    ///
    /// After 4015 and codes below 4000 they can be resumed; else they are over, and after 4006,
    /// 4009 and 4014 their credentials are void as well until a new op 4.
    CloseVoice {
        /// The guild whose connections are closed.
        guild: GuildId,
        /// One bot only.
        #[serde(default)]
        user: Option<UserId>,
        /// The close code.
        code: u16,
    },
    /// Resets the TCP connection of voice sockets; they can be resumed.
    ResetVoice {
        /// The guild whose connections are reset.
        guild: GuildId,
        /// One bot only.
        #[serde(default)]
        user: Option<UserId>,
    },
    /// Ends TLS and TCP of voice sockets in good order, but without a WebSocket close frame; they
    /// can be resumed.
    DropVoice {
        /// The guild whose connections are dropped.
        guild: GuildId,
        /// One bot only.
        #[serde(default)]
        user: Option<UserId>,
    },
    /// Voice sockets stay open, but nothing is sent on them any more and heartbeats are not
    /// acknowledged. What is meant for a gateway v8 connection waits for its RESUME; its RTP is
    /// heard as before.
    SilenceVoice {
        /// The guild whose connections fall silent.
        guild: GuildId,
        /// One bot only.
        #[serde(default)]
        user: Option<UserId>,
    },
    /// Voice listeners stall for a while.
    StallVoice {
        /// 0 or 1; none: both.
        #[serde(default)]
        listener: Option<usize>,
        /// How far connections get.
        at: StallAt,
        /// For how long, in milliseconds; 0 ends a stall.
        ms: u64,
    },
    /// A moderator disconnects the bot: its voice state leaves, its connection closes with 4014.
    Kick {
        /// The guild.
        guild: GuildId,
        /// One bot only.
        #[serde(default)]
        user: Option<UserId>,
    },
    /// A moderator drags the bot to another channel: new voice state and credentials, the old
    /// connection closes with 4014.
    Move {
        /// The guild.
        guild: GuildId,
        /// One bot only.
        #[serde(default)]
        user: Option<UserId>,
        /// Where to.
        channel: ChannelId,
    },
    /// The call moves to another voice server: a new `VOICE_SERVER_UPDATE`.
    MoveServer {
        /// The guild.
        guild: GuildId,
        /// One bot only.
        #[serde(default)]
        user: Option<UserId>,
        /// 0 or 1: which of the two voice endpoints.
        listener: usize,
        /// Close code that the old connection gets; none: it is left to itself.
        #[serde(default)]
        close: Option<u16>,
    },
    /// The listeners leave the guild's voice channels: bots see nobody there any more. What is sent is recorded all
    /// the same.
    ListenersLeave {
        /// The guild.
        guild: GuildId,
    },
    /// The listeners come back.
    ListenersReturn {
        /// The guild.
        guild: GuildId,
    },
    /// Drops main gateway sockets without a close frame. Their sessions can be resumed.
    DropGateway {
        /// One bot only.
        #[serde(default)]
        user: Option<UserId>,
    },
    /// Op 9 on main gateway sockets. Sessions that cannot be resumed end at once.
    InvalidSession {
        /// One bot only.
        #[serde(default)]
        user: Option<UserId>,
        /// Whether a RESUME will work.
        #[serde(default)]
        resumable: bool,
    },
    /// Op 7, "reconnect", on main gateway sockets.
    Reconnect {
        /// One bot only.
        #[serde(default)]
        user: Option<UserId>,
    },
    /// The next IDENTIFYs on the main gateway are refused.
    RefuseIdentify {
        /// How many.
        times: u32,
        /// With this close code; none: with op 9.
        #[serde(default)]
        close: Option<u16>,
    },
    /// The next IDENTIFYs on the voice gateway are refused with a close code.
    RefuseVoiceIdentify {
        /// How many.
        times: u32,
        /// The close code.
        code: u16,
        /// So many pass before.
        #[serde(default)]
        after: u32,
    },
    /// The next RESUMEs on the voice gateway are refused with a close code.
    RefuseVoiceResume {
        /// How many.
        times: u32,
        /// The close code.
        code: u16,
    },
    /// The answers to the next IP discoveries are lost.
    LoseDiscovery {
        /// How many.
        times: u32,
    },
    /// How older voice connections give way from now on. Neither `how` nor `seed`: as configured
    /// again.
    Displacement {
        /// Always like this.
        #[serde(default)]
        how: Option<Displacement>,
        /// Each time another of [`Displacement::ALL`]: the same seed picks the same row of them.
        #[serde(default)]
        seed: Option<u64>,
    },
    /// The DAVE groups of a guild's calls are made anew (voice op 24 with epoch 1).
    RecreateGroup {
        /// The guild.
        guild: GuildId,
    },
    /// Something happens to the DAVE groups of a guild's calls.
    Dave {
        /// The guild.
        guild: GuildId,
        /// What.
        #[serde(flatten)]
        what: DaveFault,
    },
    /// Go Live streams end, for this reason; they may be made anew.
    EndStream {
        /// The guild.
        guild: GuildId,
        /// One streamer only.
        #[serde(default)]
        user: Option<UserId>,
        /// What the streamer is told.
        reason: StreamDeleteReason,
    },
    /// The next op 18s are answered with `STREAM_DELETE`.
    RefuseStream {
        /// How many.
        times: u32,
        /// Why.
        reason: StreamDeleteReason,
    },
    /// The next `STREAM_SERVER_UPDATE`s are never sent.
    LoseStreamServerUpdate {
        /// How many.
        times: u32,
    },
    /// The server of a guild's streams is gone and there is no other yet: a `STREAM_SERVER_UPDATE` without endpoint,
    /// and credentials that are void.
    LoseStreamServer {
        /// The guild.
        guild: GuildId,
        /// One streamer only.
        #[serde(default)]
        user: Option<UserId>,
    },
    /// A guild's streams move to another server: new `STREAM_SERVER_UPDATE`s.
    MoveStreamServer {
        /// The guild.
        guild: GuildId,
        /// One streamer only.
        #[serde(default)]
        user: Option<UserId>,
        /// 0 or 1: which of the two voice endpoints.
        listener: usize,
        /// Close code that the old connections get; none: they are left to themselves.
        #[serde(default)]
        close: Option<u16>,
    },
    /// Something happens to the connections of a guild's Go Live streams. The faults of voice connections
    /// ([`Self::CloseVoice`], [`Self::DropVoice`] and so on) pass those by.
    Stream {
        /// The guild.
        guild: GuildId,
        /// One client only.
        #[serde(default)]
        user: Option<UserId>,
        /// What.
        #[serde(flatten)]
        what: StreamFault,
    },
    /// The way between WebRTC clients and the voice server is like this from now on, also for connections that come
    /// later. A perfect shape ends it.
    Link {
        /// The guild.
        guild: GuildId,
        /// One client only.
        #[serde(default)]
        user: Option<UserId>,
        /// Which way.
        direction: LinkDirection,
        /// How bad it is.
        #[serde(default)]
        shape: LinkShape,
        /// Which datagrams are hit: the same seed hits the same ones.
        #[serde(default)]
        seed: u64,
    },
    /// Whoever shows pictures is asked for a key frame (RTCP PLI).
    KeyFrame {
        /// The guild.
        guild: GuildId,
        /// One client only.
        #[serde(default)]
        user: Option<UserId>,
    },
    /// Viewers want less, or more: op 15 to the connections of streams.
    Wants {
        /// The guild.
        guild: GuildId,
        /// One client only.
        #[serde(default)]
        user: Option<UserId>,
        /// 0 to 100; 0: nobody looks on.
        quality: u8,
        /// How many pixels the largest viewer shows.
        #[serde(default)]
        pixel_count: Option<u64>,
    },
    /// From now on this share of RTP packets is lost before the members hear them.
    PacketLoss {
        /// 0 to 100; 0 ends it.
        percent: f64,
        /// In one guild only.
        #[serde(default)]
        guild: Option<GuildId>,
        /// Which packets: the same seed loses the same ones.
        #[serde(default)]
        seed: u64,
    },
}

/// Faults that wait for something to happen.
#[derive(Default)]
pub(crate) struct PendingFaults {
    identify: Option<(u32, Option<u16>)>,
    pub(crate) voice: PendingVoiceFaults,
    pub(crate) streams: PendingStreamFaults,
    loss: Option<Loss>,
    /// Refusals that are in the record already.
    refusals: BTreeSet<(SocketAddr, &'static str)>,
}

struct Loss {
    share: f64,
    guild: Option<GuildId>,
    rng: StdRng,
}

impl PendingFaults {
    /// Whether this IDENTIFY is refused, and with which close code (none: op 9).
    #[allow(clippy::option_option)] // "refused?" and "closed?" are two questions
    pub(crate) fn refuse_identify(&mut self) -> Option<Option<u16>> {
        let (left, close) = self.identify.as_mut()?;
        *left = left.checked_sub(1)?;
        Some(*close)
    }

    pub(crate) fn loses_packet(&mut self, guild: GuildId) -> bool {
        self.loss.as_mut().is_some_and(|loss| {
            loss.guild.is_none_or(|only| only == guild) && loss.rng.random_bool(loss.share)
        })
    }

    /// Whether this source was not refused for this reason before.
    pub(crate) fn first_refusal(&mut self, source: SocketAddr, reason: &'static str) -> bool {
        /// Enough for every process of a test; beyond it refusals are only counted.
        const KNOWN_REFUSALS: usize = 10_000;
        self.refusals.len() < KNOWN_REFUSALS && self.refusals.insert((source, reason))
    }
}

impl State {
    /// Applies `fault` and says how many sessions or connections it hit.
    pub(crate) fn apply(&mut self, fault: &Fault) -> Result<usize, Error> {
        let hits = self.hit(fault)?;
        let event = RecordEvent::Fault {
            fault: serde_json::to_string(fault).unwrap_or_default(),
            hits,
        };
        self.context.record.add(None, None, event);
        Ok(hits)
    }

    fn hit(&mut self, fault: &Fault) -> Result<usize, Error> {
        match fault {
            Fault::CloseVoice { guild, user, code } => self.close_voice(*guild, *user, *code),
            Fault::ResetVoice { guild, user } => {
                Ok(self.tell_voice(*guild, *user, || VoiceOut::Reset))
            }
            Fault::DropVoice { guild, user } => {
                Ok(self.tell_voice(*guild, *user, || VoiceOut::Eof))
            }
            Fault::SilenceVoice { guild, user } => {
                Ok(self.tell_voice(*guild, *user, || VoiceOut::Silence))
            }
            Fault::StallVoice { listener, at, ms } => {
                let listeners = match listener {
                    Some(one) => *one..one.saturating_add(1),
                    None => 0..self.context.endpoints.voice.len(),
                };
                for listener in listeners.clone() {
                    self.check_listener(listener)?;
                    let lasts = Duration::from_millis(*ms);
                    self.context.stalls.set(listener, *at, lasts);
                }
                Ok(listeners.len())
            }
            Fault::Kick { guild, user } => {
                let bots = self.bots_in(*guild, *user);
                for &bot in &bots {
                    self.leave(*guild, bot);
                }
                Ok(bots.len())
            }
            Fault::Move {
                guild,
                user,
                channel,
            } => {
                let bots = self.bots_in(*guild, *user);
                let moved = bots
                    .into_iter()
                    .filter(|&bot| self.move_to(*guild, bot, *channel));
                Ok(moved.count())
            }
            Fault::MoveServer {
                guild,
                user,
                listener,
                close,
            } => {
                self.check_listener(*listener)?;
                let bots = self.bots_in(*guild, *user);
                let moved = bots
                    .into_iter()
                    .filter(|&bot| self.move_server(*guild, bot, *listener, *close));
                Ok(moved.count())
            }
            Fault::ListenersLeave { guild } => Ok(self.seat_listeners(*guild, false)),
            Fault::ListenersReturn { guild } => Ok(self.seat_listeners(*guild, true)),
            Fault::DropGateway { user } => Ok(self.tell_gateways(*user, || GatewayOut::Drop)),
            Fault::Reconnect { user } => Ok(self.tell_gateways(*user, || {
                GatewayOut::Text(json!({"op": 7, "d": null}).to_string())
            })),
            Fault::InvalidSession { user, resumable } => {
                let hits = self.tell_gateways(*user, || {
                    GatewayOut::Text(json!({"op": 9, "d": resumable}).to_string())
                });
                for session in self.gateway.of(*user) {
                    if *resumable {
                        self.gateway.release(&session, Instant::now());
                    } else {
                        self.end_session(&session, "invalidated");
                    }
                }
                Ok(hits)
            }
            Fault::RefuseIdentify { times, close } => {
                self.faults.identify = Some((*times, *close));
                Ok(0)
            }
            Fault::RefuseVoiceIdentify { times, code, after } => {
                self.faults.voice.refuse_identifies(*after, *times, *code);
                Ok(0)
            }
            Fault::RefuseVoiceResume { times, code } => {
                self.faults.voice.refuse_resumes(*times, *code);
                Ok(0)
            }
            Fault::LoseDiscovery { times } => {
                self.faults.voice.lose_discoveries(*times);
                Ok(0)
            }
            Fault::Displacement { how, seed } => {
                self.faults.voice.displace(*how, *seed);
                Ok(0)
            }
            Fault::RecreateGroup { guild } => Ok(self.recreate_groups(*guild)),
            Fault::Dave { guild, what } => self.apply_to_groups(*guild, what),
            Fault::EndStream { .. }
            | Fault::RefuseStream { .. }
            | Fault::LoseStreamServerUpdate { .. }
            | Fault::LoseStreamServer { .. }
            | Fault::MoveStreamServer { .. } => self.hit_streams(fault),
            Fault::Stream { guild, user, what } => {
                self.hit_stream_connections(*guild, *user, *what)
            }
            Fault::Link {
                guild,
                user,
                direction,
                shape,
                seed,
            } => self.lay_link(LinkRule {
                guild: *guild,
                user: *user,
                direction: *direction,
                shape: *shape,
                seed: *seed,
            }),
            Fault::KeyFrame { guild, user } => Ok(self.ask_for_key_frames(*guild, *user)),
            Fault::Wants {
                guild,
                user,
                quality,
                pixel_count,
            } => {
                if *quality > 100 {
                    return Err(Error::Fault("quality must be 0 to 100".to_owned()));
                }
                Ok(self.want_all(*guild, *user, *quality, *pixel_count))
            }
            Fault::PacketLoss {
                percent,
                guild,
                seed,
            } => {
                if !(0.0..=100.0).contains(percent) {
                    return Err(Error::Fault("percent must be 0 to 100".to_owned()));
                }
                self.faults.loss = (*percent > 0.0).then(|| Loss {
                    share: percent / 100.0,
                    guild: *guild,
                    rng: StdRng::seed_from_u64(*seed),
                });
                Ok(0)
            }
        }
    }

    pub(crate) fn check_listener(&self, listener: usize) -> Result<(), Error> {
        if listener < self.context.endpoints.voice.len() {
            return Ok(());
        }
        Err(Error::Fault("listener must be 0 or 1".to_owned()))
    }

    fn close_voice(
        &mut self,
        guild: GuildId,
        user: Option<UserId>,
        code: u16,
    ) -> Result<usize, Error> {
        let hit = self.connections.of_channels(guild, user);
        self.close_all(&hit, code)
    }

    /// Closes connections with any code, and does to their credentials what that code does.
    pub(crate) fn close_all(&mut self, hit: &[u32], code: u16) -> Result<usize, Error> {
        // 1005, 1006 and 1015 are names for the lack of a close frame (RFC 6455, section 7.4.1).
        if !(1000..=4999).contains(&code) || matches!(code, 1004..=1006 | 1015) {
            return Err(Error::Fault(format!(
                "{code} cannot stand in a close frame"
            )));
        }
        for &ssrc in hit {
            self.close_one(ssrc, code);
        }
        Ok(hit.len())
    }

    fn close_one(&mut self, ssrc: u32, code: u16) {
        let Some(connection) = self.connections.get_mut(ssrc) else {
            return;
        };
        let close = VoiceOut::Close(code, "closed by a fault");
        if code < 4000 || code == 4015 {
            connection.send(close);
            return;
        }
        let (guild, user, stream) = (connection.guild, connection.user, connection.stream);
        self.end_connection(ssrc, Some(close));
        if matches!(code, 4006 | 4009 | 4014) {
            match stream {
                Some(stream) => self.streams.void(stream, user),
                None => {
                    if let Some(state) = self.voice_states.get_mut(guild, user) {
                        state.credentials = None;
                    }
                }
            }
        }
    }

    fn bots_in(&self, guild: GuildId, user: Option<UserId>) -> Vec<UserId> {
        self.voice_states
            .in_guild(guild)
            .map(|(bot, _)| bot)
            .filter(|&bot| user.is_none_or(|user| user == bot))
            .collect()
    }

    /// Tells the sockets of all sessions, or of one user's; returns how many there were.
    fn tell_gateways(&mut self, user: Option<UserId>, out: impl Fn() -> GatewayOut) -> usize {
        let sessions = self.gateway.of(user);
        let told = sessions
            .iter()
            .filter(|session| self.gateway.tell(session, out()));
        told.count()
    }
}

impl crate::DiscordSim {
    /// Applies `fault` and says how many sessions or connections it hit.
    pub fn fault(&self, fault: &Fault) -> Result<usize, Error> {
        Arc::clone(self.world()).state().apply(fault)
    }
}
