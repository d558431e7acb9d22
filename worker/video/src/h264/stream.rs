//! A film's packets, one after the other.

use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};

use super::avcc::{AvcConfig, Framing};
use super::nal::{NalType, NalUnits, start_code};
use super::order::DisplayOrder;
use super::parameter_sets::{Active, ParameterSets};
use super::sei;
use super::slice::{SliceHead, SliceType};
use super::sps::Sps;
use crate::{Error, Refusal};

/// 8 MiB: more than a 1080p frame has raw.
const MAX_PACKET: usize = 8 << 20;
/// Pictures without an IDR picture among them before the stream is given up: the longest key-frame distance that
/// encoders use by default is 250.
const MAX_BEFORE_IDR: u32 = 600;
const START_CODE: [u8; 4] = [0, 0, 0, 1];

/// Whether a decoder can begin at a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// IDR picture: any receiver can begin here, and nothing before it is needed any more.
    Idr,
    /// A recovery point, right after this many more pictures. Real-time receivers do not begin here.
    Recovery(u32),
    /// It cannot.
    None,
}

/// One access unit that may go on the wire.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture {
    /// Annex B with four-byte start codes: the input of DAVE.
    pub data: Bytes,
    /// Whether a decoder can begin with it.
    pub entry: Entry,
    /// Others are predicted from it. One that is none may be left out without harm.
    pub reference: bool,
}

/// Its size in place of its bytes: no log is to be flooded by a key frame.
impl fmt::Debug for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Picture")
            .field("bytes", &self.data.len())
            .field("entry", &self.entry)
            .field("reference", &self.reference)
            .finish()
    }
}

/// Makes a stream's packets ready for the wire, one by one, in order.
///
/// After a [damaged](Error::Damaged) packet, pictures are left out up to the next IDR picture, because they may be
/// predicted from what is missing. After a [`Refusal`] the stream is to be given up.
#[derive(Debug)]
pub struct Stream {
    framing: Framing,
    sets: ParameterSets,
    /// A set came that the receivers have not got.
    sets_changed: bool,
    order: DisplayOrder,
    /// The sets of the last IDR picture; None while one is waited for.
    active: Option<Active>,
    /// Pictures left out while waiting.
    waited: u32,
}

impl Stream {
    /// A stream by its container's extradata (`CodecPrivate`, `avcC`, or parameter sets in Annex B form, or none). Any
    /// error means that it cannot be copied.
    pub fn new(extradata: &Bytes) -> Result<Self, Error> {
        let config = AvcConfig::parse(extradata)?;
        let mut sets = ParameterSets::default();
        for unit in &config.parameter_sets {
            // A record may hold other units: MP4 allows SEI, some muxers leave empty ones.
            if let Some(NalType::Sps | NalType::Pps) = unit.first().map(|byte| NalType::of(*byte)) {
                sets.insert(unit)?;
            }
        }
        Ok(Self {
            framing: config.framing,
            sets,
            sets_changed: false,
            order: DisplayOrder::default(),
            active: None,
            waited: 0,
        })
    }

    /// The SPS of the last IDR picture as it came: size, profile, level.
    pub fn sps(&self) -> Option<&Sps> {
        self.active.as_ref().map(|active| &active.sps)
    }

    /// The next packet of the container: one access unit. None if it has no picture, or none that a receiver could
    /// decode, because no IDR picture came yet.
    pub fn access_unit(&mut self, packet: &Bytes) -> Result<Option<Picture>, Error> {
        let result = self.take(packet);
        if matches!(result, Err(Error::Damaged(_))) {
            self.active = None;
            self.waited = 0;
        }
        result
    }

    fn take(&mut self, packet: &Bytes) -> Result<Option<Picture>, Error> {
        if packet.len() > MAX_PACKET {
            return Err(Error::Damaged("a packet is larger than any picture"));
        }
        let Some(Found { slice, recovery }) = self.look_through(packet)? else {
            return Ok(None);
        };
        let head = SliceHead::parse(&slice)?;
        if head.first_macroblock != 0 {
            // The first slice of the picture was in another packet.
            return Err(Refusal::SeveralSlices.into());
        }
        if head.idr {
            self.active = Some(self.sets.activate(head.pps_id)?);
            self.sets_changed = false;
            self.waited = 0;
        }
        let Some(active) = &self.active else {
            return self.wait_for_idr(&head);
        };
        if self.sets_changed || head.pps_id != active.pps_id {
            return Err(Refusal::SeveralParameterSets.into());
        }
        self.order.next(&head, &active.sps)?;
        let (data, entry) = if head.idr {
            let units = [&active.sps_unit, &active.pps_unit, &slice];
            (annex_b(&units), Entry::Idr)
        } else {
            let data = with_start_code_as_it_came(packet, &slice);
            (
                data.unwrap_or_else(|| annex_b(&[&slice])),
                recovery.map_or(Entry::None, Entry::Recovery),
            )
        };
        Ok(Some(Picture {
            data,
            entry,
            reference: head.reference,
        }))
    }

    /// Sorts the NAL units of a packet.
    fn look_through(&mut self, packet: &Bytes) -> Result<Option<Found>, Error> {
        let (mut slice, mut recovery) = (None, None);
        for unit in NalUnits::new(packet.clone(), self.framing) {
            let unit = unit?;
            if unit[0] & 0x80 != 0 {
                return Err(Error::Damaged("a NAL unit has its forbidden bit set"));
            }
            match NalType::of(unit[0]) {
                NalType::Slice | NalType::IdrSlice => {
                    // Behind start codes it would become two NAL units.
                    if self.framing != Framing::AnnexB && start_code(&unit).is_some() {
                        return Err(Error::Damaged("a slice holds a start code"));
                    }
                    if slice.replace(unit).is_some() {
                        return Err(Refusal::SeveralSlices.into());
                    }
                }
                NalType::Partition => return Err(Refusal::Partitioned.into()),
                NalType::Sps | NalType::Pps => self.sets_changed |= self.sets.insert(&unit)?,
                NalType::Sei => recovery = recovery.or(sei::recovery_point(&unit)),
                NalType::Aud
                | NalType::End
                | NalType::Filler
                | NalType::Extension
                | NalType::Unknown => {}
            }
        }
        Ok(slice.map(|slice| Found { slice, recovery }))
    }

    fn wait_for_idr(&mut self, head: &SliceHead) -> Result<Option<Picture>, Error> {
        if head.kind == SliceType::Bidirectional {
            return Err(Refusal::BFrames.into());
        }
        self.waited += 1;
        if self.waited > MAX_BEFORE_IDR {
            return Err(Refusal::NoIdr.into());
        }
        Ok(None)
    }
}

/// The picture in a packet.
struct Found {
    slice: Bytes,
    recovery: Option<u32>,
}

fn annex_b(units: &[&Bytes]) -> Bytes {
    let length = units.iter().map(|unit| START_CODE.len() + unit.len()).sum();
    let mut data = BytesMut::with_capacity(length);
    for unit in units {
        data.put_slice(&START_CODE);
        data.put_slice(unit);
    }
    data.freeze()
}

/// The unit in its packet's memory, if a four-byte start code is ahead of it there.
fn with_start_code_as_it_came(packet: &Bytes, unit: &Bytes) -> Option<Bytes> {
    let at = unit.as_ptr().addr() - packet.as_ptr().addr();
    let from = at.checked_sub(START_CODE.len())?;
    (packet[from..at] == START_CODE).then(|| packet.slice(from..at + unit.len()))
}

#[cfg(test)]
#[path = "stream/tests.rs"]
mod tests;
