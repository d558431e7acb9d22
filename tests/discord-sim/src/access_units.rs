//! From RTP packets back to access units: order, H.264 payloads (RFC 6184), and what is missing.
//!
//! Written for the simulator alone, so that what packs pictures and what unpacks them here share no mistake.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// What begins each NAL unit of Annex B here: the form that DAVE authenticates (dave-protocol, "H264").
const START_CODE: [u8; 4] = [0, 0, 0, 1];

/// Packets that wait for earlier ones at most: seconds of the fastest rung, so that nobody fills the memory.
const MOST_WAITING: usize = 8192;

/// One packet, its RTX wrapping off.
pub(crate) struct PicturePacket {
    /// Extended sequence number.
    pub(crate) sequence: u64,
    pub(crate) rtp_time: u32,
    pub(crate) marker: bool,
    pub(crate) at: Instant,
    /// It came when it was asked for again.
    pub(crate) retransmitted: bool,
    pub(crate) payload: Vec<u8>,
}

/// A whole access unit.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct AccessUnit {
    /// When the first of its packets came.
    pub(crate) first_at: Instant,
    /// When it was whole.
    pub(crate) at: Instant,
    pub(crate) rtp_time: u32,
    pub(crate) packets: u16,
    pub(crate) retransmitted: u16,
    /// Annex B, as it was sent.
    pub(crate) data: Vec<u8>,
}

/// What comes out, in the order of the sender.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unpacked {
    Picture(AccessUnit),
    /// So many packets did not come in time; the picture or pictures that they belong to are lost.
    Missing {
        packets: u64,
    },
    /// A packet that is no H.264 payload; its picture is lost.
    Malformed,
}

/// Puts the packets of one SSRC in order and takes pictures out of them.
pub(crate) struct AccessUnits {
    /// How long a missing packet is waited for.
    patience: Duration,
    waiting: BTreeMap<u64, PicturePacket>,
    /// The next sequence number.
    next: Option<u64>,
    begun: Option<Begun>,
    /// Until the next picture begins everything is part of one that is lost.
    lost: bool,
}

/// A picture of which some packets are there.
struct Begun {
    unit: AccessUnit,
    /// A fragment was begun (FU-A) and has not ended.
    fragmented: bool,
}

impl AccessUnits {
    pub(crate) fn new(patience: Duration) -> Self {
        Self {
            patience,
            waiting: BTreeMap::new(),
            next: None,
            begun: None,
            lost: false,
        }
    }

    /// Takes a packet; returns what it completes.
    pub(crate) fn push(&mut self, packet: PicturePacket) -> Vec<Unpacked> {
        let mut out = Vec::new();
        let next = self.next.unwrap_or_else(|| {
            // What nobody saw the beginning of is taken for none: its first packets may be lost, and are not missed,
            // for nothing came before them.
            self.lost = !begins_picture(&packet.payload);
            if self.lost {
                out.push(Unpacked::Missing { packets: 1 });
            }
            packet.sequence
        });
        self.next = Some(next);
        if packet.sequence >= next {
            self.waiting.insert(packet.sequence, packet);
        }
        self.unpack(&mut out);
        if self.waiting.len() > MOST_WAITING {
            self.skip(&mut out);
        }
        out
    }

    /// Gives up what did not come in time.
    pub(crate) fn overdue(&mut self, now: Instant) -> Vec<Unpacked> {
        let mut out = Vec::new();
        while self.due().is_some_and(|due| due <= now) {
            self.skip(&mut out);
        }
        out
    }

    /// When the next missing packet is given up.
    pub(crate) fn due(&self) -> Option<Instant> {
        // It is missing since the first packet after it came.
        let arrivals = self.waiting.values().map(|packet| packet.at);
        arrivals.min().map(|at| at + self.patience)
    }

    /// Goes on after the hole.
    fn skip(&mut self, out: &mut Vec<Unpacked>) {
        let (Some(next), Some((&first, _))) = (self.next, self.waiting.first_key_value()) else {
            return;
        };
        out.push(Unpacked::Missing {
            packets: first - next,
        });
        self.begun = None;
        self.lost = true;
        self.next = Some(first);
        self.unpack(out);
    }

    fn unpack(&mut self, out: &mut Vec<Unpacked>) {
        while let Some(next) = self.next
            && let Some(packet) = self.waiting.remove(&next)
        {
            self.next = Some(next + 1);
            self.take(&packet, out);
        }
    }

    /// Takes the packet whose turn it is.
    fn take(&mut self, packet: &PicturePacket, out: &mut Vec<Unpacked>) {
        // Padding that probes for bandwidth.
        if packet.payload.is_empty() {
            return;
        }
        if self.lost {
            // The hole may have swallowed the end of one picture and the beginning of this one: only what follows a
            // marker is whole for sure, or a packet that begins with a NAL unit that comes first in a picture.
            if !begins_picture(&packet.payload) {
                self.lost = !packet.marker;
                return;
            }
            self.lost = false;
        }
        let marker = packet.marker;
        let begun = self.begun.get_or_insert_with(|| Begun::new(packet));
        if begun.unit.rtp_time != packet.rtp_time {
            // A sender that sets no marker: the new time says that the picture is over.
            let over = std::mem::replace(begun, Begun::new(packet));
            out.push(over.end());
        }
        let begun = self.begun.get_or_insert_with(|| Begun::new(packet));
        if begun.add(packet).is_none() {
            self.begun = None;
            self.lost = !marker;
            out.push(Unpacked::Malformed);
            return;
        }
        if marker && let Some(begun) = self.begun.take() {
            out.push(begun.end());
        }
    }
}

impl Begun {
    fn new(packet: &PicturePacket) -> Self {
        Self {
            unit: AccessUnit {
                first_at: packet.at,
                at: packet.at,
                rtp_time: packet.rtp_time,
                packets: 0,
                retransmitted: 0,
                data: Vec::new(),
            },
            fragmented: false,
        }
    }

    /// `None`: the payload is malformed.
    fn add(&mut self, packet: &PicturePacket) -> Option<()> {
        let unit = &mut self.unit;
        unit.first_at = unit.first_at.min(packet.at);
        unit.at = unit.at.max(packet.at);
        unit.packets = unit.packets.saturating_add(1);
        unit.retransmitted = unit
            .retransmitted
            .saturating_add(u16::from(packet.retransmitted));
        let payload = packet.payload.as_slice();
        let (&indicator, rest) = payload.split_first()?;
        match indicator & 0x1f {
            // One NAL unit.
            1..=23 if !self.fragmented => unit.nal(payload),
            // STAP-A.
            24 if !self.fragmented => {
                let mut rest = rest;
                while !rest.is_empty() {
                    let (length, behind) = rest.split_first_chunk::<2>()?;
                    let (nal, behind) =
                        behind.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
                    unit.nal(nal);
                    rest = behind;
                }
            }
            // FU-A.
            28 => {
                let (&header, fragment) = rest.split_first()?;
                let (start, end) = (header & 0x80 != 0, header & 0x40 != 0);
                if start == self.fragmented {
                    return None;
                }
                if start {
                    unit.nal(&[indicator & 0xe0 | header & 0x1f]);
                }
                unit.data.extend_from_slice(fragment);
                self.fragmented = !end;
            }
            _ => return None,
        }
        Some(())
    }

    fn end(self) -> Unpacked {
        if self.fragmented {
            return Unpacked::Malformed;
        }
        Unpacked::Picture(self.unit)
    }
}

impl AccessUnit {
    fn nal(&mut self, nal: &[u8]) {
        self.data.extend_from_slice(&START_CODE);
        self.data.extend_from_slice(nal);
    }
}

/// Whether a payload begins with what only the beginning of a picture has: a parameter set.
fn begins_picture(payload: &[u8]) -> bool {
    let kind = |byte: &u8| byte & 0x1f;
    match payload.first().map(kind) {
        Some(24) => payload.get(3).is_some_and(|nal| kind(nal) == 7),
        first => first == Some(7),
    }
}

#[cfg(test)]
mod tests;
