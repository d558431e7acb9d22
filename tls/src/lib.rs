//! Connections between the roles: encrypted, and both ends known by certificate.
//!
//! # Mental model
//!
//! ```text
//!  ORB_TLS__CA, __CERT, __KEY ──▶ MutualTls ──▶ a Material for each handshake
//!                               (files, read       │
//!                                again)            ├─▶ Listener ─▶ ServerStream ─▶ tonic, axum
//!                                                  └─▶ dial()   ─▶ ClientStream ─▶ tonic
//!                                                      http_client_config()     ─▶ reqwest
//! ```
//!
//! One authority signs for one installation and for nothing else: whoever shows a certificate of it is a part of the
//! installation. Replicas are reached by addresses that no certificate could foresee, so every server bears one fixed
//! name, and that name is checked whatever was dialled.
//!
//! The three files are read again at a handshake (at most once a second), so that a rotated certificate needs no
//! restart. What cannot be
//! used (half-written files, a key of another certificate) is reported, and the last good ones stay in force.
//!
//! Without files there is no TLS: [`Listener`] and [`dial`] then give plain TCP, so that callers know one way only. A
//! process that has files never speaks without TLS, whatever its peer offers.
//!
//! The media port is asked by kubelet and scrapers, which have no certificate; there one is demanded a layer higher, by
//! [`demand_certificate`], for everything but what they ask for.

mod certified;
mod dial;
mod error;
mod files;
mod finding;
mod io;
mod keep_alive;
mod listener;
mod material;
mod mutual_tls;
mod stream;
mod verifier;

pub use certified::{OPEN_PATHS, demand_certificate};
pub use dial::{ClientStream, dial};
pub use error::Error;
pub use files::TlsFiles;
pub use finding::Finding;
pub use keep_alive::KeepAlive;
pub use listener::{BACKLOG, Listener};
pub use material::{Part, Protocol};
pub use mutual_tls::MutualTls;
/// What an HTTP client is made with.
pub use rustls::ClientConfig;
pub use stream::{Peer, Proof, ServerStream};
