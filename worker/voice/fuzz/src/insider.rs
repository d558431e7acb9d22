//! A member of the call that holds the group's keys and keeps no rule of DAVE's: it commits to what nobody proposed.

use openmls::prelude::{
    tls_codec::{DeserializeBytes, Serialize},
    *,
};
use openmls_basic_credential::SignatureKeyPair;
use openmls_rust_crypto::OpenMlsRustCrypto;

use super::{
    input::Input,
    voice_server::{SCHEME, key_package},
};

pub(super) struct Insider {
    provider: OpenMlsRustCrypto,
    signer: SignatureKeyPair,
    name: CredentialWithKey,
    group: Option<MlsGroup>,
}

impl Insider {
    pub(super) fn new(user: u64) -> Self {
        let signer = SignatureKeyPair::new(SCHEME).expect("random numbers");
        let name = CredentialWithKey {
            credential: BasicCredential::new(user.to_be_bytes().to_vec()).into(),
            signature_key: signer.public().into(),
        };
        Self {
            provider: OpenMlsRustCrypto::default(),
            signer,
            name,
            group: None,
        }
    }

    pub(super) fn key_package(&self) -> Vec<u8> {
        key_package(&self.provider, &self.signer, self.name.clone())
    }

    /// Joins by what others were sent, if it is for this one.
    pub(super) fn join(&mut self, welcome: &[u8]) {
        let config = MlsGroupJoinConfig::builder()
            .use_ratchet_tree_extension(true)
            .wire_format_policy(PURE_PLAINTEXT_WIRE_FORMAT_POLICY)
            .build();
        let Ok(welcome) = Welcome::tls_deserialize_exact_bytes(welcome) else {
            return;
        };
        let joined = StagedWelcome::new_from_welcome(&self.provider, &config, welcome, None)
            .and_then(|staged| staged.into_group(&self.provider));
        if let Ok(group) = joined {
            self.group = Some(group);
        }
    }

    /// Takes a proposal or a commit.
    pub(super) fn follow(&mut self, message: &[u8]) {
        let Some(group) = &mut self.group else { return };
        let Ok(message) = MlsMessageIn::tls_deserialize_exact_bytes(message) else {
            return;
        };
        let Ok(message) = message.try_into_protocol_message() else {
            return;
        };
        let Ok(processed) = group.process_message(&self.provider, message) else {
            return;
        };
        let storage = self.provider.storage();
        let _ = match processed.into_content() {
            ProcessedMessageContent::ProposalMessage(proposal) => {
                group.store_pending_proposal(storage, *proposal).is_ok()
            }
            ProcessedMessageContent::StagedCommitMessage(commit) => {
                group.merge_staged_commit(&self.provider, *commit).is_ok()
            }
            _ => false,
        };
    }

    /// A commit with a valid signature, and the welcome to it.
    pub(super) fn commit(&mut self, input: &mut Input<'_>) -> Option<(Vec<u8>, Option<Vec<u8>>)> {
        let (what, merge) = (input.byte(), input.byte() < 200);
        let (leaf, length) = (input.byte() % 6, input.below(12));
        let bit = |bit: u8| what & (1 << bit) != 0;
        let name = BasicCredential::new(input.take(length).to_vec()).into();
        let other = CredentialWithKey {
            credential: name,
            ..self.name.clone()
        };
        let group = self.group.as_mut()?;
        // Once it was removed it adds nobody: the newcomer would get its own leaf. openmls asks for that only where a
        // member makes its commit as ours do (a debug assertion in what is called here, an error in a release).
        let added = (bit(2) && group.is_active()).then(|| {
            let package = key_package(&self.provider, &self.signer, other.clone());
            let package = KeyPackageIn::tls_deserialize_exact_bytes(&package).ok()?;
            let crypto = self.provider.crypto();
            package.validate(crypto, ProtocolVersion::Mls10).ok()
        });
        let mut leaf_node = LeafNodeParameters::builder();
        if bit(4) {
            leaf_node = leaf_node.with_credential_with_key(other);
        }
        let storage = self.provider.storage();
        group.clear_pending_commit(storage).ok()?;
        let made = group
            .commit_builder()
            .consume_proposal_store(!bit(0))
            .force_self_update(bit(1))
            .propose_adds(added.flatten())
            .propose_removals(bit(3).then(|| LeafNodeIndex::new(leaf.into())))
            .leaf_node_parameters(leaf_node.build())
            .load_psks(storage)
            .ok()?;
        let (rand, crypto) = (self.provider.rand(), self.provider.crypto());
        let made = made.build(rand, crypto, &self.signer, |_| true).ok()?;
        let (commit, welcome, _) = made.stage_commit(&self.provider).ok()?.into_contents();
        if merge {
            group.merge_pending_commit(&self.provider).ok()?;
        }
        let commit = commit.tls_serialize_detached().ok()?;
        Some((
            commit,
            welcome.and_then(|welcome| welcome.tls_serialize_detached().ok()),
        ))
    }

    /// A message that only members can make, and that has no place in a call.
    pub(super) fn message(&mut self, input: &mut Input<'_>) -> Option<Vec<u8>> {
        let (what, leaf) = (input.byte() % 4, input.byte() % 6);
        let (provider, signer) = (&self.provider, &self.signer);
        let group = self.group.as_mut()?;
        group.clear_pending_commit(provider.storage()).ok()?;
        let message = match what {
            0 => group.create_message(provider, signer, b"hello").ok()?,
            1 => group.leave_group(provider, signer).ok()?,
            2 => {
                let leaf = LeafNodeIndex::new(leaf.into());
                group.propose_remove_member(provider, signer, leaf).ok()?.0
            }
            _ => {
                let same = LeafNodeParameters::default();
                group.propose_self_update(provider, signer, same).ok()?.0
            }
        };
        message.tls_serialize_detached().ok()
    }
}
