//! Many small packets in few allocations.
//!
//! Eight hundred packets of sound wait in a session, a few hundred bytes each, made on one thread and freed on another. With
//! an allocation each, every session would have half-filled pages of its own for a dozen sizes.

use bytes::{Bytes, BytesMut};

/// A second of sound, more or less. It is freed when the last packet in it is.
const CHUNK: usize = 16 << 10;

/// Where the next packets are put.
#[derive(Debug, Default)]
pub(crate) struct Packing {
    chunk: BytesMut,
}

impl Packing {
    /// The same bytes, beside those before.
    pub(crate) fn pack(&mut self, packet: &[u8]) -> Bytes {
        if self.chunk.capacity() < packet.len() {
            self.chunk = BytesMut::with_capacity(CHUNK.max(packet.len()));
        }
        self.chunk.extend_from_slice(packet);
        self.chunk.split().freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_as_they_were_and_lie_beside_one_another() {
        let mut packing = Packing::default();
        let packets: Vec<Vec<u8>> = (0..200_u8).map(|n| vec![n; 1 + usize::from(n)]).collect();
        let packed: Vec<Bytes> = packets.iter().map(|one| packing.pack(one)).collect();
        assert_eq!(packed, packets);
        let beside = packed
            .windows(2)
            .filter(|pair| pair[0].as_ptr().wrapping_add(pair[0].len()) == pair[1].as_ptr());
        // 20,100 bytes: two chunks.
        assert_eq!(beside.count(), 198);
    }

    #[test]
    fn a_packet_that_is_larger_than_a_chunk_is_whole() {
        let mut packing = Packing::default();
        let large = vec![7; 3 * CHUNK];
        assert_eq!(packing.pack(&large), large);
        assert_eq!(packing.pack(&[1]), &[1][..]);
    }
}
