//! A group with clients that follow the protocol, everything delivered at once.

use std::collections::BTreeSet;
use std::num::NonZeroU16;
use std::time::{Duration, Instant};

use davey::{DaveSession, ProposalsOperationType};

use crate::config::FirstCommit;
use crate::dave::{DaveFault, DaveGroup, Effects, Hearing};
use crate::voice_connections::VoiceOut;
use crate::voice_wire::op;
use crate::{ChannelId, UserId};

pub(super) const CHANNEL: ChannelId = ChannelId(42);
pub(super) const LISTENER: UserId = UserId(7);

/// A whole opus packet, as far as DAVE is concerned.
const PACKET: &[u8] = b"an opus packet";

/// A client that follows the protocol.
pub(super) struct Client {
    pub(super) ssrc: u32,
    pub(super) user: UserId,
    pub(super) session: DaveSession,
    /// Whom op 11 told of.
    known: BTreeSet<u64>,
    /// Answers that it has not sent yet.
    pub(super) answers: Vec<Answer>,
    /// Transition ids of ops 22 that it had prepared nothing for.
    pub(super) not_prepared: Vec<u16>,
    /// Whether it sends in the clear.
    plain: bool,
    /// Whether it lets strangers in.
    pub(super) gullible: bool,
}

#[derive(Debug)]
pub(super) enum Answer {
    KeyPackage(Vec<u8>),
    Commit(Vec<u8>),
    Ready(u16),
    Invalid,
}

impl Client {
    pub(super) fn new(ssrc: u32, user: u64) -> Self {
        let session = DaveSession::new(NonZeroU16::MIN, user, CHANNEL.0, None).unwrap();
        Self {
            ssrc,
            user: UserId(user),
            session,
            known: BTreeSet::from([LISTENER.0, user]),
            answers: Vec::new(),
            not_prepared: Vec::new(),
            plain: false,
            gullible: false,
        }
    }

    pub(super) fn key_package(&mut self) -> Vec<u8> {
        self.session.create_key_package().unwrap()
    }

    fn reset(&mut self) {
        let (user, channel) = (self.user.0, CHANNEL.0);
        self.session
            .reinit(NonZeroU16::MIN, user, channel, None)
            .unwrap();
        let key_package = self.key_package();
        self.answers.push(Answer::KeyPackage(key_package));
    }

    pub(super) fn take(&mut self, out: &VoiceOut) {
        match out {
            VoiceOut::Binary(op::DAVE_EXTERNAL_SENDER, package) => {
                self.session.set_external_sender(package).unwrap();
            }
            VoiceOut::Binary(op::DAVE_PROPOSALS, payload) => self.proposals(payload),
            VoiceOut::Binary(op::DAVE_ANNOUNCE_COMMIT, payload) => {
                match self.session.process_commit(&payload[2..]) {
                    Ok(true) => self.prepare(payload, true),
                    Ok(false) => {} // not in the group, or no longer
                    Err(_) => self.prepare(payload, false),
                }
            }
            VoiceOut::Binary(op::DAVE_WELCOME, payload) => {
                let known: Vec<u64> = self.known.iter().copied().collect();
                let taken = self.session.process_welcome(&payload[2..], Some(&known));
                self.prepare(payload, taken.is_ok());
            }
            VoiceOut::Json(op::DAVE_PREPARE_TRANSITION, data) => {
                let id = data["transition_id"].as_u64().unwrap() as u16;
                let version = data["protocol_version"].as_u64().unwrap() as u16;
                self.session.prepare_transition(id, version).unwrap();
                if id != 0 {
                    self.answers.push(Answer::Ready(id));
                }
            }
            VoiceOut::Json(op::DAVE_EXECUTE_TRANSITION, data) => {
                let id = data["transition_id"].as_u64().unwrap() as u16;
                if !self.session.execute_transition(id).unwrap() {
                    self.not_prepared.push(id);
                }
                self.plain = self.session.group().is_none();
            }
            VoiceOut::Json(op::DAVE_PREPARE_EPOCH, data) => {
                assert_eq!(
                    (&data["epoch"], &data["protocol_version"]),
                    (&1.into(), &1.into())
                );
                self.reset();
            }
            VoiceOut::Json(op::CLIENTS_CONNECT, data) => {
                for user in data["user_ids"].as_array().unwrap() {
                    self.known.insert(user.as_str().unwrap().parse().unwrap());
                }
            }
            VoiceOut::Json(op::CLIENT_DISCONNECT, data) => {
                let gone = data["user_id"].as_str().unwrap().parse().unwrap();
                self.known.remove(&gone);
            }
            other => panic!("not expected: {other:?}"),
        }
    }

    fn proposals(&mut self, payload: &[u8]) {
        let operation = match payload[0] {
            0 => ProposalsOperationType::APPEND,
            _ => ProposalsOperationType::REVOKE,
        };
        let known: Vec<u64> = self.known.iter().copied().collect();
        let known = (!self.gullible).then_some(known.as_slice());
        let made = self
            .session
            .process_proposals(operation, &payload[1..], known);
        if let Ok(Some(made)) = made {
            let payload = [made.commit, made.welcome.unwrap_or_default()].concat();
            self.answers.push(Answer::Commit(payload));
        }
    }

    fn prepare(&mut self, payload: &[u8], valid: bool) {
        let id = u16::from_be_bytes([payload[0], payload[1]]);
        if !valid {
            self.answers.push(Answer::Invalid);
            self.reset();
            return;
        }
        self.session.prepare_transition(id, 1).unwrap();
        self.plain = false;
        if id != 0 {
            self.answers.push(Answer::Ready(id));
        }
    }

    /// What it sends for a packet; `None`: it has no key to send with.
    fn frame(&mut self) -> Option<Vec<u8>> {
        if self.plain {
            return Some(PACKET.to_vec());
        }
        let frame = self.session.encrypt_opus(PACKET).ok()?;
        Some(frame.into_owned())
    }
}

/// Group and clients.
pub(super) struct Room {
    pub(super) group: DaveGroup,
    pub(super) clients: Vec<Client>,
    pub(super) steps: Vec<String>,
    pub(super) now: Instant,
}

impl Room {
    pub(super) fn new(first_commit: FirstCommit) -> Self {
        Self::with(first_commit, FirstCommit::Member)
    }

    pub(super) fn with(first: FirstCommit, later: FirstCommit) -> Self {
        Self {
            group: DaveGroup::new(CHANNEL, LISTENER, first, later).unwrap(),
            clients: Vec::new(),
            steps: Vec::new(),
            now: Instant::now(),
        }
    }

    /// The clients of these users connect, one after another; each has its user's number as SSRC.
    pub(super) fn of(mut self, users: &[u64]) -> Self {
        for &user in users {
            self.connect(Client::new(user as u32, user));
        }
        self
    }

    pub(super) fn connect(&mut self, mut client: Client) {
        for other in &mut self.clients {
            other.known.insert(client.user.0);
            client.known.insert(other.user.0);
        }
        client
            .known
            .extend(self.group.users().iter().map(|user| user.0));
        let ssrc = client.ssrc;
        let effects = self.group.connect(ssrc, client.user).unwrap();
        let has_sender = !effects.out.is_empty();
        self.clients.push(client);
        self.deliver(effects);
        let client = self.client(ssrc);
        if has_sender {
            let key_package = client.key_package();
            client.answers.push(Answer::KeyPackage(key_package));
        } else {
            client.plain = true;
        }
        self.answer();
    }

    pub(super) fn leave(&mut self, ssrc: u32) {
        let effects = self.group.leave(ssrc, self.now).unwrap();
        self.clients.retain(|client| client.ssrc != ssrc);
        self.deliver(effects);
    }

    pub(super) fn join_member(&mut self, user: u64) {
        self.begin_to_join_member(user);
        self.answer();
    }

    /// The clients' answers wait.
    pub(super) fn begin_to_join_member(&mut self, user: u64) {
        for client in &mut self.clients {
            client.known.insert(user);
        }
        let effects = self.group.join_member(UserId(user), self.now).unwrap();
        self.hand_out(effects);
    }

    pub(super) fn leave_member(&mut self, user: u64) {
        for client in &mut self.clients {
            client.known.remove(&user);
        }
        let effects = self.group.leave_member(UserId(user), self.now).unwrap();
        self.deliver(effects);
    }

    pub(super) fn apply(&mut self, fault: &DaveFault) {
        let effects = self.group.apply(fault, self.now).unwrap();
        self.deliver(effects);
    }

    /// Lets time pass.
    pub(super) fn pass(&mut self, time: Duration) {
        self.now += time;
        let effects = self.group.overdue(self.now).unwrap();
        self.deliver(effects);
    }

    pub(super) fn client(&mut self, ssrc: u32) -> &mut Client {
        let found = self.clients.iter_mut().find(|one| one.ssrc == ssrc);
        found.unwrap()
    }

    /// Delivers, and the answers to it, until all is quiet.
    pub(super) fn deliver(&mut self, effects: Effects) {
        self.hand_out(effects);
        self.answer();
    }

    /// Delivers, and leaves the answers with the clients.
    pub(super) fn hand_out(&mut self, effects: Effects) {
        self.steps
            .extend(effects.steps.into_iter().map(|(step, _)| step));
        for (ssrc, out) in &effects.out {
            if let Some(client) = self.clients.iter_mut().find(|one| one.ssrc == *ssrc) {
                client.take(out);
            }
        }
    }

    fn answer(&mut self) {
        let mut rounds = 0;
        while let Some((ssrc, answers)) = self.clients.iter_mut().find_map(|client| {
            let answers = std::mem::take(&mut client.answers);
            (!answers.is_empty()).then_some((client.ssrc, answers))
        }) {
            rounds += 1;
            assert!(rounds < 50, "no end of it: {:?}", self.steps);
            for answer in answers {
                let effects = match answer {
                    Answer::KeyPackage(key_package) => {
                        self.group.key_package(ssrc, &key_package, self.now)
                    }
                    Answer::Commit(payload) => self.group.commit_welcome(ssrc, &payload, self.now),
                    Answer::Ready(id) => self.group.ready(ssrc, id, self.now),
                    Answer::Invalid => self.group.invalid(ssrc, self.now),
                };
                self.hand_out(effects.unwrap());
            }
        }
    }

    /// What the members make of a packet of each client that can send, in the clients' order.
    pub(super) fn hear(&mut self) -> Vec<Hearing> {
        let mut heard = Vec::new();
        for client in &mut self.clients {
            if let Some(frame) = client.frame() {
                heard.push(self.group.hear(client.user, &frame, self.now));
            }
        }
        heard
    }

    /// Every client speaks; all members must understand each of them, end to end encrypted, and
    /// all clients each other.
    pub(super) fn assert_heard(&mut self) {
        self.now += Duration::from_secs(1);
        let members = self.group.users().len() as u16;
        let heard = self.hear();
        assert_eq!(heard.len(), self.clients.len(), "all have keys");
        for one in heard {
            assert!(one.dave && !one.downgraded, "{one:?}");
            assert_eq!(one.opus.as_deref(), Some(PACKET));
            assert_eq!((one.members, one.decrypted_by), (members, members));
        }
        for n in 0..self.clients.len() {
            let (from, frame) = (self.clients[n].user, self.clients[n].frame().unwrap());
            for to in self.clients.iter_mut().filter(|to| to.user != from) {
                let heard = to.session.decrypt(from.0, davey::MediaType::AUDIO, &frame);
                assert_eq!(
                    heard.as_deref().unwrap(),
                    PACKET,
                    "{from} heard by {}",
                    to.user
                );
            }
        }
        assert!(self.clients.iter().all(|one| one.not_prepared.is_empty()));
    }

    /// Everybody in the group, as this client sees it.
    pub(super) fn roster(&mut self, ssrc: u32) -> Vec<u64> {
        let mut users = self.client(ssrc).session.get_user_ids().unwrap();
        users.sort_unstable();
        users
    }

    pub(super) fn steps_with(&self, part: &str) -> usize {
        self.steps.iter().filter(|step| step.contains(part)).count()
    }
}
