//! Main-gateway messages of an account come from one leader at a time.

use std::collections::BTreeMap;
use std::time::Instant;

use discord_sim::{RecordEntry, RecordEvent};

use super::Evidence;
use crate::place::{Life, Side};

/// How many messages of an old leader came after a newer one's, those of processes that were held up, and whatever is
/// wrong.
pub fn gateway(evidence: &Evidence<'_>) -> (usize, usize, Vec<String>) {
    let (mut overlaps, mut late) = (0, 0);
    let mut wrong = Vec::new();
    let mut newest: BTreeMap<_, (u64, Life)> = BTreeMap::new();
    for entry in &evidence.record {
        let what = match &entry.event {
            RecordEvent::GatewayIdentify { .. } => "IDENTIFY",
            RecordEvent::GatewayResume { .. } => "RESUME",
            RecordEvent::VoiceStateRequest { .. } => "op 4",
            _ => continue,
        };
        let (Some(user), Some(life)) = (entry.user, evidence.caller(entry)) else {
            wrong.push(format!(
                "a main gateway {what} of nobody: {:?}",
                entry.source
            ));
            continue;
        };
        let Some((epoch, since)) = leads(evidence, life, entry) else {
            overlaps += 1;
            wrong.push(format!("{what} of {user} from {life}, which does not lead"));
            continue;
        };
        let known = newest.entry(user).or_insert((epoch, life));
        if epoch >= known.0 {
            *known = (epoch, life);
        } else if evidence.was_held_up(life, Side::Discord, since.max(recently(entry)), entry.at) {
            late += 1;
        } else {
            overlaps += 1;
            wrong.push(format!(
                "{what} of {user} from {life} of epoch {epoch} after {} of epoch {}",
                known.1, known.0
            ));
        }
    }
    (overlaps, late, wrong)
}

/// The epoch under which a process led then, and since when.
fn leads(evidence: &Evidence<'_>, life: Life, entry: &RecordEntry) -> Option<(u64, Instant)> {
    let lines = evidence.log(life).iter();
    let line = lines
        .rev()
        .find(|line| line.unix_ms <= entry.unix_ms && line.message() == "leading")?;
    Some((
        line.number("epoch")?,
        evidence.clock.at_unix_ms(line.unix_ms),
    ))
}

/// Long enough before it that nothing which was decided earlier is still under way, unless it was held up.
fn recently(entry: &RecordEntry) -> Instant {
    entry.at.checked_sub(super::UNDER_WAY).unwrap_or(entry.at)
}
