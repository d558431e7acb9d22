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

#[cfg(test)]
mod tests {
    use discord_sim::GuildId;

    use super::*;
    use crate::checks::staged::{Staged, process};
    use crate::place::Kind;

    fn op_4() -> RecordEvent {
        RecordEvent::VoiceStateRequest {
            session: "s".to_owned(),
            guild: GuildId(1_001),
            channel: None,
            refused: None,
        }
    }

    fn identify() -> RecordEvent {
        RecordEvent::GatewayIdentify {
            token: "t".to_owned(),
            shard: None,
            session: None,
            refused: None,
        }
    }

    /// Two leaders, one after the other.
    async fn two_leaders() -> (Staged, Life, Life) {
        let (old, new) = (process(Kind::Scheduler, 0), process(Kind::Scheduler, 1));
        let mut staged = Staged::begin().await;
        staged.leads(old, 0, 1);
        staged.said(old, 100, identify());
        staged.leads(new, 1_000, 2);
        staged.said(new, 1_100, identify());
        (staged, old, new)
    }

    #[tokio::test]
    async fn one_leader_after_the_other_is_right() {
        let (mut staged, _, new) = two_leaders().await;
        staged.said(new, 2_000, op_4());
        assert_eq!(gateway(&staged.evidence()), (0, 0, Vec::new()));
    }

    #[tokio::test]
    async fn a_word_of_the_old_leader_and_one_of_none_are_found() {
        let (mut staged, old, _) = two_leaders().await;
        staged.said(old, 5_000, op_4());
        staged.said(process(Kind::Scheduler, 2), 6_000, op_4());
        let (overlaps, late, wrong) = gateway(&staged.evidence());
        assert_eq!((overlaps, late, wrong.len()), (2, 0, 2), "{wrong:?}");
    }

    #[tokio::test]
    async fn a_word_that_was_held_up_is_late() {
        let (mut staged, old, _) = two_leaders().await;
        staged.stops(old, 500, 4_900);
        staged.said(old, 5_000, op_4());
        assert_eq!(gateway(&staged.evidence()), (0, 1, Vec::new()));
        // Long after it woke up it had time to learn of it.
        staged.said(old, 9_000, op_4());
        assert_eq!(gateway(&staged.evidence()).0, 1);
    }
}
