//! What a voice server can sign: proposals from outside of the group (RFC 9420, sections 6.1 and 12.1.8).
//!
//! Written by hand where a library would refuse: a hostile server can sign anything.

use openmls::prelude::{tls_codec::Serialize, *};
use openmls_basic_credential::SignatureKeyPair;
use openmls_rust_crypto::OpenMlsRustCrypto;

const CIPHERSUITE: Ciphersuite = Ciphersuite::MLS_128_DHKEMP256_AES128GCM_SHA256_P256;
pub(super) const SCHEME: SignatureScheme = SignatureScheme::ECDSA_SECP256R1_SHA256;

/// Protocol version 1 (two bytes), a public message (two bytes).
const PUBLIC_MESSAGE: [u8; 4] = [0, 1, 0, 1];

/// Sender from outside, the first (five bytes); no authenticated data; a proposal.
const EXTERNAL_PROPOSAL: [u8; 7] = [2, 0, 0, 0, 0, 0, 2];

pub(super) const ADD: u16 = 1;
pub(super) const REMOVE: u16 = 3;

pub(super) struct ExternalSender {
    provider: OpenMlsRustCrypto,
    private: Vec<u8>,
    public: Vec<u8>,
    group: u64,
}

impl ExternalSender {
    pub(super) fn new(group: u64) -> Self {
        let provider = OpenMlsRustCrypto::default();
        let keys = provider.crypto().signature_key_gen(SCHEME);
        let (private, public) = keys.expect("random numbers");
        Self {
            provider,
            private,
            public,
            group,
        }
    }

    /// Op 25's payload: key, and a basic credential.
    pub(super) fn package(&self) -> Vec<u8> {
        [&*vector(&self.public), &[0, 1], &vector(b"server")].concat()
    }

    /// A signed message that proposes something.
    pub(super) fn proposal(&self, epoch: u64, kind: u16, body: &[u8]) -> Vec<u8> {
        let mut message = PUBLIC_MESSAGE.to_vec();
        message.extend(vector(&self.group.to_be_bytes()));
        message.extend(epoch.to_be_bytes());
        message.extend(EXTERNAL_PROPOSAL);
        message.extend(kind.to_be_bytes());
        message.extend(body);
        self.sign(message)
    }

    /// The message with its signature.
    pub(super) fn sign(&self, mut message: Vec<u8>) -> Vec<u8> {
        let label = vector(b"MLS 1.0 FramedContentTBS");
        let signed = [label, vector(&message)].concat();
        let signature = self.provider.crypto().sign(SCHEME, &signed, &self.private);
        message.extend(vector(&signature.expect("a valid key")));
        message
    }

    /// What revokes a proposal (RFC 9420, section 5.2).
    pub(super) fn reference(&self, message: &[u8]) -> Vec<u8> {
        let label = vector(b"MLS 1.0 Proposal Reference");
        let content = message.get(2..).unwrap_or_default();
        let hashed = [label, vector(content)].concat();
        let hash = self.provider.crypto().hash(HashType::Sha2_256, &hashed);
        vector(&hash.expect("a hash that is supported"))
    }

    /// A valid key package of somebody whose name need not be a user's id.
    pub(super) fn stranger(&self, name: &[u8]) -> Vec<u8> {
        let signer = SignatureKeyPair::new(SCHEME).expect("random numbers");
        let credential = CredentialWithKey {
            credential: BasicCredential::new(name.to_vec()).into(),
            signature_key: signer.public().into(),
        };
        key_package(&self.provider, &signer, credential)
    }
}

pub(super) fn key_package(
    provider: &OpenMlsRustCrypto,
    signer: &SignatureKeyPair,
    name: CredentialWithKey,
) -> Vec<u8> {
    let package = KeyPackage::builder().build(CIPHERSUITE, provider, signer, name);
    let package = package.expect("a key package");
    let package = package.key_package().tls_serialize_detached();
    package.expect("memory to write into")
}

/// A vector as MLS writes it, its length first (RFC 9420, section 2.1.2).
pub(super) fn vector(bytes: &[u8]) -> Vec<u8> {
    let length = bytes.len();
    let mut vector = match length {
        0..64 => vec![length as u8],
        64..16384 => (0x4000 | length as u16).to_be_bytes().to_vec(),
        _ => (0x8000_0000 | length as u32).to_be_bytes().to_vec(),
    };
    vector.extend(bytes);
    vector
}
