//! The keys of a server's SRTCP, taken where str0m encrypts with them: so that anything can be sealed.

use std::{cell::RefCell, sync::Arc};

use aes_gcm::{
    Aes128Gcm, Aes256Gcm, Nonce,
    aead::{AeadInPlace, KeyInit},
};
use str0m::{
    config::CryptoProvider,
    crypto::{
        AeadAes128GcmCipher, AeadAes256GcmCipher, CryptoError, SrtpProvider,
        SupportedAeadAes128Gcm, SupportedAeadAes256Gcm, SupportedAes128CmSha1_80,
        from_feature_flags,
    },
};

/// Of an RTCP packet, what stays clear: header and sender.
const CLEAR: usize = 8;

/// Of SRTCP's index: the packet is encrypted.
const ENCRYPTED: u32 = 1 << 31;

/// A tapped packet's index is far below.
const FIRST_INDEX: u32 = 1 << 20;

#[derive(Clone, Copy)]
enum Key {
    Aes128([u8; 16]),
    Aes256([u8; 32]),
}

/// Seals as the tapped server does (RFC 7714, section 9).
pub(super) struct Sealer {
    key: Key,
    salt: [u8; 12],
    index: u32,
}

thread_local! {
    /// Of the server on this thread, from its last RTCP packet.
    static TAPPED: RefCell<Option<Sealer>> = const { RefCell::new(None) };
}

impl Sealer {
    /// What was tapped on this thread since the last call.
    pub(super) fn take() -> Option<Self> {
        TAPPED.take()
    }

    /// One that seals nothing that anybody takes.
    pub(super) fn none() -> Self {
        Self {
            key: Key::Aes128([0; 16]),
            salt: [0; 12],
            index: 0,
        }
    }

    fn tap(key: Key, iv: [u8; 12], clear: &[u8]) {
        // Of SRTP the clear part is another: a header of twelve bytes, and version 2 with a media's payload type.
        let Ok(clear) = <&[u8; CLEAR + 4]>::try_from(clear) else {
            return;
        };
        if !(200..=207).contains(&clear[1]) {
            return;
        }
        let [.., s0, s1, s2, s3, i0, i1, i2, i3] = *clear;
        let index = u32::from_be_bytes([i0, i1, i2, i3]) & !ENCRYPTED;
        let salt = mixed(iv, [s0, s1, s2, s3], index);
        TAPPED.set(Some(Self {
            key,
            salt,
            index: FIRST_INDEX,
        }));
    }

    /// `None` for what is too short to be RTCP.
    pub(super) fn seal(&mut self, rtcp: &[u8]) -> Option<Vec<u8>> {
        let (clear, rest) = rtcp.split_at_checked(CLEAR)?;
        self.index += 1;
        let sender = [clear[4], clear[5], clear[6], clear[7]];
        let iv = mixed(self.salt, sender, self.index);
        let trailer = (self.index | ENCRYPTED).to_be_bytes();
        let associated = [clear, &trailer].concat();
        let mut body = rest.to_vec();
        let nonce = Nonce::from_slice(&iv);
        let tag = match self.key {
            Key::Aes128(key) => {
                Aes128Gcm::new(&key.into()).encrypt_in_place_detached(nonce, &associated, &mut body)
            }
            Key::Aes256(key) => {
                Aes256Gcm::new(&key.into()).encrypt_in_place_detached(nonce, &associated, &mut body)
            }
        };
        Some([clear, &body, &tag.ok()?, &trailer].concat())
    }
}

/// Salt and nonce are each other, mixed with sender and index.
fn mixed(mut bytes: [u8; 12], sender: [u8; 4], index: u32) -> [u8; 12] {
    for (byte, other) in bytes[2..6].iter_mut().zip(sender) {
        *byte ^= other;
    }
    for (byte, other) in bytes[8..].iter_mut().zip(index.to_be_bytes()) {
        *byte ^= other;
    }
    bytes
}

/// str0m's own provider, tapped.
pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(CryptoProvider {
        srtp_provider: &Tap,
        ..from_feature_flags()
    })
}

#[derive(Debug)]
struct Tap;

fn real() -> &'static dyn SrtpProvider {
    from_feature_flags().srtp_provider
}

impl SrtpProvider for Tap {
    fn aes_128_cm_sha1_80(&self) -> &'static dyn SupportedAes128CmSha1_80 {
        real().aes_128_cm_sha1_80()
    }

    fn aead_aes_128_gcm(&self) -> &'static dyn SupportedAeadAes128Gcm {
        &Tap
    }

    fn aead_aes_256_gcm(&self) -> &'static dyn SupportedAeadAes256Gcm {
        &Tap
    }

    fn srtp_aes_128_ecb_round(&self, key: &[u8], input: &[u8], output: &mut [u8]) {
        real().srtp_aes_128_ecb_round(key, input, output);
    }

    fn srtp_aes_256_ecb_round(&self, key: &[u8], input: &[u8], output: &mut [u8]) {
        real().srtp_aes_256_ecb_round(key, input, output);
    }
}

impl SupportedAeadAes128Gcm for Tap {
    fn create_cipher(&self, key: [u8; 16], encrypt: bool) -> Box<dyn AeadAes128GcmCipher> {
        let real = real().aead_aes_128_gcm().create_cipher(key, encrypt);
        Box::new(Tapped128 { key, real })
    }
}

impl SupportedAeadAes256Gcm for Tap {
    fn create_cipher(&self, key: [u8; 32], encrypt: bool) -> Box<dyn AeadAes256GcmCipher> {
        let real = real().aead_aes_256_gcm().create_cipher(key, encrypt);
        Box::new(Tapped256 { key, real })
    }
}

#[derive(Debug)]
struct Tapped128 {
    key: [u8; 16],
    real: Box<dyn AeadAes128GcmCipher>,
}

#[derive(Debug)]
struct Tapped256 {
    key: [u8; 32],
    real: Box<dyn AeadAes256GcmCipher>,
}

impl AeadAes128GcmCipher for Tapped128 {
    fn encrypt(
        &mut self,
        iv: &[u8; 12],
        aad: &[u8],
        input: &[u8],
        output: &mut [u8],
    ) -> Result<(), CryptoError> {
        Sealer::tap(Key::Aes128(self.key), *iv, aad);
        self.real.encrypt(iv, aad, input, output)
    }

    fn decrypt(
        &mut self,
        iv: &[u8; 12],
        aads: &[&[u8]],
        input: &[u8],
        output: &mut [u8],
    ) -> Result<usize, CryptoError> {
        self.real.decrypt(iv, aads, input, output)
    }
}

impl AeadAes256GcmCipher for Tapped256 {
    fn encrypt(
        &mut self,
        iv: &[u8; 12],
        aad: &[u8],
        input: &[u8],
        output: &mut [u8],
    ) -> Result<(), CryptoError> {
        Sealer::tap(Key::Aes256(self.key), *iv, aad);
        self.real.encrypt(iv, aad, input, output)
    }

    fn decrypt(
        &mut self,
        iv: &[u8; 12],
        aads: &[&[u8]],
        input: &[u8],
        output: &mut [u8],
    ) -> Result<usize, CryptoError> {
        self.real.decrypt(iv, aads, input, output)
    }
}
