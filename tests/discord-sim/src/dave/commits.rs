//! Commits: who makes them, which one wins, and how it is announced.
//!
//! The listener commits, unless the configuration leaves it to the clients: then the first commit
//! of a client wins (dave-protocol, "Commit Ordering"), and the listener commits when none came in
//! time.

use std::time::{Duration, Instant};

use super::proposals::Purpose;
use super::transitions::Target;
use super::{DaveGroup, Effects, Party, Standing};
use crate::config::FirstCommit;
use crate::external_sender::ClientCommit;
use crate::voice_wire::op;
use crate::{Error, UserId};

/// How long clients get to make a commit before the listener does. MLS in an unoptimised client
/// takes tens of milliseconds.
pub(super) const COMMIT_PATIENCE: Duration = Duration::from_secs(1);

impl DaveGroup {
    /// Lets the group follow who takes part: proposes what is due, and commits if it is the
    /// listener's turn.
    pub(super) fn advance(&mut self, now: Instant, effects: &mut Effects) -> Result<(), Error> {
        if !self.phase.exchanges_keys() || self.awaits_key_packages(now) {
            return Ok(());
        }
        loop {
            if self.members.epoch() == 0 {
                self.leaving.clear();
            }
            self.propose(effects)?;
            if !self.proposals.concern_others_than(self.listener()) {
                self.commit_due = None;
                return Ok(());
            }
            if self.waits_for_clients(now) {
                return Ok(());
            }
            self.commit_as_listener(now, effects)?;
        }
    }

    /// Whether a client may still make the commit that is due.
    fn waits_for_clients(&mut self, now: Instant) -> bool {
        let founded = self.members.epoch() > 0;
        let committer = if founded {
            self.later_commits
        } else {
            self.first_commit
        };
        let clients = self.participants.iter().any(|(party, one)| {
            matches!(party, Party::Client(_))
                && match one.standing {
                    Standing::Connected => false,
                    Standing::Pending { .. } => !founded,
                    Standing::InGroup => founded,
                }
        });
        committer == FirstCommit::Bot
            && clients
            && *self.commit_due.get_or_insert(now + COMMIT_PATIENCE) > now
    }

    fn commit_as_listener(&mut self, now: Instant, effects: &mut Effects) -> Result<(), Error> {
        let founded = self.members.epoch() > 0;
        let made = self.members.commit()?;
        if !founded {
            effects.step("founded by the member", self.members.epoch());
        }
        let listener = self.listener();
        self.conclude(
            listener,
            founded,
            &made.commit,
            made.welcome.as_deref(),
            now,
            effects,
        )
    }

    /// Op 28.
    pub(crate) fn commit_welcome(
        &mut self,
        ssrc: u32,
        payload: &[u8],
        now: Instant,
    ) -> Result<Effects, Error> {
        let mut effects = Effects::default();
        let client = Party::Client(ssrc);
        let epoch = self.members.epoch();
        let founded = epoch > 0;
        let may_commit = match self.participants.get(&client).map(|one| &one.standing) {
            Some(Standing::InGroup) => founded,
            Some(Standing::Pending { .. }) => !founded,
            Some(Standing::Connected) | None => false,
        };
        let commit = ClientCommit::parse(payload)?;
        if self.note_stranger(ssrc, &commit, &mut effects) {
            return Ok(effects);
        }
        if !may_commit || self.commit_due.is_none() || commit.epoch < epoch {
            effects.step("commit came too late", epoch);
            return Ok(effects);
        }
        if let Some(why) = self.proposals.refusal(&commit, client) {
            effects.step(format!("commit refused: {why}"), epoch);
            return Ok(effects);
        }
        let listener = self.members.listener_id();
        if founded {
            self.members.take_commit(listener, commit.commit)?;
        } else {
            let welcome = commit
                .welcome
                .ok_or_else(|| Error::Dave("no welcome with an add".to_owned()))?;
            self.members.take_welcome(listener, welcome)?;
            effects.step("founded by the bot", self.members.epoch());
        }
        self.conclude(
            client,
            founded,
            commit.commit,
            commit.welcome,
            now,
            &mut effects,
        )?;
        self.advance(now, &mut effects)?;
        Ok(effects)
    }

    /// A commit won: all take it over, and it is announced. The listener has it already.
    fn conclude(
        &mut self,
        committer: Party,
        founded: bool,
        commit: &[u8],
        welcome: Option<&[u8]>,
        now: Instant,
        effects: &mut Effects,
    ) -> Result<(), Error> {
        let mut told: Vec<Party> = vec![committer];
        if founded {
            told = self.in_group();
        }
        let mut joiners = Vec::new();
        let mut removed: Vec<UserId> = Vec::new();
        for one in self.proposals.iter() {
            match one.purpose {
                Purpose::Add(party) if party != committer => joiners.push(party),
                Purpose::Add(_) => {}
                Purpose::Remove(user) => removed.push(user),
            }
        }
        self.proposals.clear();
        self.mischief.forget_stranger();
        self.commit_due = None;
        self.leaving.retain(|user| !removed.contains(user));
        for party in joiners.iter().chain([&committer]) {
            if let Some(participant) = self.participants.get_mut(party) {
                participant.standing = Standing::InGroup;
            }
        }
        if founded {
            let by = match committer {
                Party::Member(_) => "committed",
                Party::Client(_) => "committed by a client",
            };
            let step = format!("{by}: {} added, {} removed", joiners.len(), removed.len());
            effects.step(step, self.members.epoch());
        }
        self.announce(&told, commit, &joiners, welcome, now, effects)?;
        if self.members.roster().len() == 1 {
            // "Sole member reset": nobody keeps control of an established group alone.
            self.reset_group()?;
            effects.step("reset: only the member is left", 0);
        }
        Ok(())
    }

    /// Ops 29 and 30, and the transition that they begin.
    fn announce(
        &mut self,
        told: &[Party],
        commit: &[u8],
        joiners: &[Party],
        welcome: Option<&[u8]>,
        now: Instant,
        effects: &mut Effects,
    ) -> Result<(), Error> {
        let id = self.transitions.next_id();
        let listener = self.members.listener_id();
        for party in told.iter().chain(joiners) {
            match *party {
                Party::Member(user) if user == listener => {}
                Party::Member(user) if told.contains(party) => {
                    self.members.take_commit(user, commit)?;
                }
                Party::Member(user) => {
                    let welcome = welcome.unwrap_or_default();
                    self.members.take_welcome(user, welcome)?;
                }
                Party::Client(_) => {}
            }
        }
        // The members can hear the new epoch before anybody is told to speak in it.
        self.members.prepare(id, Target::Epoch)?;
        for &ssrc in &clients(told) {
            let commit = self.spoiled(ssrc, op::DAVE_ANNOUNCE_COMMIT, commit, effects);
            let parts: [&[u8]; 2] = [&id.to_be_bytes(), &commit];
            effects.binary(ssrc, op::DAVE_ANNOUNCE_COMMIT, &parts);
        }
        for &ssrc in &clients(joiners) {
            let welcome = welcome.unwrap_or_default();
            let welcome = self.spoiled(ssrc, op::DAVE_WELCOME, welcome, effects);
            let parts: [&[u8]; 2] = [&id.to_be_bytes(), &welcome];
            effects.binary(ssrc, op::DAVE_WELCOME, &parts);
        }
        self.last_commit = commit.to_vec();
        let member = |party: &Party| match party {
            Party::Member(user) => Some(*user),
            Party::Client(_) => None,
        };
        // From its execution on all of them have the keys that are spoken with.
        let members = told.iter().chain(joiners).filter_map(member).collect();
        let told = [clients(told), clients(joiners)].concat();
        self.transitions
            .begin(id, Target::Epoch, told, members, now);
        self.execute_due(now, effects)
    }

    fn in_group(&self) -> Vec<Party> {
        self.participants
            .iter()
            .filter(|(_, one)| matches!(one.standing, Standing::InGroup))
            .map(|(party, _)| *party)
            .collect()
    }
}

/// The SSRCs of the clients among them.
pub(super) fn clients(parties: &[Party]) -> Vec<u32> {
    parties
        .iter()
        .filter_map(|party| match party {
            Party::Client(ssrc) => Some(*ssrc),
            Party::Member(_) => None,
        })
        .collect()
}
