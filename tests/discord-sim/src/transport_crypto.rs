//! The two `rtpsize` transport encryptions of the voice gateway.
//!
//! Authenticated but clear: the RTP header with its CSRCs and, when there is an extension, its
//! four-byte header. Encrypted: extension body and payload. At the end of the packet stand the
//! first four bytes of the nonce; the rest of it is zero. (Discord, "Voice connections: transport
//! encryption modes".)

use aes_gcm::aead::consts::U12;
use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use serde::{Deserialize, Serialize};

/// Length of the nonce suffix that each packet bears.
const NONCE_SUFFIX: usize = 4;

/// Names of the encryptions, as in voice op 2 and op 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TransportMode {
    /// AES-256-GCM.
    #[serde(rename = "aead_aes256_gcm_rtpsize")]
    Aes256GcmRtpSize,
    /// XChaCha20-Poly1305.
    #[serde(rename = "aead_xchacha20_poly1305_rtpsize")]
    XChaCha20Poly1305RtpSize,
}

/// The cipher of one voice connection.
pub(crate) enum TransportCipher {
    Aes256Gcm(Box<Aes256Gcm>),
    XChaCha20Poly1305(Box<XChaCha20Poly1305>),
}

impl TransportCipher {
    pub(crate) fn new(mode: TransportMode, key: &[u8; 32]) -> Self {
        match mode {
            TransportMode::Aes256GcmRtpSize => {
                Self::Aes256Gcm(Box::new(Aes256Gcm::new(key.into())))
            }
            TransportMode::XChaCha20Poly1305RtpSize => {
                Self::XChaCha20Poly1305(Box::new(XChaCha20Poly1305::new(key.into())))
            }
        }
    }

    /// Opens `packet`, whose first `clear` bytes are not encrypted. `None`: not sealed with this
    /// connection's key, or changed on the way.
    pub(crate) fn open(&self, packet: &[u8], clear: usize) -> Option<Vec<u8>> {
        let (sealed, suffix) = packet.split_last_chunk::<NONCE_SUFFIX>()?;
        let (aad, msg) = sealed.split_at_checked(clear)?;
        let payload = Payload { msg, aad };
        match self {
            Self::Aes256Gcm(cipher) => cipher.decrypt(&nonce(*suffix), payload).ok(),
            Self::XChaCha20Poly1305(cipher) => cipher.decrypt(&xnonce(*suffix), payload).ok(),
        }
    }

    /// Seals `body` behind `header`, which stays clear. `counter` must be another one for each
    /// packet of a key. `None`: `body` is longer than the cipher takes.
    pub(crate) fn seal(&self, header: &[u8], body: &[u8], counter: u32) -> Option<Vec<u8>> {
        let suffix = counter.to_be_bytes();
        let payload = Payload {
            msg: body,
            aad: header,
        };
        let sealed = match self {
            Self::Aes256Gcm(cipher) => cipher.encrypt(&nonce(suffix), payload).ok()?,
            Self::XChaCha20Poly1305(cipher) => cipher.encrypt(&xnonce(suffix), payload).ok()?,
        };
        Some([header, &sealed, &suffix].concat())
    }
}

fn nonce(suffix: [u8; NONCE_SUFFIX]) -> Nonce<U12> {
    let mut nonce = Nonce::default();
    nonce[..NONCE_SUFFIX].copy_from_slice(&suffix);
    nonce
}

fn xnonce(suffix: [u8; NONCE_SUFFIX]) -> XNonce {
    let mut nonce = XNonce::default();
    nonce[..NONCE_SUFFIX].copy_from_slice(&suffix);
    nonce
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn opens_what_was_sealed_and_nothing_else() {
        for mode in [
            TransportMode::Aes256GcmRtpSize,
            TransportMode::XChaCha20Poly1305RtpSize,
        ] {
            let cipher = TransportCipher::new(mode, &[7; 32]);
            let packet = cipher.seal(&[0x80; 12], b"opus", 9).unwrap();
            assert_eq!(cipher.open(&packet, 12).unwrap(), b"opus");

            let mut changed = packet.clone();
            changed[3] ^= 1;
            assert!(cipher.open(&changed, 12).is_none());
            assert!(cipher.open(&packet[..10], 12).is_none());
            assert!(cipher.open(&[1], 12).is_none());
            let other = TransportCipher::new(mode, &[8; 32]);
            assert!(other.open(&packet, 12).is_none());
        }
    }
}
