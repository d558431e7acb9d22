//! Queues that play through: what the members hear between two films.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use discord_sim::{Join, Listening};

use super::FILM_SECONDS;
use super::queue::Queue;
use crate::party::Party;
use crate::report::Measurement;
use crate::stage::Stage;
use crate::statistics::Samples;

/// Parties that play at once, each in a guild of its own.
const PARTIES: u64 = 4;

/// In each queue.
const FILMS: u32 = 8;

/// Room for starts, on a busy machine.
const BEYOND: Duration = Duration::from_mins(1);

/// Longer without a packet is a hole in the sound.
const HOLE: Duration = Duration::from_millis(60);

pub(super) async fn measure(stage: &Stage) -> Result<Vec<Measurement>> {
    eprintln!("advances: {PARTIES} queues of {FILMS} films");
    let mut parties = Vec::new();
    for number in 1..=PARTIES {
        let party = stage.party(number).await?;
        let first = number as u32 * FILMS;
        let queue = Queue::of(&party, stage.api());
        queue.add(first..first + FILMS).await?;
        parties.push((party, queue));
    }
    let since = Instant::now();
    for (_, queue) in &parties {
        queue.play().await?;
    }
    let length = Duration::from_secs((FILMS * FILM_SECONDS).into());
    let mut joins = Vec::new();
    for (party, _) in &parties {
        party
            .becomes("playbackState", "ended", length + BEYOND)
            .await?;
        joins.extend(joins_of(stage, party, since)?);
    }
    let mut gaps = Samples::default();
    let (mut apart, mut silent) = (Samples::default(), 0);
    for join in &joins {
        gaps.push(join.gap_ms);
        apart.push(join.longest_ms);
        silent += join.silence_frames;
    }
    let detail = format!(
        "media time between two films at the member, {PARTIES} parties, {} joins: {}; packets around a join at most \
         {:.0} ms apart by arrival; {silent} silence frames",
        joins.len(),
        gaps.describe(),
        apart.max()
    );
    let p99 = gaps.percentile(99.0);
    Ok(vec![
        Measurement::new("advance_gap_p99_ms", p99, "ms", detail).at_most(100.0),
    ])
}

/// All joins of a queue that was heard to its end.
fn joins_of(stage: &Stage, party: &Party, since: Instant) -> Result<Vec<Join>> {
    let heard = stage.discord().heard_since(party.guild(), since);
    let listening = Listening {
        gap: HOLE,
        ..Listening::default()
    };
    // Decoding takes a while, and nothing plays any more that would wait for it.
    let report = tokio::task::block_in_place(|| listening.report(&heard));
    let joins = heard.joins(&report.context("the member's sound cannot be decoded")?);
    if joins.len() != FILMS as usize - 1 {
        bail!(
            "{} of {} joins were heard by {}",
            joins.len(),
            FILMS - 1,
            party.id()
        );
    }
    Ok(joins)
}
