//! End-to-end encryption: what the driver does with DAVE's messages, and whether a frame may be sent.
//!
//! The cryptography is davey's; this is the client's side of the conversation (dave-protocol, "Protocol Transitions")
//! and one rule of our own: **once a connection has negotiated DAVE, no frame leaves it in the clear**, whatever the
//! server says later. While there is no key (a group that is not complete, an epoch whose welcome has not come, a
//! downgrade), frames wait.

use std::{collections::BTreeSet, num::NonZeroU16};

use davey::{Codec, DaveSession, MediaType, ProposalsOperationType};

use crate::wire::{ClientMessage, DaveMessage, MAX_DAVE_VERSION, ProposalChange};

/// Opus for 20 ms of silence. DAVE leaves it in the clear (dave-protocol, "Silence Packets"): it tells nothing.
pub const OPUS_SILENCE: [u8; 3] = [0xf8, 0xff, 0xfe];

/// What a downgrade to transport encryption alone does. Discord requires end-to-end encryption of all clients since 1
/// March 2026, outside of stage channels: a downgrade can only come from somebody who wants to listen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnDowngrade {
    /// Frames wait until DAVE is back.
    #[default]
    Hold,
    /// Frames go on under transport encryption, as the protocol allows.
    Follow,
}

/// What became of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sealed {
    /// It may be sent as it stands in the output.
    Ready,
    /// There is no key: it must not be sent.
    NoKey,
}

/// A call has far fewer members (a voice channel holds 99, a stage more listeners); what a server says beyond it is
/// not remembered.
const MOST_MEMBERS: usize = 10_000;

/// Transitions that were announced and not executed: one is usual, two can overlap.
const MOST_TRANSITIONS: usize = 16;

/// Bytes of proposals that are taken in one epoch. Each is weighed against all before it, so that the time grows faster
/// than their number. A founding proposes some 500 bytes for each member.
const MOST_PROPOSED: usize = 256 << 10;

/// One connection's end-to-end encryption.
pub struct Dave {
    user_id: u64,
    group_id: u64,
    on_downgrade: OnDowngrade,
    session: Option<DaveSession>,
    /// DAVE was negotiated at some time.
    required: bool,
    /// The version in force; 0: transport encryption alone.
    version: u16,
    /// Announced and not executed: `(transition, version)`.
    prepared: Vec<(u16, u16)>,
    members: BTreeSet<u64>,
    /// Bytes of proposals since the epoch began.
    proposed: usize,
    invalid: u64,
}

impl Dave {
    /// No encryption yet: [`Dave::begin`] says which. The group's id is
    /// [`VoiceServer::dave_group`](crate::VoiceServer::dave_group).
    pub fn new(user_id: u64, group_id: u64, on_downgrade: OnDowngrade) -> Self {
        Self {
            user_id,
            group_id,
            on_downgrade,
            session: None,
            required: false,
            version: 0,
            prepared: Vec::new(),
            members: BTreeSet::from([user_id]),
            proposed: 0,
            invalid: 0,
        }
    }

    /// A session description with this version came: a new group begins. Returns what to answer.
    pub fn begin(&mut self, version: u16) -> Vec<ClientMessage> {
        self.session = None;
        self.prepared.clear();
        self.put_in_force(version);
        if version == 0 {
            return Vec::new();
        }
        self.new_group(version)
    }

    /// DAVE was negotiated in this channel before: no frame may leave it in the clear.
    pub fn require(&mut self) {
        self.required = true;
    }

    /// Whether DAVE was negotiated at any time.
    pub fn is_required(&self) -> bool {
        self.required
    }

    /// Whether a frame could be sent now.
    pub fn may_send(&self) -> bool {
        match &self.session {
            Some(session) if self.version > 0 => session.can_encrypt(),
            // With a version in force and no group for it, there is no key, whatever a downgrade may do.
            _ => self.version == 0 && (!self.required || self.on_downgrade == OnDowngrade::Follow),
        }
    }

    /// Commits and welcomes that could not be followed.
    pub fn invalid_commits(&self) -> u64 {
        self.invalid
    }

    /// The epoch of the group that was joined.
    pub fn epoch(&self) -> Option<u64> {
        let epoch = self.session.as_ref()?.epoch()?.as_u64();
        (epoch > 0).then_some(epoch)
    }

    /// A new session begins: who is in the call will be said.
    pub fn forget_members(&mut self) {
        self.members = BTreeSet::from([self.user_id]);
    }

    /// These are in the call.
    pub fn joined(&mut self, users: &[u64]) {
        let room = MOST_MEMBERS.saturating_sub(self.members.len());
        self.members.extend(users.iter().take(room));
    }

    /// This one is in the call no longer.
    pub fn left(&mut self, user: u64) {
        if user != self.user_id {
            self.members.remove(&user);
        }
    }

    /// Takes a message in and returns what to answer.
    pub fn handle(&mut self, message: DaveMessage) -> Vec<ClientMessage> {
        match message {
            DaveMessage::PrepareTransition {
                transition,
                version,
            } => self.prepare(transition, version),
            DaveMessage::ExecuteTransition { transition } => {
                self.execute(transition);
                Vec::new()
            }
            DaveMessage::PrepareEpoch { version, epoch } => {
                // Any other epoch is announced by its commit.
                if epoch == 1 && version > 0 {
                    self.required = true;
                    return self.new_group(version);
                }
                Vec::new()
            }
            DaveMessage::ExternalSender(package) => {
                if let Some(session) = &mut self.session
                    && let Err(error) = session.set_external_sender(&package)
                {
                    tracing::warn!(%error, "the external sender was not taken");
                }
                Vec::new()
            }
            DaveMessage::Proposals { change, payload } => self.proposals(change, &payload),
            DaveMessage::AnnounceCommit { transition, commit } => {
                let Some(session) = &mut self.session else {
                    return Vec::new();
                };
                match session.process_commit(&commit) {
                    Ok(true) => self.follow(transition),
                    // For a group that this client has no part in yet: its welcome will come.
                    Ok(false) => Vec::new(),
                    Err(error) => self.cannot_follow(transition, &error),
                }
            }
            DaveMessage::Welcome {
                transition,
                welcome,
            } => {
                let known: Vec<u64> = self.members.iter().copied().collect();
                let Some(session) = &mut self.session else {
                    return Vec::new();
                };
                match session.process_welcome(&welcome, Some(&known)) {
                    Ok(()) => self.follow(transition),
                    Err(error) => self.cannot_follow(transition, &error),
                }
            }
        }
    }

    /// Encrypts an Opus packet into `out`, which is cleared first.
    pub fn seal_opus(&mut self, packet: &[u8], out: &mut Vec<u8>) -> Sealed {
        if packet == OPUS_SILENCE {
            out.clear();
            out.extend_from_slice(packet);
            return Sealed::Ready;
        }
        self.seal(MediaType::AUDIO, Codec::OPUS, packet, out)
    }

    /// Encrypts a picture into `out`, which is cleared first: one access unit of H.264 in Annex B form. DAVE leaves clear
    /// what packetizers read of it (dave-protocol, "Codec Handling").
    pub fn seal_picture(&mut self, picture: &[u8], out: &mut Vec<u8>) -> Sealed {
        self.seal(MediaType::VIDEO, Codec::H264, picture, out)
    }

    fn seal(&mut self, media: MediaType, codec: Codec, frame: &[u8], out: &mut Vec<u8>) -> Sealed {
        out.clear();
        if !self.may_send() {
            return Sealed::NoKey;
        }
        if self.version == 0 {
            out.extend_from_slice(frame);
            return Sealed::Ready;
        }
        let Some(session) = &mut self.session else {
            return Sealed::NoKey;
        };
        match session.encrypt_into(media, codec, frame, out) {
            // Longer by tag, nonce and marker: a frame that is not was passed through, which must not leave.
            Ok(()) if out.len() > frame.len() => Sealed::Ready,
            Ok(()) | Err(_) => {
                out.clear();
                Sealed::NoKey
            }
        }
    }

    /// Decrypts an Opus packet of another member; none when there is no key that fits.
    pub fn open_opus(&mut self, user: u64, frame: &[u8]) -> Option<Vec<u8>> {
        self.open(MediaType::AUDIO, user, frame)
    }

    /// Decrypts a picture of another member, an access unit in Annex B form; none when there is no key that fits.
    pub fn open_picture(&mut self, user: u64, frame: &[u8]) -> Option<Vec<u8>> {
        self.open(MediaType::VIDEO, user, frame)
    }

    fn open(&mut self, media: MediaType, user: u64, frame: &[u8]) -> Option<Vec<u8>> {
        match &mut self.session {
            Some(session) if self.required => session.decrypt(user, media, frame).ok(),
            // What may not be sent in the clear is not believed in the clear.
            None if self.version > 0 => None,
            None if self.required && self.on_downgrade == OnDowngrade::Hold => None,
            _ => Some(frame.to_vec()),
        }
    }

    /// Begins a group of this client's own, which others can be added to or which a welcome replaces. Until then the
    /// keys of the group before stay in use.
    fn new_group(&mut self, version: u16) -> Vec<ClientMessage> {
        self.proposed = 0;
        match self.try_new_group(version) {
            Ok(package) => vec![ClientMessage::KeyPackage(package)],
            Err(reason) => {
                tracing::error!(%reason, version, "no group for end-to-end encryption; frames wait");
                self.session = None;
                Vec::new()
            }
        }
    }

    fn try_new_group(&mut self, version: u16) -> Result<Vec<u8>, String> {
        let version = NonZeroU16::new(version.min(MAX_DAVE_VERSION)).ok_or("version 0")?;
        let (user, group) = (self.user_id, self.group_id);
        let session = match &mut self.session {
            Some(session) => {
                let anew = session.reinit(version, user, group, None);
                anew.map_err(|error| error.to_string())?;
                session
            }
            none => none.insert(
                DaveSession::new(version, user, group, None).map_err(|error| error.to_string())?,
            ),
        };
        session
            .create_key_package()
            .map_err(|error| error.to_string())
    }

    fn proposals(&mut self, change: ProposalChange, payload: &[u8]) -> Vec<ClientMessage> {
        if !self.has_room_for(payload) {
            tracing::warn!("proposals were refused: too many in one epoch");
            return Vec::new();
        }
        let known: Vec<u64> = self.members.iter().copied().collect();
        let Some(session) = &mut self.session else {
            return Vec::new();
        };
        let change = match change {
            ProposalChange::Append => ProposalsOperationType::APPEND,
            ProposalChange::Revoke => ProposalsOperationType::REVOKE,
        };
        match session.process_proposals(change, payload, Some(&known)) {
            Ok(Some(made)) => vec![ClientMessage::CommitWelcome {
                commit: made.commit,
                welcome: made.welcome,
            }],
            Ok(None) => Vec::new(),
            Err(error) => {
                tracing::warn!(%error, "proposals were refused");
                Vec::new()
            }
        }
    }

    /// Without them, the commit to them cannot be followed, and a new group begins.
    fn has_room_for(&mut self, proposals: &[u8]) -> bool {
        self.proposed = self.proposed.saturating_add(proposals.len());
        self.proposed <= MOST_PROPOSED
    }

    /// The group has a new epoch.
    fn follow(&mut self, transition: u16) -> Vec<ClientMessage> {
        self.proposed = 0;
        self.prepare(transition, MAX_DAVE_VERSION)
    }

    fn prepare(&mut self, transition: u16, version: u16) -> Vec<ClientMessage> {
        if let Some(session) = &mut self.session
            && let Err(error) = session.prepare_transition(transition, version)
        {
            tracing::warn!(%error, transition, version, "the transition was not prepared");
        }
        // 0 is executed without asking.
        if transition == 0 {
            self.put_in_force(version);
            return Vec::new();
        }
        self.prepared.retain(|(id, _)| *id != transition);
        if self.prepared.len() == MOST_TRANSITIONS {
            self.prepared.remove(0);
        }
        self.prepared.push((transition, version));
        vec![ClientMessage::TransitionReady { transition }]
    }

    fn execute(&mut self, transition: u16) {
        let Some(at) = self.prepared.iter().position(|(id, _)| *id == transition) else {
            return;
        };
        let (_, version) = self.prepared.remove(at);
        if let Some(session) = &mut self.session
            && let Err(error) = session.execute_transition(transition)
        {
            tracing::warn!(%error, transition, "the transition was not executed");
        }
        self.put_in_force(version);
    }

    /// A server that puts DAVE in force has negotiated it, with a group or without.
    fn put_in_force(&mut self, version: u16) {
        self.version = version;
        self.required |= version > 0;
    }

    /// Op 31, and a new key package: the server removes this client from the group and adds it again.
    fn cannot_follow(
        &mut self,
        transition: u16,
        error: &dyn std::error::Error,
    ) -> Vec<ClientMessage> {
        tracing::warn!(%error, transition, "a commit or welcome could not be followed");
        self.invalid += 1;
        let mut answers = vec![ClientMessage::InvalidCommitWelcome { transition }];
        answers.extend(self.new_group(MAX_DAVE_VERSION));
        answers
    }
}

#[cfg(test)]
mod tests;
