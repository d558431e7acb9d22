//! The film by a voice connection: which media time each of its packets bears.
//!
//! The sound of the films says its second. Between two such signs, RTP timestamps count: so a packet's media time is
//! known to a few ms, whenever it came in.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use discord_sim::{DiscordSim, Heard, HeardConnection, HeardPacket};

use crate::party::Party;
use crate::waiting::until;

/// Two seconds whose numbers are sure take up to three, and a busy machine its time.
const TOLD_WITHIN: Duration = Duration::from_secs(10);

/// Of a packet's sound.
const PACKET_MS: f64 = 20.0;

/// Ticks of the RTP clock.
const TICKS_PER_MS: f64 = 48.0;

/// How long before a moment the old connection is listened to.
const BEFORE: Duration = Duration::from_secs(4);

/// A party changes hands: the last of the old connection, and the first of the new one.
pub(super) struct Change {
    /// When the member got the last packet by the old connection.
    pub(super) last: Instant,
    /// And the first one by the new connection.
    pub(super) first: Instant,
    /// SSRCs of both.
    connections: (u32, u32),
}

impl Change {
    /// Waits for film by a connection that was opened after `since`.
    pub(super) async fn after(
        discord: &DiscordSim,
        party: &Party,
        since: Instant,
        within: Duration,
    ) -> Result<Self> {
        until("film by a new connection", within, async || {
            Ok(Self::seen(&heard(discord, party, since), since))
        })
        .await
    }

    fn seen(heard: &Heard, since: Instant) -> Option<Self> {
        let (old, new): (Vec<_>, Vec<_>) = heard
            .connections
            .iter()
            .partition(|one| one.info.opened_at < since);
        let of = |connections: Vec<&HeardConnection>| -> Vec<(Instant, u32)> {
            let packets = connections.into_iter().flat_map(|one| {
                let film = one.packets.iter().filter(|packet| is_film(packet));
                film.map(|packet| (packet.at, one.info.ssrc))
            });
            packets.collect()
        };
        let (last, old) = of(old).into_iter().max_by_key(|(at, _)| *at)?;
        let (first, new) = of(new).into_iter().min_by_key(|(at, _)| *at)?;
        Some(Self {
            last,
            first,
            connections: (old, new),
        })
    }

    /// How long the member heard nothing, without the regular 20 ms.
    pub(super) fn gap(&self) -> Duration {
        let silence = self.first.saturating_duration_since(self.last);
        silence.saturating_sub(Duration::from_millis(20))
    }

    /// By how many ms of media time the new connection begins after the end of the old one; below zero, something is
    /// heard twice. Waits until enough was heard to say so.
    pub(super) async fn position_error(
        &self,
        discord: &DiscordSim,
        party: &Party,
        since: Instant,
    ) -> Result<f64> {
        let (old, new) = self.connections;
        until("the position at the member", TOLD_WITHIN, async || {
            let heard = heard(discord, party, since);
            let track = |ssrc| tokio::task::block_in_place(|| Track::of(&heard, ssrc));
            let (Some(old), Some(new)) = (track(old)?, track(new)?) else {
                tokio::time::sleep(Duration::from_millis(100)).await;
                return Ok(None);
            };
            let (Some(end), Some(begin)) = (old.last, new.first) else {
                bail!("a connection bore no film");
            };
            Ok(Some(begin - (end + PACKET_MS)))
        })
        .await
    }
}

/// What one connection bore, in ms of media time.
struct Track {
    first: Option<f64>,
    last: Option<f64>,
}

impl Track {
    /// None while too little was heard.
    fn of(heard: &Heard, ssrc: u32) -> Result<Option<Self>> {
        let heard = heard.clone().of_connection(ssrc);
        let report = heard.listen()?;
        let Some(connection) = heard.connections.first() else {
            return Ok(None);
        };
        let packets = &connection.packets;
        let signs = report.seconds.iter().filter(|one| one.confirmed);
        let zero = signs
            .filter_map(|one| {
                let next = packets.partition_point(|packet| packet.at <= one.moment.at);
                let packet = packets.get(next.checked_sub(1)?)?;
                let within = one.moment.at.duration_since(packet.at);
                let media = f64::from(one.second) * 1000.0 - within.as_secs_f64() * 1000.0;
                Some(media - ticks(packets, packet) / TICKS_PER_MS)
            })
            .collect();
        let Some(zero) = middle(zero) else {
            return Ok(None);
        };
        let media = |packet| zero + ticks(packets, packet) / TICKS_PER_MS;
        let mut film = packets.iter().filter(|packet| is_film(packet)).map(media);
        let first = film.next();
        Ok(Some(Self {
            first,
            last: film.last().or(first),
        }))
    }
}

/// Since the first packet.
fn ticks(packets: &[HeardPacket], packet: &HeardPacket) -> f64 {
    let first = packets.first().map_or(0, |first| first.timestamp);
    f64::from(packet.timestamp.wrapping_sub(first))
}

/// One of them may be off by a packet, where two came at once.
fn middle(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// What counts as heard: silence frames are none of a film, and what nobody can decrypt is nothing.
pub(super) fn is_film(packet: &HeardPacket) -> bool {
    packet.decrypted && packet.dave_encrypted && !packet.silence
}

fn heard(discord: &DiscordSim, party: &Party, since: Instant) -> Heard {
    let from = since.checked_sub(BEFORE).unwrap_or(since);
    discord.heard_since(party.guild(), from)
}
