//! The voice gateway's part in MLS: the external sender, who alone may propose to add or remove
//! members (dave-protocol, "Delivery Service").

use openmls::prelude::tls_codec::{DeserializeBytes, Serialize, VLBytes};
use openmls::prelude::*;
use openmls_basic_credential::SignatureKeyPair;
use openmls_rust_crypto::OpenMlsRustCrypto;

use crate::{ChannelId, Error, UserId};

/// DAVE protocol version 1.
const CIPHERSUITE: Ciphersuite = Ciphersuite::MLS_128_DHKEMP256_AES128GCM_SHA256_P256;

/// Identity in the external sender's credential. Clients only compare it with what op 25 said.
const IDENTITY: &[u8] = b"discord-sim";

pub(crate) struct VoiceGatewaySender {
    provider: OpenMlsRustCrypto,
    signer: SignatureKeyPair,
    sender: ExternalSender,
    group: GroupId,
}

/// A proposal that the gateway makes.
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
            group: GroupId::from_slice(&channel.0.to_be_bytes()),
        })
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

    /// Payload of op 27 that appends these proposals in `epoch`.
    pub(crate) fn propose(&self, epoch: u64, changes: &[Change]) -> Result<Vec<u8>, Error> {
        let mut messages = Vec::new();
        for change in changes {
            let message = match change {
                Change::Add(key_package) => ExternalProposal::new_add::<OpenMlsRustCrypto>(
                    key_package.as_ref().clone(),
                    self.group.clone(),
                    GroupEpoch::from(epoch),
                    &self.signer,
                    SenderExtensionIndex::new(0),
                )
                .map_err(dave)?,
                Change::Remove(leaf) => ExternalProposal::new_remove::<OpenMlsRustCrypto>(
                    *leaf,
                    self.group.clone(),
                    GroupEpoch::from(epoch),
                    &self.signer,
                    SenderExtensionIndex::new(0),
                )
                .map_err(dave)?,
            };
            message.tls_serialize(&mut messages).map_err(dave)?;
        }
        VLBytes::new(messages)
            .tls_serialize_detached()
            .map_err(dave)
    }
}

/// Splits op 28's payload into the commit and what follows it: the welcome, if there is one.
/// The commit must be for `epoch`.
pub(crate) fn split_commit_welcome(
    payload: &[u8],
    epoch: u64,
) -> Result<(&[u8], Option<&[u8]>), Error> {
    let (message, welcome) = MlsMessageIn::tls_deserialize_bytes(payload).map_err(dave)?;
    let commit = &payload[..payload.len() - welcome.len()];
    let message = message.try_into_protocol_message().map_err(dave)?;
    if message.epoch().as_u64() != epoch {
        return Err(Error::Dave(format!(
            "commit for epoch {}, the group is at {epoch}",
            message.epoch()
        )));
    }
    Ok((commit, (!welcome.is_empty()).then_some(welcome)))
}

/// Errors of the MLS libraries are many types; only their text is of use here.
pub(crate) fn dave(error: impl std::fmt::Debug) -> Error {
    Error::Dave(format!("{error:?}"))
}
