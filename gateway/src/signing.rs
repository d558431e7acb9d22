//! MACs and token comparison. Everything here takes the same time for a right and for a wrong answer.

use hmac::{Hmac, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq as _};

use crate::config::SigningKey;

/// What a MAC is for; a MAC of one purpose is worthless for the other.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Purpose {
    PageCookie,
    WatchLink,
}

impl Purpose {
    fn label(self) -> &'static [u8] {
        match self {
            Self::PageCookie => b"orb page cookie v1",
            Self::WatchLink => b"orb watch link v1",
        }
    }
}

/// Makes and checks HMAC-SHA256 over a list of parts.
#[derive(Clone)]
pub(crate) struct Signer(SigningKey);

impl Signer {
    pub(crate) fn new(key: SigningKey) -> Self {
        Self(key)
    }

    pub(crate) fn sign(&self, purpose: Purpose, parts: &[&[u8]]) -> Vec<u8> {
        self.mac(purpose, parts).finalize().into_bytes().to_vec()
    }

    pub(crate) fn verify(&self, purpose: Purpose, parts: &[&[u8]], tag: &[u8]) -> bool {
        self.mac(purpose, parts).verify_slice(tag).is_ok()
    }

    fn mac(&self, purpose: Purpose, parts: &[&[u8]]) -> Hmac<Sha256> {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.0.0).expect("HMAC takes keys of any length");
        for part in std::iter::once(purpose.label()).chain(parts.iter().copied()) {
            // Each part with its length, so that none can borrow a byte from its neighbour.
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac
    }
}

/// SHA-256 of a token; what is kept instead of the token.
pub(crate) type TokenHash = [u8; 32];

/// The tokens that callers may bear.
#[derive(Clone)]
pub(crate) struct TokenSet(Vec<TokenHash>);

impl TokenSet {
    pub(crate) fn new(tokens: &[SecretString]) -> Self {
        // An empty token would let in a caller who sends an empty header.
        let usable = tokens
            .iter()
            .filter(|token| !token.expose_secret().is_empty());
        Self(
            usable
                .map(|token| hash(token.expose_secret().as_bytes()))
                .collect(),
        )
    }

    /// The hash of the offered token, if it is a valid one. All are looked at, wherever a match stands.
    pub(crate) fn find(&self, offered: &[u8]) -> Option<TokenHash> {
        let offered = hash(offered);
        let found = self.0.iter().fold(Choice::from(0), |found, valid| {
            found | valid.ct_eq(&offered)
        });
        bool::from(found).then_some(offered)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &TokenHash> {
        self.0.iter()
    }
}

fn hash(bytes: &[u8]) -> TokenHash {
    Sha256::digest(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_valid_token_is_found_and_no_other() {
        let tokens = TokenSet::new(&["one".into(), "two".into(), "".into()]);
        assert!(tokens.find(b"one").is_some());
        assert!(tokens.find(b"two").is_some());
        for wrong in [&b""[..], b"on", b"one ", b"ONE"] {
            assert!(tokens.find(wrong).is_none());
        }
    }

    #[test]
    fn a_mac_is_bound_to_purpose_and_to_each_part() {
        let signer = Signer::new(SigningKey::from([7; 32]));
        let tag = signer.sign(Purpose::WatchLink, &[b"ab", b"c"]);
        assert!(signer.verify(Purpose::WatchLink, &[b"ab", b"c"], &tag));
        assert!(!signer.verify(Purpose::WatchLink, &[b"a", b"bc"], &tag));
        assert!(!signer.verify(Purpose::PageCookie, &[b"ab", b"c"], &tag));
        assert!(!Signer::new(SigningKey::from([8; 32])).verify(
            Purpose::WatchLink,
            &[b"ab", b"c"],
            &tag
        ));
        assert!(!signer.verify(Purpose::WatchLink, &[b"ab", b"c"], &tag[..31]));
    }
}
