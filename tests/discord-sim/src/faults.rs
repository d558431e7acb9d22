//! Has things go wrong on purpose.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::json;

use crate::gateway_sessions::GatewayOut;
use crate::record::RecordEvent;
use crate::stream_faults::PendingStreamFaults;
use crate::voice_connections::VoiceOut;
use crate::voice_faults::PendingVoiceFaults;
use crate::webrtc_peers::LinkRule;
use crate::world::State;
use crate::{Error, Fault, GuildId, UserId};

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
                GatewayOut::Text(json!({"op": 7, "d": null}).to_string().into())
            })),
            Fault::InvalidSession { user, resumable } => {
                let hits = self.tell_gateways(*user, || {
                    GatewayOut::Text(json!({"op": 9, "d": resumable}).to_string().into())
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
