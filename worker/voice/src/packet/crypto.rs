//! The two `rtpsize` transport encryptions of the `udp` protocol.
//!
//! ```text
//!   authenticated, clear                              encrypted                        clear
//!  ┌──────────────┬───────┬──────────────────┐┌──────────────────┬─────────┐┌─────┬──────────────┐
//!  │ RTP header 12│ CSRCs │ extension header │ │ extension body   │ payload │ │ tag │ nonce, first │
//!  │              │       │ 4, if it has one │ │                  │         │ │ 16  │ 4 bytes of it│
//!  └──────────────┴───────┴──────────────────┘└──────────────────┴─────────┘└─────┴──────────────┘
//! ```
//!
//! The rest of the nonce is zero: 12 bytes in all for AES-GCM, 24 for `XChaCha20`. (Discord, "Voice connections:
//! transport encryption modes"; that the four bytes come first is in no document, other clients do it.) The receiver
//! takes the four bytes as they stand, so their order is the sender's own; here the highest comes first.

use std::fmt;
use std::ops::Range;

use aes_gcm::aead::{AeadInPlace, KeyInit};
use aes_gcm::{Aes256Gcm, Nonce};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use secrecy::{ExposeSecret, SecretBox};

use super::PacketError;

/// Bytes of the authentication tag.
const TAG: usize = 16;

/// Bytes of the nonce that go with the packet.
const NONCE_SUFFIX: usize = 4;

/// How many bytes longer a packet is than its header and payload.
pub(super) const OVERHEAD: usize = TAG + NONCE_SUFFIX;

/// A transport encryption that this crate speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TransportMode {
    /// AES-256-GCM. Discord prefers it, and offers it where its machine has the instructions.
    Aes256Gcm,
    /// XChaCha20-Poly1305. Every voice server offers it.
    XChaCha20Poly1305,
}

impl TransportMode {
    /// Both, the preferred first.
    pub const PREFERENCE: [Self; 2] = [Self::Aes256Gcm, Self::XChaCha20Poly1305];

    /// The name in READY (op 2), SELECT PROTOCOL (op 1) and SESSION DESCRIPTION (op 4).
    pub fn name(self) -> &'static str {
        match self {
            Self::Aes256Gcm => "aead_aes256_gcm_rtpsize",
            Self::XChaCha20Poly1305 => "aead_xchacha20_poly1305_rtpsize",
        }
    }

    /// The mode of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::PREFERENCE
            .into_iter()
            .find(|mode| mode.name() == name)
    }

    /// The best of what READY offers. `None`: nothing of it is known here.
    pub fn choose(offered: &[impl AsRef<str>]) -> Option<Self> {
        let offers = |mode: &Self| offered.iter().any(|name| name.as_ref() == mode.name());
        Self::PREFERENCE.into_iter().find(offers)
    }
}

/// A connection's transport key, from SESSION DESCRIPTION (op 4). Wiped from memory when dropped.
///
/// It cannot be copied, because two layers with the same key would use the same nonces.
pub struct TransportKey(SecretBox<[u8; 32]>);

impl TransportKey {
    /// The 32 bytes of `secret_key`.
    pub fn new(key: [u8; 32]) -> Self {
        Self(SecretBox::new(Box::new(key)))
    }
}

impl fmt::Debug for TransportKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TransportKey")
    }
}

/// Numbers for packets, each once.
///
/// They begin anywhere, so that they are unlikely to be the ones that the server uses under the same key for its own
/// packets.
pub(super) struct Nonces {
    next: u32,
    left: u64,
}

impl Nonces {
    pub(super) fn begin_at(first: u32) -> Self {
        let left = 1 << u32::BITS;
        Self { next: first, left }
    }

    /// A number that was not given out before. At 50 packets a second they last for 2.7 years.
    pub(super) fn take(&mut self) -> Result<u32, PacketError> {
        let left = self.left.checked_sub(1);
        self.left = left.ok_or(PacketError::NoncesUsedUp)?;
        let nonce = self.next;
        self.next = nonce.wrapping_add(1);
        Ok(nonce)
    }
}

/// Seals and opens packets in place.
pub(super) enum Cipher {
    Aes256Gcm(Box<Aes256Gcm>),
    XChaCha20Poly1305(XChaCha20Poly1305),
}

impl Cipher {
    pub(super) fn new(mode: TransportMode, key: &TransportKey) -> Self {
        let key = key.0.expose_secret().into();
        match mode {
            TransportMode::Aes256Gcm => Self::Aes256Gcm(Box::new(Aes256Gcm::new(key))),
            TransportMode::XChaCha20Poly1305 => {
                Self::XChaCha20Poly1305(XChaCha20Poly1305::new(key))
            }
        }
    }

    /// Encrypts all but the first `clear` bytes of `packet`, and appends tag and nonce.
    pub(super) fn seal(&self, packet: &mut Vec<u8>, clear: usize, nonce: u32) {
        let suffix = nonce.to_be_bytes();
        let (aad, body) = packet.split_at_mut(clear);
        let tag = match self {
            Self::Aes256Gcm(aes) => {
                aes.encrypt_in_place_detached(&Nonce::from(padded(suffix)), aad, body)
            }
            Self::XChaCha20Poly1305(chacha) => {
                chacha.encrypt_in_place_detached(&XNonce::from(padded(suffix)), aad, body)
            }
        };
        let tag = tag.expect("a datagram is gigabytes below the ciphers' limit");
        packet.extend_from_slice(&tag);
        packet.extend_from_slice(&suffix);
    }

    /// Decrypts all but the first `clear` bytes of `packet`; returns where the plain text stands in it.
    pub(super) fn open(
        &self,
        packet: &mut [u8],
        clear: usize,
    ) -> Result<Range<usize>, PacketError> {
        let end = packet.len().checked_sub(OVERHEAD);
        let Some(end) = end.filter(|end| *end >= clear) else {
            return Err(PacketError::Malformed("no room for tag and nonce"));
        };
        let (sealed, trailer) = packet.split_at_mut(end);
        let (aad, body) = sealed.split_at_mut(clear);
        let (tag, suffix) = trailer.split_at(TAG);
        let suffix = suffix
            .try_into()
            .expect("the trailer is a tag and a suffix");
        let opened = match self {
            Self::Aes256Gcm(aes) => {
                let nonce = Nonce::from(padded(suffix));
                aes.decrypt_in_place_detached(&nonce, aad, body, tag.into())
            }
            Self::XChaCha20Poly1305(chacha) => {
                let nonce = XNonce::from(padded(suffix));
                chacha.decrypt_in_place_detached(&nonce, aad, body, tag.into())
            }
        };
        opened.map_err(|_| PacketError::NotAuthentic)?;
        Ok(clear..end)
    }
}

fn padded<const N: usize>(suffix: [u8; NONCE_SUFFIX]) -> [u8; N] {
    let mut nonce = [0; N];
    nonce[..NONCE_SUFFIX].copy_from_slice(&suffix);
    nonce
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn gcm_is_chosen_where_it_is_offered() {
        let modes = ["xsalsa20_poly1305", "aead_xchacha20_poly1305_rtpsize"];
        let both = [modes[1], modes[0], "aead_aes256_gcm_rtpsize"];
        assert_eq!(TransportMode::choose(&both), Some(TransportMode::Aes256Gcm));
        assert_eq!(
            TransportMode::choose(&modes),
            Some(TransportMode::XChaCha20Poly1305)
        );
        assert_eq!(TransportMode::choose(&modes[..1]), None);
        for mode in TransportMode::PREFERENCE {
            assert_eq!(TransportMode::from_name(mode.name()), Some(mode));
        }
    }

    #[test]
    fn a_key_is_not_printed() {
        assert_eq!(format!("{:?}", TransportKey::new([7; 32])), "TransportKey");
    }

    #[test]
    fn nonces_go_round_once() {
        let mut nonces = Nonces::begin_at(u32::MAX);
        assert_eq!(nonces.take(), Ok(u32::MAX));
        assert_eq!(nonces.take(), Ok(0));
        assert_eq!(nonces.left, (1 << 32) - 2);

        let mut last = Nonces { next: 9, left: 1 };
        assert_eq!(last.take(), Ok(9));
        assert_eq!(last.take(), Err(PacketError::NoncesUsedUp));
        assert_eq!(last.take(), Err(PacketError::NoncesUsedUp));
    }

    fn modes() -> impl Strategy<Value = TransportMode> {
        proptest::sample::select(&TransportMode::PREFERENCE[..])
    }

    proptest! {
        #[test]
        fn what_was_sealed_opens(
            mode in modes(), key: [u8; 32], nonce: u32, plain: Vec<u8>, part in 0.0..=1.0,
        ) {
            let clear = (plain.len() as f64 * part) as usize;
            let cipher = Cipher::new(mode, &TransportKey::new(key));
            let mut packet = plain.clone();
            cipher.seal(&mut packet, clear, nonce);
            prop_assert_eq!(packet.len(), plain.len() + OVERHEAD);
            prop_assert_eq!(&packet[..clear], &plain[..clear]);
            let opened = cipher.open(&mut packet, clear).unwrap();
            prop_assert_eq!(&packet[opened], &plain[clear..]);
        }

        #[test]
        fn nothing_else_opens(
            mode in modes(), key: [u8; 32], plain in any::<[u8; 40]>(), at in 0_usize..60, bit in 0..8,
        ) {
            let cipher = Cipher::new(mode, &TransportKey::new(key));
            let mut packet = plain.to_vec();
            cipher.seal(&mut packet, 12, 1);
            packet[at] ^= 1_u8 << bit;
            prop_assert_eq!(cipher.open(&mut packet, 12), Err(PacketError::NotAuthentic));
        }

        #[test]
        fn garbage_does_not_panic(mode in modes(), mut packet: Vec<u8>, clear in 0_usize..100) {
            let cipher = Cipher::new(mode, &TransportKey::new([1; 32]));
            prop_assert!(cipher.open(&mut packet, clear).is_err());
        }
    }
}
