#![allow(clippy::unwrap_used)]

use std::num::NonZeroU16;

use davey::{DaveSession, ProposalsOperationType};

use super::*;

const CHANNEL: ChannelId = ChannelId(42);
const MEMBER: UserId = UserId(7);

/// A client that follows the protocol.
struct Client {
    ssrc: u32,
    user: UserId,
    session: DaveSession,
    /// Answers that it has not sent yet: op and payload.
    answers: Vec<(u8, Vec<u8>)>,
}

impl Client {
    fn new(ssrc: u32, user: u64) -> Self {
        let version = NonZeroU16::new(1).unwrap();
        let session = DaveSession::new(version, user, CHANNEL.0, None).unwrap();
        Self {
            ssrc,
            user: UserId(user),
            session,
            answers: Vec::new(),
        }
    }

    fn key_package(&mut self) -> Vec<u8> {
        self.session.create_key_package().unwrap()
    }

    fn take(&mut self, out: &VoiceOut) {
        match out {
            VoiceOut::Binary(op::DAVE_EXTERNAL_SENDER, package) => {
                self.session.set_external_sender(package).unwrap();
            }
            VoiceOut::Binary(op::DAVE_PROPOSALS, payload) => {
                let made = self
                    .session
                    .process_proposals(ProposalsOperationType::APPEND, &payload[1..], None)
                    .unwrap()
                    .unwrap();
                let payload = [made.commit, made.welcome.unwrap_or_default()].concat();
                self.answers.push((op::DAVE_COMMIT_WELCOME, payload));
            }
            VoiceOut::Binary(op::DAVE_ANNOUNCE_COMMIT, payload) => {
                assert!(self.session.process_commit(&payload[2..]).unwrap());
                self.prepare(payload);
            }
            VoiceOut::Binary(op::DAVE_WELCOME, payload) => {
                self.session.process_welcome(&payload[2..], None).unwrap();
                self.prepare(payload);
            }
            VoiceOut::Json(op::DAVE_EXECUTE_TRANSITION, data) => {
                let id = data["transition_id"].as_u64().unwrap() as u16;
                assert!(self.session.execute_transition(id).unwrap());
            }
            other => panic!("not expected: {other:?}"),
        }
    }

    fn prepare(&mut self, payload: &[u8]) {
        let id = u16::from_be_bytes([payload[0], payload[1]]);
        self.session.prepare_transition(id, 1).unwrap();
        self.answers
            .push((op::DAVE_TRANSITION_READY, payload[..2].to_vec()));
    }
}

/// Group and clients, with everything delivered at once.
struct Room {
    group: DaveGroup,
    clients: Vec<Client>,
    steps: Vec<String>,
    now: Instant,
}

impl Room {
    fn new(first_commit: FirstCommit) -> Self {
        Self {
            group: DaveGroup::new(CHANNEL, MEMBER, first_commit).unwrap(),
            clients: Vec::new(),
            steps: Vec::new(),
            now: Instant::now(),
        }
    }

    fn connect(&mut self, mut client: Client) {
        let effects = self.group.connect(client.ssrc, client.user).unwrap();
        let key_package = client.key_package();
        let ssrc = client.ssrc;
        self.clients.push(client);
        self.deliver(effects);
        let effects = self.group.key_package(ssrc, &key_package, self.now);
        self.deliver(effects.unwrap());
    }

    fn leave(&mut self, ssrc: u32) {
        let effects = self.group.leave(ssrc, self.now).unwrap();
        self.clients.retain(|client| client.ssrc != ssrc);
        self.deliver(effects);
    }

    /// Delivers, and the answers to it, until all is quiet.
    fn deliver(&mut self, effects: Effects) {
        self.steps
            .extend(effects.steps.into_iter().map(|(step, _)| step));
        for (ssrc, out) in &effects.out {
            if let Some(client) = self.clients.iter_mut().find(|one| one.ssrc == *ssrc) {
                client.take(out);
            }
        }
        for n in 0..self.clients.len() {
            let ssrc = self.clients[n].ssrc;
            for (op, payload) in std::mem::take(&mut self.clients[n].answers) {
                let effects = if op == op::DAVE_COMMIT_WELCOME {
                    self.group.commit_welcome(ssrc, &payload, self.now)
                } else {
                    let id = u16::from_be_bytes([payload[0], payload[1]]);
                    self.group.ready(ssrc, id)
                };
                self.deliver(effects.unwrap());
            }
        }
    }

    /// Every client speaks; the member must understand each of them.
    fn assert_heard(&mut self) {
        for client in &mut self.clients {
            let frame = client.session.encrypt_opus(b"an opus packet").unwrap();
            let heard = self.group.member().decrypt(client.user, &frame);
            assert_eq!(heard.as_deref(), Some(&b"an opus packet"[..]));
        }
    }
}

#[test]
fn the_first_bot_founds_the_group_or_the_member_does() {
    for (first_commit, step) in [
        (FirstCommit::Bot, "founded by the bot"),
        (FirstCommit::Member, "founded by the member"),
    ] {
        let mut room = Room::new(first_commit);
        room.connect(Client::new(1, 100));
        assert!(room.steps.iter().any(|one| one == step), "{:?}", room.steps);
        room.assert_heard();
    }
}

#[test]
fn the_member_founds_the_group_when_the_bot_is_late() {
    let mut room = Room::new(FirstCommit::Bot);
    let mut client = Client::new(1, 100);
    let effects = room.group.connect(1, client.user).unwrap();
    client.take(&effects.out[0].1);
    let key_package = client.key_package();
    room.group.key_package(1, &key_package, room.now).unwrap();
    let early = room.group.overdue(room.now).unwrap();
    assert!(early.out.is_empty());
    room.clients.push(client);
    let late = room
        .group
        .overdue(room.now + FIRST_COMMIT_PATIENCE)
        .unwrap();
    room.deliver(late);
    assert_eq!(room.steps[0], "founded by the member");
    room.assert_heard();
}

#[test]
fn others_are_added_and_removed_by_the_members_commits() {
    let mut room = Room::new(FirstCommit::Bot);
    room.connect(Client::new(1, 100));
    room.connect(Client::new(2, 200));
    room.connect(Client::new(3, 300));
    room.assert_heard();
    assert_eq!(room.group.member().epoch(), 3);
    room.leave(2);
    room.assert_heard();
    let mut left: Vec<u64> = room.clients[0].session.get_user_ids().unwrap();
    left.sort_unstable();
    assert_eq!(left, [7, 100, 300]);
    let late = room
        .steps
        .iter()
        .filter(|one| *one == "commit came too late");
    assert!(late.count() >= 2, "clients commit as well, and lose");
}

#[test]
fn a_user_who_comes_back_gets_a_new_leaf_in_place_of_the_old_one() {
    let mut room = Room::new(FirstCommit::Bot);
    room.connect(Client::new(1, 100));
    room.connect(Client::new(2, 200));
    // The same user on another connection: the older one leaves as the newer one identifies.
    room.leave(2);
    room.connect(Client::new(3, 200));
    room.assert_heard();
    let steps = room.steps.join("\n");
    assert!(steps.contains("committed: 0 added, 1 removed"), "{steps}");
    assert!(steps.contains("committed: 1 added, 0 removed"), "{steps}");
}

#[test]
fn the_group_is_reset_when_only_the_member_is_left() {
    let mut room = Room::new(FirstCommit::Bot);
    room.connect(Client::new(1, 100));
    room.leave(1);
    assert_eq!(room.group.member().epoch(), 0);
    room.connect(Client::new(2, 100));
    assert_eq!(room.group.member().epoch(), 1);
    room.assert_heard();
}

#[test]
fn a_bot_that_leaves_while_it_could_found_the_group_takes_nothing_along() {
    let mut room = Room::new(FirstCommit::Bot);
    let mut gone = Client::new(1, 100);
    let effects = room.group.connect(1, gone.user).unwrap();
    gone.take(&effects.out[0].1);
    let key_package = gone.key_package();
    room.group.key_package(1, &key_package, room.now).unwrap();
    room.leave(1);
    room.connect(Client::new(2, 200));
    room.assert_heard();
}

#[test]
fn who_cannot_follow_is_removed_and_added_again() {
    let mut room = Room::new(FirstCommit::Bot);
    room.connect(Client::new(1, 100));
    room.connect(Client::new(2, 200));
    let effects = room.group.invalid(2, room.now).unwrap();
    let client = &mut room.clients[1];
    let version = NonZeroU16::new(1).unwrap();
    client
        .session
        .reinit(version, 200, CHANNEL.0, None)
        .unwrap();
    let key_package = client.key_package();
    room.deliver(effects);
    let effects = room.group.key_package(2, &key_package, room.now).unwrap();
    room.deliver(effects);
    room.assert_heard();
}

#[test]
fn a_key_package_of_somebody_else_is_refused() {
    let mut room = Room::new(FirstCommit::Bot);
    let effects = room.group.connect(1, UserId(100)).unwrap();
    let mut liar = Client::new(1, 200);
    liar.take(&effects.out[0].1);
    let key_package = liar.key_package();
    let refused = room.group.key_package(1, &key_package, room.now);
    assert!(matches!(refused, Err(Error::Dave(_))));
    assert!(room.group.key_package(1, b"nonsense", room.now).is_err());
}

#[test]
fn a_transition_is_executed_after_its_time_even_if_somebody_is_not_ready() {
    let mut room = Room::new(FirstCommit::Member);
    let mut client = Client::new(1, 100);
    let effects = room.group.connect(1, client.user).unwrap();
    client.take(&effects.out[0].1);
    let key_package = client.key_package();
    let effects = room.group.key_package(1, &key_package, room.now).unwrap();
    for (_, out) in &effects.out {
        client.take(out);
    }
    client.answers.clear(); // never says that it is ready
    room.clients.push(client);
    assert!(room.group.overdue(room.now).unwrap().out.is_empty());
    let overdue = room.group.overdue(room.now + TRANSITION_TIMEOUT).unwrap();
    room.deliver(overdue);
    room.assert_heard();
}
