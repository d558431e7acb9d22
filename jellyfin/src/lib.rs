//! Jellyfin: as a source of media, which every part of the project opens by the same rules, and its
//! API ([`client`]), which the gateway and the scheduler ask.
//!
//! A source arrives as a string from a caller who is trusted with a library, not with the network
//! the worker stands in. It passes through here once:
//!
//! ```text
//! raw string ──▶ SourcePolicy::check ──▶ SourceUrl ──▶ authorize ──▶ URL and header for one request
//!                rewrite, then origin    redacted      key added for
//!                must be listed          everywhere    Jellyfin's origin only
//! ```
//!
//! - [`SourcePolicy`] knows the allowed origins and the rewrite rule. The gateway checks what it is
//!   given, the worker checks again what a redirect asks for ([`SourcePolicy::allows`]).
//! - [`SourceUrl`] is a URL whose `Debug` and `Display` never show a query value.
//! - [`authorize`] adds the operator's API key, for Jellyfin's own origin and for no other;
//!   [`DeviceIdentity`] is who says so.
//! - [`redact`] cleans free text that may quote a URL, such as ffmpeg's stderr.
//!
//! Comparisons are made on parsed URLs (WHATWG rules, as browsers have them), never on strings:
//! upper-case hosts, default ports, percent-encoded hosts, IDN and dot segments are one spelling by
//! then.

mod authorize;
pub mod client;
mod device;
mod error;
mod policy;
mod redact;
mod rewrite;
mod source_url;

pub use authorize::{authorize, authorize_as};
pub use device::DeviceIdentity;
pub use error::Error;
pub use policy::SourcePolicy;
pub use redact::redact;
pub use source_url::SourceUrl;
