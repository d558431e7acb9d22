//! The voice gateway's part in MLS: the external sender, who alone may propose to add or remove
//! members (dave-protocol, "Delivery Service").

use openmls::prelude::tls_codec::{DeserializeBytes, Serialize, VLBytes};
use openmls::prelude::*;
use openmls_basic_credential::SignatureKeyPair;
use openmls_rust_crypto::OpenMlsRustCrypto;
use sha2::{Digest, Sha256};

use crate::{ChannelId, Error, UserId};

/// DAVE protocol version 1.
const CIPHERSUITE: Ciphersuite = Ciphersuite::MLS_128_DHKEMP256_AES128GCM_SHA256_P256;

/// Identity in the external sender's credential. Clients only compare it with what op 25 said.
const IDENTITY: &[u8] = b"discord-sim";

pub(crate) struct VoiceGatewaySender {
    provider: OpenMlsRustCrypto,
    signer: SignatureKeyPair,
    sender: ExternalSender,
    channel: ChannelId,
    group: GroupId,
}

/// A proposal that the gateway makes.
#[derive(Clone)]
pub(crate) enum Change {
    /// The owner of this validated key package is added.
    Add(Box<KeyPackage>),
    /// The member with this leaf is removed.
    Remove(LeafNodeIndex),
}

impl VoiceGatewaySender {
    /// The sender for the call in `channel`, whose id is the group's id.
    pub(crate) fn new(channel: ChannelId) -> Result<Self, Error> {
        let signer = SignatureKeyPair::new(CIPHERSUITE.signature_algorithm()).map_err(dave)?;
        let credential = BasicCredential::new(IDENTITY.to_vec());
        Ok(Self {
            sender: ExternalSender::new(signer.public().into(), credential.into()),
            provider: OpenMlsRustCrypto::default(),
            signer,
            channel,
            group: GroupId::from_slice(&channel.0.to_be_bytes()),
        })
    }

    pub(crate) fn channel(&self) -> ChannelId {
        self.channel
    }

    /// Payload of op 25.
    pub(crate) fn package(&self) -> Result<Vec<u8>, Error> {
        self.sender.tls_serialize_detached().map_err(dave)
    }

    /// Checks a key package as the gateway must: signature, and that it is `user`'s own
    /// (dave-protocol, "Key Packages: Validation").
    pub(crate) fn validate(&self, key_package: &[u8], user: UserId) -> Result<Change, Error> {
        let key_package = KeyPackageIn::tls_deserialize_exact_bytes(key_package)
            .map_err(dave)?
            .validate(self.provider.crypto(), ProtocolVersion::Mls10)
            .map_err(dave)?;
        let identity = key_package.leaf_node().credential().serialized_content();
        if identity != user.0.to_be_bytes() {
            return Err(Error::Dave("key package of another user".to_owned()));
        }
        Ok(Change::Add(Box::new(key_package)))
    }

    /// The message that proposes `change` in `epoch`.
    pub(crate) fn propose(&self, epoch: u64, change: &Change) -> Result<Vec<u8>, Error> {
        let (group, epoch) = (self.group.clone(), GroupEpoch::from(epoch));
        let index = SenderExtensionIndex::new(0);
        let message = match change {
            Change::Add(key_package) => ExternalProposal::new_add::<OpenMlsRustCrypto>(
                key_package.as_ref().clone(),
                group,
                epoch,
                &self.signer,
                index,
            )
            .map_err(dave)?,
            Change::Remove(leaf) => ExternalProposal::new_remove::<OpenMlsRustCrypto>(
                *leaf,
                group,
                epoch,
                &self.signer,
                index,
            )
            .map_err(dave)?,
        };
        message.tls_serialize_detached().map_err(dave)
    }
}

/// What a commit names a proposal by (RFC 9420, section 5.2): the hash of the authenticated
/// content. That is the message without its protocol version; a proposal from outside has no
/// membership tag behind it.
pub(crate) fn proposal_reference(message: &[u8]) -> Result<Vec<u8>, Error> {
    const LABEL: &[u8] = b"MLS 1.0 Proposal Reference";
    let content = message
        .get(2..)
        .ok_or_else(|| Error::Dave("not a proposal".to_owned()))?;
    let mut input = vector(LABEL)?;
    input.extend(vector(content)?);
    Ok(Sha256::digest(&input).to_vec())
}

/// A vector as MLS writes it: its length first.
pub(crate) fn vector(bytes: &[u8]) -> Result<Vec<u8>, Error> {
    VLBytes::new(bytes.to_vec())
        .tls_serialize_detached()
        .map_err(dave)
}

/// Op 28's payload.
pub(crate) struct ClientCommit<'a> {
    /// The epoch that it ends.
    pub(crate) epoch: u64,
    pub(crate) commit: &'a [u8],
    /// For those that it adds.
    pub(crate) welcome: Option<&'a [u8]>,
}

impl<'a> ClientCommit<'a> {
    pub(crate) fn parse(payload: &'a [u8]) -> Result<Self, Error> {
        let (message, welcome) = MlsMessageIn::tls_deserialize_bytes(payload).map_err(dave)?;
        let message = message.try_into_protocol_message().map_err(dave)?;
        Ok(Self {
            epoch: message.epoch().as_u64(),
            commit: &payload[..payload.len() - welcome.len()],
            welcome: (!welcome.is_empty()).then_some(welcome),
        })
    }

    /// Whether it refers to the proposal. References are hashes: their bytes stand nowhere else.
    pub(crate) fn names(&self, reference: &[u8]) -> bool {
        self.commit
            .windows(reference.len())
            .any(|bytes| bytes == reference)
    }
}

/// Errors of the MLS libraries are many types; only their text is of use here.
pub(crate) fn dave(error: impl std::fmt::Debug) -> Error {
    Error::Dave(format!("{error:?}"))
}
