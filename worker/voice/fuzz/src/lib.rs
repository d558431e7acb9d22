//! What is fuzzed, and what must hold whatever comes in.
//!
//! # Mental model
//!
//! A target is a function of bytes that panics when something is wrong. It reads the bytes as a *sequence* of things
//! that happen to one long-lived object, so that state which only grows would be seen.
//!
//! ```text
//!   gateway_text     lines: JSON messages, and what the network and the gate do   ▶ Signalling + Dave
//!   gateway_binary   chunks: messages as a WebSocket brings them                  ▶ Dave
//!   dave             steps of a hostile server that can sign, and of a member      ▶ several Daves
//!   udp              chunks: datagrams, raw or sealed with the right key          ▶ UdpLayer, discovery
//!   sdp              a server's description of itself                             ▶ WebRtcLayer::accept
//!   webrtc           steps of a server that connects and lies in RTCP, and frames ▶ WebRtcLayer
//! ```
//!
//! Two callers: the fuzzer (`make fuzz`, which measures coverage and never ends) and a test of the crate
//! (`tests/fuzz.rs`, which mutates `seeds/` for some seconds).

mod dave;
mod gateway_binary;
mod gateway_text;
mod input;
mod insider;
mod sdp;
mod tap;
mod udp;
mod voice_server;
mod watched;
mod webrtc;

pub use dave::run as dave;
pub use gateway_binary::run as gateway_binary;
pub use gateway_text::run as gateway_text;
pub use sdp::run as sdp;
pub use udp::run as udp;
pub use webrtc::run as webrtc;
