//! The `orb.v1` protocol: generated types and nothing else.
//!
//! [`v1`] mirrors `proto/orb/v1/*.proto`, where every message is described. Crates at the edges
//! (scheduler server, worker server, gateway) translate these into their own types; the pure cores
//! never name them.

/// Types of the protobuf package `orb.v1`.
#[allow(missing_docs, clippy::all, clippy::pedantic)]
pub mod v1 {
    tonic::include_proto!("orb.v1");

    /// The compiled descriptors, for gRPC server reflection.
    pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/orb.v1.bin"));
}
