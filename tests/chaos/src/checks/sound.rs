//! What members heard: when each party played again, and how far off take-overs were.

use std::time::{Duration, Instant};

use anyhow::Result;
use discord_sim::{CodedSecond, Heard, HeardConnection, Listening};

use super::Evidence;
use crate::history::Event;
use crate::place::Side;

/// Sound counts as flowing when it lasts so long.
const FLOWS_FOR: Duration = Duration::from_secs(1);

/// Longer without a packet of sound is a hole: a busy machine makes some of some hundred milliseconds.
const HOLE: Duration = Duration::from_millis(700);

/// Packets come so often.
const PACKET: Duration = Duration::from_millis(20);

/// Calls so near to a take-over move the position themselves: what was heard before it has to be two whole seconds of one
/// place, and so has what is heard after it.
const NEAR_MS: u64 = 2_500;

/// A link of a worker that was away so long before its last word, or since, kept the leader from seeing what it did.
const UNSEEN: Duration = Duration::from_secs(8);

/// Of one party.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recovery {
    /// It flowed at the moment asked for, or first did so long after.
    After(Duration),
    /// It does not flow.
    Silent,
}

/// When sound flowed, from `from` on: from the first packet after which there is no hole for a second.
pub fn plays_by(heard: &Heard, from: Instant) -> Recovery {
    let packets = heard.packets();
    let sound: Vec<Instant> = packets
        .iter()
        .filter(|packet| packet.at >= from && !packet.silence && packet.decrypted)
        .map(|packet| packet.at)
        .collect();
    let mut began = None;
    let mut last: Option<Instant> = None;
    for at in sound {
        if last.is_none_or(|last| at - last > HOLE) {
            began = Some(at);
        }
        if let Some(began) = began
            && at - began >= FLOWS_FOR
        {
            return Recovery::After(began.saturating_duration_since(from));
        }
        last = Some(at);
    }
    Recovery::Silent
}

/// What take-overs did to the position.
#[derive(Clone, Copy, Debug, Default)]
pub struct Takeovers {
    /// Measured ones.
    pub count: usize,
    /// The worst of a worker that did not play on out of the leader's sight, in milliseconds.
    pub worst_ms: u64,
    /// The worst of the others.
    pub worst_unseen_ms: u64,
}

impl Takeovers {
    /// Of two guilds.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            count: self.count + other.count,
            worst_ms: self.worst_ms.max(other.worst_ms),
            worst_unseen_ms: self.worst_unseen_ms.max(other.worst_unseen_ms),
        }
    }
}

/// Compares, for each change of the worker in one guild during which nobody called, the last second of the one with the
/// first of the next; gives each as a line, too.
pub fn takeovers(
    heard: &Heard,
    events: &[&Event],
    evidence: &Evidence<'_>,
) -> Result<(Takeovers, Vec<String>)> {
    let report = Listening::default().report(heard)?;
    let mut found = Takeovers::default();
    let mut lines = Vec::new();
    let connections: Vec<&HeardConnection> = heard
        .connections
        .iter()
        .filter(|one| one.packets.iter().any(|packet| !packet.silence))
        .collect();
    for pair in connections.windows(2) {
        let [old, new] = pair else { continue };
        let caller =
            |one: &HeardConnection| evidence.network.caller(one.info.source, one.info.opened_at);
        let (Some(from), Some(to)) = (caller(old), caller(new)) else {
            continue;
        };
        let (Some((ended, last)), Some((began, first))) = (
            last_of(old, &report.seconds),
            first_of(new, &report.seconds),
        ) else {
            continue;
        };
        let unix_ms = |at| heard.clock().unix_ms(at);
        let called = !is_settled(events, unix_ms(ended), unix_ms(began), last);
        if from == to || called {
            continue;
        }
        let error = first - last;
        let ms = (error.abs() * 1000.0) as u64;
        // The scheduler knows no more than it was told: while the old worker was not heard of, it went on.
        let since = ended.checked_sub(UNSEEN).unwrap_or(ended);
        let unseen = evidence.was_held_up(from, Side::Scheduler, since, began)
            || evidence.was_away(from.place, Side::Etcd, since, began)
            || evidence.leader_began(unix_ms(since), unix_ms(began));
        found.count += 1;
        let worst = if unseen {
            &mut found.worst_unseen_ms
        } else {
            &mut found.worst_ms
        };
        *worst = ms.max(*worst);
        lines.push(format!(
            "take-over in guild {}: {from} to {to}, silent for {} ms, {:+.0} ms off at {last:.3} s{}",
            old.info.guild,
            began.saturating_duration_since(ended).as_millis(),
            error * 1000.0,
            if unseen { " (it went on unseen)" } else { "" },
        ));
    }
    Ok((found, lines))
}

/// Whether the worker had carried out, well before its end, all that was called for, and nobody called until its successor
/// was well under way.
fn is_settled(events: &[&Event], ended: u64, began: u64, last: f64) -> bool {
    let moves = |event: &&&Event| {
        let kinds = [
            "created", "play", "pause", "resume", "seek", "skip", "stop", "ended",
        ];
        kinds.contains(&event.kind.as_str()) && event.unix_ms < began + NEAR_MS
    };
    // A play is told of in two rows: what it ended, and itself.
    let Some(newest) = events
        .iter()
        .filter(moves)
        .max_by_key(|event| (event.unix_ms, event.generation()))
    else {
        return false;
    };
    if newest.unix_ms + NEAR_MS > ended {
        return false;
    }
    let elapsed = (ended - newest.unix_ms) as f64 / 1000.0;
    let from = match newest.kind.as_str() {
        "play" => 0.0,
        "seek" => newest.payload["positionMs"].as_u64().unwrap_or_default() as f64 / 1000.0,
        // Where it was held is another question.
        _ => return false,
    };
    (from..from + elapsed + 1.0).contains(&last)
}

/// When the sound of a connection ended, and at which second of the film.
fn last_of(connection: &HeardConnection, seconds: &[CodedSecond]) -> Option<(Instant, f64)> {
    let second = seconds
        .iter()
        .rfind(|one| one.confirmed && one.ssrc == connection.info.ssrc)?;
    let sound = sound_of(connection);
    let ended = *sound.last()?;
    let since = sound.iter().filter(|at| **at > second.moment.at).count();
    Some((
        ended,
        f64::from(second.second) + since as f64 * PACKET.as_secs_f64(),
    ))
}

/// When it began, and at which second.
fn first_of(connection: &HeardConnection, seconds: &[CodedSecond]) -> Option<(Instant, f64)> {
    let second = seconds
        .iter()
        .find(|one| one.confirmed && one.ssrc == connection.info.ssrc)?;
    let sound = sound_of(connection);
    let began = *sound.first()?;
    let before = sound.iter().filter(|at| **at < second.moment.at).count();
    Some((
        began,
        f64::from(second.second) - before as f64 * PACKET.as_secs_f64(),
    ))
}

fn sound_of(connection: &HeardConnection) -> Vec<Instant> {
    let packets = connection.packets.iter();
    packets
        .filter(|packet| !packet.silence)
        .map(|packet| packet.at)
        .collect()
}
