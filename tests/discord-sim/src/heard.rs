//! What the listening members heard: every packet that reached them, for a bounded time.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde::Serialize;

use crate::clock::SimClock;
use crate::dave::Hearing;
use crate::ears::{EarReport, Listening};
use crate::kept::{HeardDetail, KeptPackets};
use crate::{ChannelId, Error, GuildId, UserId};

/// The Opus frame that stands for silence. DAVE leaves it unencrypted by design.
pub(crate) const OPUS_SILENCE: [u8; 3] = [0xf8, 0xff, 0xfe];

/// One RTP packet as the listening member got it.
#[derive(Clone, Debug, Serialize)]
pub struct HeardPacket {
    /// When it came in, on this process's monotonic clock. Taken by a thread that does nothing
    /// else, before decryption.
    #[serde(skip)]
    pub at: Instant,
    /// The same moment in nanoseconds since the Unix epoch.
    pub unix_ns: u64,
    /// RTP sequence number.
    pub sequence: u16,
    /// RTP timestamp: 48,000 a second.
    pub timestamp: u32,
    /// Whether it bore a DAVE frame.
    pub dave_encrypted: bool,
    /// Whether the listener could decrypt it; packets in the clear count as decrypted.
    pub decrypted: bool,
    /// Simulated members, the listener included, that should be able to decrypt it: those whose
    /// welcome's transition was executed a quarter of a second before (media is on its way).
    pub members: u16,
    /// How many of these could; all, for packets in the clear.
    pub decrypted_by: u16,
    /// Whether the call was downgraded to transport encryption when it came.
    pub downgraded: bool,
    /// Whether it was an Opus silence frame (`F8 FF FE`).
    pub silence: bool,
    /// Whether it was media in the clear though DAVE had been negotiated on its connection.
    pub in_the_clear: bool,
    /// The decrypted Opus packet.
    #[serde(skip)]
    pub opus: Option<Bytes>,
}

/// Counters of a connection's whole life, whatever the ring still holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct HeardCounters {
    /// RTP packets that the transport key opened.
    pub packets: u64,
    /// Of these: silence frames.
    pub silence: u64,
    /// Of these: DAVE frames.
    pub dave_encrypted: u64,
    /// DAVE frames that the listener could not decrypt.
    pub undecryptable: u64,
    /// DAVE frames that some members could decrypt and others could not.
    pub partly_decrypted: u64,
    /// Media in the clear after DAVE was negotiated (silence frames do not count).
    pub in_the_clear: u64,
    /// Of these: while the call was downgraded.
    pub in_the_clear_downgraded: u64,
    /// Packets that the transport key did not open, or of a connection that had given way.
    pub refused: u64,
    /// Packets that a fault dropped.
    pub lost: u64,
    /// UDP keepalives.
    pub keepalives: u64,
}

/// Whose packets these are.
#[derive(Clone, Debug, Serialize)]
pub struct ConnectionInfo {
    /// The SSRC, which also names the connection in the record.
    pub ssrc: u32,
    /// The guild.
    pub guild: GuildId,
    /// The voice channel.
    pub channel: ChannelId,
    /// The `rtc_server_id` of the Go Live stream that it is of. None: a connection to the channel itself.
    pub stream: Option<u64>,
    /// The bot.
    pub user: UserId,
    /// Address of the bot's WebSocket: tells processes apart.
    pub source: SocketAddr,
    /// Whether DAVE was negotiated.
    pub dave: bool,
    /// When it identified.
    #[serde(skip)]
    pub opened_at: Instant,
}

/// One voice connection as the member heard it.
#[derive(Clone, Debug)]
pub struct HeardConnection {
    /// Whose packets these are.
    pub info: ConnectionInfo,
    /// When it ended, if it has.
    pub closed_at: Option<Instant>,
    /// Counters of its whole life.
    pub counters: HeardCounters,
    /// The packets that are still kept, by arrival.
    pub packets: Vec<HeardPacket>,
}

/// What was heard in one guild: a snapshot.
#[derive(Clone, Debug)]
pub struct Heard {
    /// Connections, oldest first.
    pub connections: Vec<HeardConnection>,
    detail: HeardDetail,
    clock: SimClock,
    taken_at: Instant,
}

impl Heard {
    /// All packets of all connections, by arrival.
    pub fn packets(&self) -> Vec<&HeardPacket> {
        let mut packets: Vec<&HeardPacket> = self
            .connections
            .iter()
            .flat_map(|connection| &connection.packets)
            .collect();
        packets.sort_by_key(|packet| packet.at);
        packets
    }

    /// The sum of all connections' counters.
    pub fn totals(&self) -> HeardCounters {
        let mut sum = HeardCounters::default();
        for HeardConnection { counters: one, .. } in &self.connections {
            sum.packets += one.packets;
            sum.silence += one.silence;
            sum.dave_encrypted += one.dave_encrypted;
            sum.undecryptable += one.undecryptable;
            sum.partly_decrypted += one.partly_decrypted;
            sum.in_the_clear += one.in_the_clear;
            sum.in_the_clear_downgraded += one.in_the_clear_downgraded;
            sum.refused += one.refused;
            sum.lost += one.lost;
            sum.keepalives += one.keepalives;
        }
        sum
    }

    /// Decodes and analyses what was heard. Takes a few milliseconds of CPU a second of sound:
    /// call it from `spawn_blocking` when the runtime must stay free.
    ///
    /// [`Error::SoundNotKept`] when the simulator keeps arrivals alone.
    pub fn listen(&self) -> Result<EarReport, Error> {
        Listening::default().report(self)
    }

    /// What is kept of each packet.
    pub fn detail(&self) -> HeardDetail {
        self.detail
    }

    /// The clock that turns arrival times into wall time.
    pub fn clock(&self) -> SimClock {
        self.clock
    }

    /// When the snapshot was taken.
    pub fn taken_at(&self) -> Instant {
        self.taken_at
    }

    #[cfg(test)]
    pub(crate) fn of(
        clock: SimClock,
        connections: Vec<HeardConnection>,
        taken_at: Instant,
    ) -> Self {
        Self {
            connections,
            detail: HeardDetail::Sound,
            clock,
            taken_at,
        }
    }
}

/// What the UDP side found out about a packet.
pub(crate) struct Arrival {
    pub(crate) at: Instant,
    pub(crate) sequence: u16,
    pub(crate) timestamp: u32,
    pub(crate) hearing: Hearing,
}

/// Why a packet did not reach the member.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Missed {
    Refused,
    Lost,
    Keepalive,
}

pub(crate) struct HeardStore {
    clock: SimClock,
    detail: HeardDetail,
    window: Duration,
    by_ssrc: Mutex<BTreeMap<u32, Stored>>,
}

struct Stored {
    info: ConnectionInfo,
    closed_at: Option<Instant>,
    counters: HeardCounters,
    packets: KeptPackets,
}

impl HeardStore {
    pub(crate) fn new(clock: SimClock, detail: HeardDetail, window: Duration) -> Self {
        Self {
            clock,
            detail,
            window,
            by_ssrc: Mutex::default(),
        }
    }

    pub(crate) fn open(&self, info: ConnectionInfo) {
        let mut stored = self.lock();
        // What nobody can ask for any more goes when something new comes.
        let now = info.opened_at;
        stored.retain(|_, old| {
            old.closed_at
                .is_none_or(|at| now.saturating_duration_since(at) < self.window)
        });
        let connection = Stored {
            packets: KeptPackets::new(self.detail, self.window, info.opened_at),
            info,
            closed_at: None,
            counters: HeardCounters::default(),
        };
        stored.insert(connection.info.ssrc, connection);
    }

    pub(crate) fn close(&self, ssrc: u32, at: Instant) {
        if let Some(stored) = self.lock().get_mut(&ssrc) {
            stored.closed_at = Some(at);
        }
    }

    pub(crate) fn missed(&self, ssrc: u32, why: Missed) {
        if let Some(Stored { counters, .. }) = self.lock().get_mut(&ssrc) {
            match why {
                Missed::Refused => counters.refused += 1,
                Missed::Lost => counters.lost += 1,
                Missed::Keepalive => counters.keepalives += 1,
            }
        }
    }

    pub(crate) fn packet(&self, ssrc: u32, arrival: Arrival) {
        let mut by_ssrc = self.lock();
        let Some(stored) = by_ssrc.get_mut(&ssrc) else {
            return;
        };
        let hearing = arrival.hearing;
        let silence = hearing.opus.as_deref() == Some(&OPUS_SILENCE);
        let packet = HeardPacket {
            at: arrival.at,
            unix_ns: self.clock.unix_ns(arrival.at),
            sequence: arrival.sequence,
            timestamp: arrival.timestamp,
            dave_encrypted: hearing.dave,
            decrypted: hearing.opus.is_some(),
            members: hearing.members,
            decrypted_by: hearing.decrypted_by,
            downgraded: hearing.downgraded,
            silence,
            in_the_clear: stored.info.dave && !hearing.dave && !silence,
            opus: hearing.opus.map(Bytes::from),
        };
        let counters = &mut stored.counters;
        counters.packets += 1;
        counters.silence += u64::from(packet.silence);
        counters.dave_encrypted += u64::from(packet.dave_encrypted);
        counters.undecryptable += u64::from(!packet.decrypted);
        let partly = 0 < packet.decrypted_by && packet.decrypted_by < packet.members;
        counters.partly_decrypted += u64::from(partly);
        counters.in_the_clear += u64::from(packet.in_the_clear);
        let downgraded = packet.in_the_clear && packet.downgraded;
        counters.in_the_clear_downgraded += u64::from(downgraded);
        stored.packets.push(packet);
    }

    /// A copy of what was heard in `guild` from `since` on.
    pub(crate) fn snapshot(&self, guild: GuildId, since: Option<Instant>) -> Heard {
        let connections = self
            .lock()
            .values()
            .filter(|stored| stored.info.guild == guild)
            .map(|stored| HeardConnection {
                info: stored.info.clone(),
                closed_at: stored.closed_at,
                counters: stored.counters,
                packets: stored.packets.since(since, self.clock),
            })
            .collect();
        Heard {
            connections,
            detail: self.detail,
            clock: self.clock,
            taken_at: Instant::now(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u32, Stored>> {
        self.by_ssrc.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sockets::loopback;

    const GUILD: GuildId = GuildId(1);

    fn store(dave: bool, opened_at: Instant) -> HeardStore {
        let store = HeardStore::new(
            SimClock::start(),
            HeardDetail::Sound,
            Duration::from_secs(10),
        );
        store.open(info(5, dave, opened_at));
        store
    }

    fn info(ssrc: u32, dave: bool, opened_at: Instant) -> ConnectionInfo {
        ConnectionInfo {
            ssrc,
            guild: GUILD,
            channel: ChannelId(2),
            stream: None,
            user: UserId(3),
            source: loopback(4),
            dave,
            opened_at,
        }
    }

    fn arrival(at: Instant, dave_encrypted: bool, opus: Option<&[u8]>) -> Arrival {
        Arrival {
            at,
            sequence: 1,
            timestamp: 960,
            hearing: Hearing {
                dave: dave_encrypted,
                opus: opus.map(<[u8]>::to_vec),
                members: 2,
                decrypted_by: 2 * u16::from(opus.is_some()),
                downgraded: false,
            },
        }
    }

    #[test]
    fn media_in_the_clear_counts_only_after_dave_was_negotiated() {
        let now = Instant::now();
        for (dave, expected) in [(true, 1), (false, 0)] {
            let store = store(dave, now);
            store.packet(5, arrival(now, false, Some(&[1, 2, 3])));
            store.packet(5, arrival(now, false, Some(&OPUS_SILENCE)));
            store.packet(5, arrival(now, true, Some(&[1, 2, 3])));
            store.packet(5, arrival(now, true, None));
            let totals = store.snapshot(GUILD, None).totals();
            assert_eq!(totals.in_the_clear, expected);
            assert_eq!((totals.packets, totals.silence), (4, 1));
            assert_eq!((totals.dave_encrypted, totals.undecryptable), (2, 1));
        }
    }

    #[test]
    fn what_only_some_could_decrypt_is_counted_and_so_is_a_downgrade() {
        let now = Instant::now();
        let store = store(true, now);
        for (decrypted_by, downgraded) in [(1, false), (0, false), (2, false), (2, true)] {
            let mut heard = arrival(now, !downgraded, Some(&[1, 2, 3]));
            heard.hearing.decrypted_by = decrypted_by;
            heard.hearing.downgraded = downgraded;
            store.packet(5, heard);
        }
        let totals = store.snapshot(GUILD, None).totals();
        assert_eq!(totals.partly_decrypted, 1);
        assert_eq!(
            (totals.in_the_clear, totals.in_the_clear_downgraded),
            (1, 1)
        );
    }

    #[test]
    fn memory_is_bounded_by_the_window() {
        let start = Instant::now();
        let store = store(false, start);
        for second in 0..60 {
            let at = start + Duration::from_secs(second);
            store.packet(5, arrival(at, false, Some(&[1])));
        }
        let heard = store.snapshot(GUILD, None);
        assert_eq!(heard.packets().len(), 11);
        assert_eq!(heard.totals().packets, 60);

        store.close(5, start);
        store.open(info(6, false, start + Duration::from_secs(11)));
        assert_eq!(store.snapshot(GUILD, None).connections.len(), 1);
    }
}
