//! A hostile voice server with three members of a call, each a [`Dave`](orb_voice::Dave) of this crate.
//!
//! The server can sign proposals, and knows all that members say; one more member is in league with it. Each step is a byte and what it needs; honest steps
//! bring the group forward, so that the others meet it in every state.

use orb_voice::{
    OPUS_SILENCE,
    wire::{ClientMessage, DaveMessage, ProposalChange},
};

use super::{
    input::Input,
    insider::Insider,
    voice_server::{ADD, ExternalSender, REMOVE, vector},
    watched::WatchedDave,
};

const CHANNEL: u64 = 71;
const USERS: [u64; 3] = [1, 2, 3];
const INSIDER: u64 = 4;

/// MLS takes milliseconds; an input shall not take seconds.
const MOST_STEPS: usize = 40;
const MOST_REPEATS: usize = 200;

/// Messages that can be sent again, spoiled or not.
const REMEMBERED: usize = 32;

/// Returns how many frames one member understood of another.
pub fn run(data: &[u8]) -> usize {
    let mut input = Input::new(data);
    let mut room = Room::new();
    for _ in 0..MOST_STEPS {
        if input.is_empty() {
            break;
        }
        room.step(&mut input);
    }
    room.understood
}

struct Room {
    server: ExternalSender,
    members: Vec<Member>,
    insider: Insider,
    said: Vec<DaveMessage>,
    transition: u16,
    repeats: usize,
    understood: usize,
}

struct Member {
    dave: WatchedDave,
    /// What it said last, and the server has not used.
    key_package: Option<Vec<u8>>,
    commit: Option<(Vec<u8>, Option<Vec<u8>>)>,
}

impl Member {
    fn take(&mut self, answers: Vec<ClientMessage>) {
        for answer in answers {
            match answer {
                ClientMessage::KeyPackage(package) => self.key_package = Some(package),
                ClientMessage::CommitWelcome { commit, welcome } => {
                    self.commit = Some((commit, welcome));
                }
                _ => {}
            }
        }
    }
}

impl Room {
    fn new() -> Self {
        let server = ExternalSender::new(CHANNEL);
        let package = server.package();
        let seat = |user| {
            let mut member = Member {
                dave: WatchedDave::new(user, CHANNEL),
                key_package: None,
                commit: None,
            };
            let answers = member.dave.begin(1);
            member.take(answers);
            member.dave.joined(&USERS);
            member.dave.joined(&[INSIDER]);
            let sender = DaveMessage::ExternalSender(package.clone());
            member.dave.handle(sender);
            member
        };
        Self {
            members: USERS.map(seat).into(),
            insider: Insider::new(INSIDER),
            server,
            said: Vec::new(),
            transition: 0,
            repeats: MOST_REPEATS,
            understood: 0,
        }
    }

    fn step(&mut self, input: &mut Input<'_>) {
        match input.byte() % 19 {
            0 => {
                self.propose_additions();
                self.commit(input);
            }
            1 => {
                let leaf = u32::from(input.byte() % 8).to_be_bytes();
                let message = self.server.proposal(self.epoch(), REMOVE, &leaf);
                self.propose(&[message], |_| true);
                self.commit(input);
            }
            2 => self.commit(input),
            3 => self.execute(self.transition),
            4 => self.speak(input),
            5 => self.propose_anything(input),
            6 => self.propose_stranger(input),
            7 => self.revoke(input),
            8 => self.prepare(input),
            9 => {
                let (transition, to) = (input.number() % 8, input.below(USERS.len()));
                self.say(to, DaveMessage::ExecuteTransition { transition });
            }
            10 => self.spoil(input),
            11 => {
                let (to, message) = (input.below(USERS.len()), message(input));
                self.say(to, message);
            }
            12 => self.repeat(input),
            13 => {
                let (member, user) = (input.below(USERS.len()), input.byte() % 8);
                let dave = &mut self.members[member].dave;
                match user {
                    0 => dave.forget_members(),
                    1..4 => dave.joined(&USERS[..usize::from(user)]),
                    _ => dave.left((user - 4).into()),
                }
            }
            14 => {
                let (member, version) = (input.below(USERS.len()), input.byte() % 3);
                let member = &mut self.members[member];
                let answers = member.dave.begin(version.into());
                member.take(answers);
                let sender = DaveMessage::ExternalSender(self.server.package());
                member.dave.handle(sender);
            }
            15 => {
                let package = self.insider.key_package();
                let message = self.server.proposal(self.epoch(), ADD, &package);
                self.propose(&[message], |_| true);
                self.commit(input);
            }
            16 => {
                if let Some((commit, welcome)) = self.insider.commit(input) {
                    self.announce(None, &commit, welcome.as_deref());
                }
            }
            17 => {
                if let Some(message) = self.insider.message(input) {
                    if input.byte() < 128 {
                        self.propose(&[message], |_| true);
                    } else {
                        self.announce(None, &message, None);
                    }
                }
            }
            _ => {
                let (to, other) = (input.below(USERS.len()), ExternalSender::new(CHANNEL));
                self.say(to, DaveMessage::ExternalSender(other.package()));
            }
        }
    }

    /// Of the newest group.
    fn epoch(&self) -> u64 {
        let epochs = self.members.iter().filter_map(|one| one.dave.epoch());
        epochs.max().unwrap_or_default()
    }

    fn is_in_group(&self, member: usize) -> bool {
        let epoch = self.members[member].dave.epoch();
        epoch.unwrap_or_default() == self.epoch()
    }

    fn say(&mut self, to: usize, message: DaveMessage) {
        if self.said.len() == REMEMBERED {
            self.said.remove(0);
        }
        self.said.push(message.clone());
        let member = &mut self.members[to];
        let answers = member.dave.handle(message);
        member.take(answers);
    }

    /// Adds all that are not in the group and have sent a key package.
    fn propose_additions(&mut self) {
        let epoch = self.epoch();
        let mut additions = Vec::new();
        for member in 0..USERS.len() {
            if (epoch == 0 || !self.is_in_group(member))
                && let Some(package) = self.members[member].key_package.take()
            {
                let message = self.server.proposal(epoch, ADD, &package);
                additions.push((member, message));
            }
        }
        for to in 0..USERS.len() {
            // Nobody is told of its own addition.
            let others = additions.iter().filter(|(member, _)| *member != to);
            let messages: Vec<_> = others.map(|(_, message)| message.clone()).collect();
            if !messages.is_empty() {
                self.propose(&messages, |member| member == to);
            }
        }
    }

    /// Op 27 to those in the group.
    fn propose(&mut self, messages: &[Vec<u8>], to: impl Fn(usize) -> bool) {
        let payload = vector(&messages.concat());
        for member in 0..USERS.len() {
            if to(member) && self.is_in_group(member) {
                let payload = payload.clone();
                let change = ProposalChange::Append;
                self.say(member, DaveMessage::Proposals { change, payload });
            }
        }
        for message in messages {
            self.insider.follow(message);
        }
    }

    /// Announces the commit of one of those who made any.
    fn commit(&mut self, input: &mut Input<'_>) {
        let first = input.below(USERS.len());
        let mut from = (0..USERS.len()).map(|at| (first + at) % USERS.len());
        let Some(committer) = from.find(|at| self.members[*at].commit.is_some()) else {
            return;
        };
        if let Some((commit, welcome)) = self.members[committer].commit.take() {
            self.announce(Some(committer), &commit, welcome.as_deref());
            self.insider.follow(&commit);
            self.insider.join(welcome.as_deref().unwrap_or_default());
        }
    }

    /// Op 29 to those in the group, and to the one that founds it; op 30 to the others.
    fn announce(&mut self, committer: Option<usize>, commit: &[u8], welcome: Option<&[u8]>) {
        self.transition = self.transition % 7 + 1;
        let (transition, epoch) = (self.transition, self.epoch());
        let follows = |member| Some(member) == committer || (epoch > 0 && self.is_in_group(member));
        let followers: Vec<bool> = (0..USERS.len()).map(follows).collect();
        for (member, follows) in followers.into_iter().enumerate() {
            if follows {
                let commit = commit.to_vec();
                self.say(member, DaveMessage::AnnounceCommit { transition, commit });
            } else if let Some(welcome) = welcome {
                let welcome = welcome.to_vec();
                let message = DaveMessage::Welcome {
                    transition,
                    welcome,
                };
                self.say(member, message);
            }
            self.members[member].commit = None;
        }
    }

    fn execute(&mut self, transition: u16) {
        for member in 0..USERS.len() {
            self.say(member, DaveMessage::ExecuteTransition { transition });
        }
    }

    /// One speaks, another hears, as it was sent or spoiled, and perhaps under a wrong name.
    fn speak(&mut self, input: &mut Input<'_>) {
        let (from, to) = (input.below(USERS.len()), input.below(USERS.len()));
        let name = USERS[if input.byte() < 200 { from } else { to }];
        let packet = input.piece();
        let Some(frame) = self.members[from].dave.seal(packet) else {
            return;
        };
        let mut spoiled = frame.clone();
        input.spoil(&mut spoiled);
        if let Some(opened) = self.members[to].dave.open(name, &spoiled) {
            assert!(opened == packet || opened == OPUS_SILENCE, "forged");
            self.understood += usize::from(opened == packet);
        }
    }

    /// Any proposal at all, signed.
    fn propose_anything(&mut self, input: &mut Input<'_>) {
        let (kind, ahead) = (u16::from(input.byte() % 10), input.byte() / 240);
        let mut body = input.piece().to_vec();
        if kind == ADD
            && let Some(package) = &self.members[input.below(USERS.len())].key_package
        {
            body.clone_from(package);
            input.spoil(&mut body);
        }
        let epoch = self.epoch() + u64::from(ahead);
        let message = self.server.proposal(epoch, kind, &body);
        self.propose(&[message], |_| true);
    }

    fn propose_stranger(&mut self, input: &mut Input<'_>) {
        let name = if input.byte().is_multiple_of(4) {
            USERS[input.below(USERS.len())].to_be_bytes().to_vec()
        } else {
            let length = input.below(12);
            input.take(length).to_vec()
        };
        let package = self.server.stranger(&name);
        let message = self.server.proposal(self.epoch(), ADD, &package);
        self.propose(&[message], |_| true);
    }

    fn revoke(&mut self, input: &mut Input<'_>) {
        let back = input.below(REMEMBERED);
        let mut proposals = self.said.iter().rev().filter_map(|message| match message {
            DaveMessage::Proposals { payload, .. } => Some(payload),
            _ => None,
        });
        let Some(payload) = proposals.nth(back % 4) else {
            return;
        };
        // One message behind the vector's length, mostly of two bytes.
        let reference = self.server.reference(payload.get(2..).unwrap_or_default());
        let payload = vector(&reference);
        let change = ProposalChange::Revoke;
        let to = input.below(USERS.len());
        self.say(to, DaveMessage::Proposals { change, payload });
    }

    fn prepare(&mut self, input: &mut Input<'_>) {
        let (to, number, version) = (input.below(USERS.len()), input.byte(), input.byte() % 3);
        let version = version.into();
        let message = if number < 128 {
            let transition = (number % 8).into();
            DaveMessage::PrepareTransition {
                transition,
                version,
            }
        } else {
            let epoch = (number % 4).into();
            DaveMessage::PrepareEpoch { version, epoch }
        };
        self.say(to, message);
    }

    /// Something that was said, with other bytes; proposals can be signed again.
    fn spoil(&mut self, input: &mut Input<'_>) {
        let (back, to) = (input.below(self.said.len()), input.below(USERS.len()));
        let Some(mut message) = self.said.iter().rev().nth(back).cloned() else {
            return;
        };
        match &mut message {
            DaveMessage::ExternalSender(bytes)
            | DaveMessage::AnnounceCommit { commit: bytes, .. }
            | DaveMessage::Welcome { welcome: bytes, .. } => input.spoil(bytes),
            DaveMessage::Proposals { payload, .. } if input.byte() < 128 => input.spoil(payload),
            DaveMessage::Proposals { payload, .. } => {
                // Without the vector's length before, and the signature behind.
                let end = payload.len().saturating_sub(72).max(2);
                let mut content = payload.get(2..end).unwrap_or_default().to_vec();
                input.spoil(&mut content);
                *payload = vector(&self.server.sign(content));
            }
            _ => {}
        }
        self.say(to, message);
    }

    fn repeat(&mut self, input: &mut Input<'_>) {
        let (to, times) = (input.below(USERS.len()), input.below(USERS.len() * 64));
        let times = times.min(self.repeats);
        self.repeats -= times;
        if let Some(message) = self.said.last().cloned() {
            for _ in 0..times {
                self.say(to, message.clone());
            }
        }
    }
}

/// Any bytes as any message.
fn message(input: &mut Input<'_>) -> DaveMessage {
    let (kind, transition) = (input.byte() % 5, input.number());
    let bytes = input.piece().to_vec();
    match kind {
        0 => DaveMessage::ExternalSender(bytes),
        1 => DaveMessage::AnnounceCommit {
            transition,
            commit: bytes,
        },
        2 => DaveMessage::Welcome {
            transition,
            welcome: bytes,
        },
        kind => DaveMessage::Proposals {
            change: if kind == 3 {
                ProposalChange::Append
            } else {
                ProposalChange::Revoke
            },
            payload: bytes,
        },
    }
}
