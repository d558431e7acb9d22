//! Secrets at rest: sealed with a key that stands in no database.

use aes_gcm::aead::{Aead, AeadCore, KeyInit, OsRng};
use aes_gcm::{Aes256Gcm, Nonce};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

const NONCE: usize = 12;

/// Seals and opens with AES-256-GCM. The key comes from the accounts' tokens: whoever may lead has
/// them, and a change of the tokens makes what they protected useless, as it should.
#[derive(Clone)]
pub struct Seal {
    cipher: Aes256Gcm,
}

impl Seal {
    /// The seal of these tokens; their order does not matter.
    pub fn new<'a>(tokens: impl IntoIterator<Item = &'a SecretString>) -> Self {
        let mut digests: Vec<[u8; 32]> = tokens
            .into_iter()
            .map(|token| Sha256::digest(token.expose_secret()).into())
            .collect();
        digests.sort_unstable();
        let mut key = Sha256::new_with_prefix(b"orb account state v1");
        for digest in digests {
            key.update(digest);
        }
        Self {
            cipher: Aes256Gcm::new(&key.finalize()),
        }
    }

    /// Under a fresh nonce, which stands before the sealed text.
    pub(crate) fn close(&self, clear: &[u8]) -> Vec<u8> {
        let nonce = Aes256Gcm::generate_nonce(OsRng);
        let sealed = self
            .cipher
            .encrypt(&nonce, clear)
            .expect("AES-GCM only refuses messages of many gigabytes");
        [nonce.as_slice(), &sealed].concat()
    }

    /// None when it was sealed by other tokens or is damaged.
    pub(crate) fn open(&self, sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = sealed.split_at_checked(NONCE)?;
        self.cipher.decrypt(Nonce::from_slice(nonce), sealed).ok()
    }
}

impl std::fmt::Debug for Seal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seal")
    }
}
