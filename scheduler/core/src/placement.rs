//! Where a session goes: a pure function from what is known of the workers to a choice that explains
//! itself.
//!
//! Excluded are workers that nobody has heard of, that drain, that send no picture where one is wanted,
//! that gave this session back a moment ago, whose room is kept for a party that waited longer, or that
//! are full. Among the others: the one that held the session last; else apart from the guild's other sessions, then the least loaded,
//! then the fewest sessions, then the smallest id, so that the same facts give the same choice.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::WorkerId;

/// What has to be placed.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// In thousandths of a core.
    pub need_millicores: u32,
    /// Who held the session last: it may have the title's data at hand.
    pub last_holder: Option<&'a WorkerId>,
    /// The picture goes into the channel, too.
    pub go_live: bool,
}

/// Whether a worker may be given anything at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Attached and heard of.
    Ready,
    /// Not heard of, or its stream was reset.
    Suspect,
    /// This leader cannot know yet.
    Unknown,
    /// About to go.
    Draining,
}

/// A worker as placement sees it.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// Who.
    pub worker: &'a WorkerId,
    /// Whether it may be given anything.
    pub standing: Standing,
    /// In thousandths of a core.
    pub total_millicores: u32,
    /// The same, less everything placed there, seen by the worker or not.
    pub free_millicores: u32,
    /// How many it holds.
    pub sessions: usize,
    /// How many of them belong to the guild of the session that is to be placed.
    pub of_guild: usize,
    /// It gave this session back a moment ago.
    pub failed_lately: bool,
    /// Its room is kept for a party that has waited longer.
    pub kept: bool,
    /// It sends pictures into voice channels.
    pub go_live: bool,
}

/// Why a worker was out of the question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Exclusion {
    /// Not heard of.
    Suspect,
    /// Not heard of by this leader, which has only just begun.
    Unknown,
    /// About to go.
    Draining,
    /// Sends no picture into voice channels, and the session is to have one.
    NoGoLive,
    /// Gave this session back a moment ago.
    FailedLately,
    /// Room that is kept for a party which waited longer.
    Kept,
    /// Not enough room.
    Full,
}

/// Why the chosen one was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// It held the session last and has room.
    LastHolder,
    /// Nobody else has room.
    OnlyOne,
    /// It holds fewer of the guild's sessions than others.
    ApartFromGuild,
    /// It is the least loaded.
    LeastLoaded,
}

/// A choice, or that there is none, with everything that led to it.
#[derive(Debug, Clone)]
pub struct Decision<'a> {
    need_millicores: u32,
    chosen: Option<(Candidate<'a>, Why)>,
    considered: Vec<(Candidate<'a>, Option<Exclusion>)>,
}

/// Chooses. Pure and independent of the candidates' order.
pub fn place<'a>(
    wanted: Wanted<'_>,
    candidates: impl IntoIterator<Item = Candidate<'a>>,
) -> Decision<'a> {
    let considered: Vec<_> = candidates
        .into_iter()
        .map(|candidate| (candidate, candidate.exclusion(&wanted)))
        .collect();
    let mut fitting = 0_usize;
    let mut shared_guild = 0_usize;
    let mut best: Option<Candidate<'a>> = None;
    let mut last_holder = None;
    for (candidate, _) in considered.iter().filter(|(_, excluded)| excluded.is_none()) {
        fitting += 1;
        shared_guild = shared_guild.max(candidate.of_guild);
        if wanted.last_holder == Some(candidate.worker) {
            last_holder = Some(*candidate);
        }
        if best.is_none_or(|best| candidate.rank(&wanted) < best.rank(&wanted)) {
            best = Some(*candidate);
        }
    }
    let chosen = match (last_holder, best) {
        (Some(holder), _) => Some((holder, Why::LastHolder)),
        (None, Some(best)) if fitting == 1 => Some((best, Why::OnlyOne)),
        (None, Some(best)) if best.of_guild < shared_guild => Some((best, Why::ApartFromGuild)),
        (None, Some(best)) => Some((best, Why::LeastLoaded)),
        (None, None) => None,
    };
    Decision {
        need_millicores: wanted.need_millicores,
        chosen,
        considered,
    }
}

impl<'a> Candidate<'a> {
    fn exclusion(&self, wanted: &Wanted<'_>) -> Option<Exclusion> {
        match self.standing {
            Standing::Suspect => Some(Exclusion::Suspect),
            Standing::Unknown => Some(Exclusion::Unknown),
            Standing::Draining => Some(Exclusion::Draining),
            Standing::Ready if wanted.go_live && !self.go_live => Some(Exclusion::NoGoLive),
            Standing::Ready if self.failed_lately => Some(Exclusion::FailedLately),
            Standing::Ready if self.kept => Some(Exclusion::Kept),
            Standing::Ready if self.free_millicores < wanted.need_millicores => {
                Some(Exclusion::Full)
            }
            Standing::Ready => None,
        }
    }

    /// Smaller is better.
    fn rank(&self, wanted: &Wanted<'_>) -> (usize, u64, usize, &'a WorkerId) {
        let total = u64::from(self.total_millicores.max(1));
        let used = total.saturating_sub(u64::from(self.free_millicores));
        let load_permille = (used + u64::from(wanted.need_millicores)) * 1000 / total;
        (self.of_guild, load_permille, self.sessions, self.worker)
    }
}

impl<'a> Decision<'a> {
    /// Whom.
    pub fn worker(&self) -> Option<&'a WorkerId> {
        self.chosen.map(|(candidate, _)| candidate.worker)
    }

    /// Who was considered, and why each of the excluded was.
    pub fn considered(&self) -> impl Iterator<Item = (&Candidate<'a>, Option<Exclusion>)> {
        self.considered
            .iter()
            .map(|(candidate, excluded)| (candidate, *excluded))
    }

    /// For a span and an event row; its size does not grow with the number of workers.
    pub fn explain(&self) -> Explanation {
        let mut excluded: BTreeMap<Exclusion, Excluded> = BTreeMap::new();
        let mut fitting = 0;
        for (candidate, exclusion) in self.considered() {
            let Some(exclusion) = exclusion else {
                fitting += 1;
                continue;
            };
            let group = excluded.entry(exclusion).or_default();
            group.count += 1;
            if group.workers.len() < NAMED {
                group.workers.push(candidate.worker.clone());
            }
        }
        Explanation {
            need_millicores: self.need_millicores,
            considered: self.considered.len(),
            fitting,
            excluded,
            chosen: self.chosen.map(|(candidate, why)| Chosen {
                worker: candidate.worker.clone(),
                why,
                free_millicores: candidate.free_millicores,
                total_millicores: candidate.total_millicores,
                sessions: candidate.sessions,
                of_guild: candidate.of_guild,
            }),
        }
    }
}

/// So many of the excluded are named by reason; the others are counted.
const NAMED: usize = 5;

/// A decision in words: owned and bounded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// Of the session.
    pub need_millicores: u32,
    /// How many workers there were.
    pub considered: usize,
    /// How many of them could have held it.
    pub fitting: usize,
    /// The others, by reason.
    pub excluded: BTreeMap<Exclusion, Excluded>,
    /// Nobody, when nobody could.
    pub chosen: Option<Chosen>,
}

/// Workers excluded for one reason.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Excluded {
    /// All of them.
    pub count: usize,
    /// Some of them.
    pub workers: Vec<WorkerId>,
}

/// The chosen one, as it was before it got the session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Chosen {
    /// Who.
    pub worker: WorkerId,
    /// Why this one.
    pub why: Why,
    /// Its room.
    pub free_millicores: u32,
    /// Its size.
    pub total_millicores: u32,
    /// How many it held.
    pub sessions: usize,
    /// How many of them were the guild's.
    pub of_guild: usize,
}
