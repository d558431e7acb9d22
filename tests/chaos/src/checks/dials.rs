//! After the first voice IDENTIFY under a token, none comes from an older one.

use std::collections::BTreeMap;
use std::time::Instant;

use discord_sim::{RecordEntry, RecordEvent};

use super::Evidence;
use crate::history::History;
use crate::logs::LogLine;
use crate::place::{Life, Side};

/// What came of voice connections.
#[derive(Clone, Copy, Debug, Default)]
pub struct DialCounts {
    /// IDENTIFYs and RESUMEs.
    pub dials: usize,
    /// Stale ones.
    pub overlaps: usize,
    /// Stale ones of a process that was held up between its question and its word.
    pub late: usize,
    /// Connections of one process that gave way to another one's.
    pub displacements: usize,
    /// Leases granted.
    pub grants: usize,
}

/// One IDENTIFY or RESUME, and the lease that it was made under.
struct Dial {
    life: Life,
    /// Sessions of a guild are numbered.
    session: u64,
    token: u64,
    permitted: Instant,
}

/// Counts, and whatever is wrong.
pub fn dials(evidence: &Evidence<'_>, history: &History) -> (DialCounts, Vec<String>) {
    let mut wrong = Vec::new();
    let mut counts = DialCounts {
        grants: history.grants.len(),
        ..DialCounts::default()
    };
    // By guild and account.
    let mut newest: BTreeMap<_, (u64, u64)> = BTreeMap::new();
    for entry in &evidence.record {
        let (guild, step) = match &entry.event {
            RecordEvent::VoiceIdentify { guild, .. } => (guild.0, "Identify"),
            RecordEvent::VoiceResume { guild, .. } => (guild.0, "Resume"),
            _ => continue,
        };
        counts.dials += 1;
        let Some(dial) = dial(evidence, entry, guild, step) else {
            wrong.push(format!(
                "a voice {step} in guild {guild} that no gate let pass, from {:?}",
                evidence.caller(entry)
            ));
            continue;
        };
        let now = (dial.session, dial.token);
        let known = newest.entry((guild, entry.user)).or_insert(now);
        if now >= *known {
            *known = now;
        } else if evidence.was_held_up(dial.life, Side::Discord, dial.permitted, entry.at) {
            counts.late += 1;
        } else {
            counts.overlaps += 1;
            wrong.push(format!(
                "{} in guild {guild}: {step} of session {} under token {} after one of {} under {}",
                dial.life, dial.session, dial.token, known.0, known.1
            ));
        }
    }
    counts.displacements = displacements(evidence);
    if counts.displacements > counts.grants {
        wrong.push(format!(
            "{} displacements, and {} grants",
            counts.displacements, counts.grants
        ));
    }
    (counts, wrong)
}

/// Its process says under which lease it passed the gate last before this.
fn dial(evidence: &Evidence<'_>, entry: &RecordEntry, guild: u64, step: &str) -> Option<Dial> {
    let life = evidence.caller(entry)?;
    let passes = |line: &&LogLine| {
        line.unix_ms <= entry.unix_ms
            && line.message() == "passes the gate"
            && line.text("step") == Some(step)
            && line
                .text("session")
                .is_some_and(|session| session.starts_with(&guild.to_string()))
    };
    let line = evidence.log(life).iter().rev().find(passes)?;
    Some(Dial {
        life,
        session: line.text("session")?.parse().ok()?,
        token: line.number("token")?,
        permitted: evidence.clock.at_unix_ms(line.unix_ms),
    })
}

/// Of connections of one process by another process.
fn displacements(evidence: &Evidence<'_>) -> usize {
    let mut opened: BTreeMap<u64, Option<Life>> = BTreeMap::new();
    let mut count = 0;
    for entry in &evidence.record {
        match &entry.event {
            RecordEvent::VoiceIdentify {
                connection: Some(connection),
                ..
            }
            | RecordEvent::VoiceResume {
                connection: Some(connection),
                ..
            } => {
                opened.insert(*connection, evidence.caller(entry));
            }
            RecordEvent::VoiceDisplaced { connection, .. } => {
                let by = evidence.caller(entry);
                count += usize::from(opened.get(connection).is_none_or(|of| *of != by));
            }
            _ => {}
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use discord_sim::{Displacement, GuildId};

    use super::*;
    use crate::checks::staged::{Staged, grants, process};
    use crate::place::Kind;

    const GUILD: GuildId = GuildId(1_001);

    fn identify(connection: u64) -> RecordEvent {
        RecordEvent::VoiceIdentify {
            guild: GUILD,
            channel: None,
            stream: None,
            session: "v".to_owned(),
            token: "t".to_owned(),
            version: 8,
            connection: Some(connection),
            refused: None,
        }
    }

    /// The first worker under token 1, the second under token 2.
    async fn taken_over() -> (Staged, Life, Life) {
        let (old, new) = (process(Kind::Worker, 0), process(Kind::Worker, 1));
        let mut staged = Staged::begin().await;
        staged.passes(old, 100, "Identify", "10011", 1);
        staged.said(old, 110, identify(1));
        staged.passes(new, 2_000, "Identify", "10011", 2);
        staged.said(new, 2_010, identify(2));
        let displaced = RecordEvent::VoiceDisplaced {
            guild: GUILD,
            connection: 1,
            by: 2,
            how: Displacement::Silence,
        };
        staged.said(new, 2_010, displaced);
        (staged, old, new)
    }

    #[tokio::test]
    async fn tokens_that_rise_are_right_and_a_new_party_begins_anew() {
        let (mut staged, old, _) = taken_over().await;
        staged.passes(old, 5_000, "Identify", "10012", 1);
        staged.said(old, 5_010, identify(3));
        let (counts, wrong) = dials(&staged.evidence(), &grants(3));
        assert_eq!(wrong, [""; 0]);
        assert_eq!(
            (counts.dials, counts.displacements, counts.grants),
            (3, 1, 3)
        );
    }

    #[tokio::test]
    async fn an_older_token_and_a_dial_without_a_permit_are_found() {
        let (mut staged, old, new) = taken_over().await;
        staged.passes(old, 5_000, "Identify", "10011", 1);
        staged.said(old, 5_010, identify(3));
        let resume = RecordEvent::VoiceResume {
            guild: GUILD,
            stream: None,
            session: "v".to_owned(),
            token: "t".to_owned(),
            version: 8,
            seq_ack: None,
            connection: Some(2),
            replayed: 0,
            refused: None,
        };
        staged.said(new, 6_000, resume);
        let (counts, wrong) = dials(&staged.evidence(), &grants(2));
        assert_eq!(
            (counts.overlaps, counts.late, wrong.len()),
            (1, 0, 2),
            "{wrong:?}"
        );
    }

    #[tokio::test]
    async fn a_dial_that_was_held_up_is_late() {
        let (mut staged, old, _) = taken_over().await;
        staged.passes(old, 1_900, "Identify", "10011", 1);
        staged.stops(old, 1_910, 5_000);
        staged.said(old, 5_010, identify(3));
        let (counts, wrong) = dials(&staged.evidence(), &grants(2));
        assert_eq!((counts.overlaps, counts.late), (0, 1), "{wrong:?}");
    }

    #[tokio::test]
    async fn more_displacements_than_grants_are_found() {
        let (staged, ..) = taken_over().await;
        let (_, wrong) = dials(&staged.evidence(), &grants(0));
        assert_eq!(wrong.len(), 1, "{wrong:?}");
    }
}
