//! The WebSocket is cut and resumed: what the member misses.
//!
//! Media has a way of its own (UDP) and shall not notice. So the gap is counted against the second before the cut: in
//! frames that never came, and in how much longer than ever the member waited for the next one.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use discord_sim::{DiscordSim, DiscordSimConfig, Fault, GuildId};
use orb_voice::{CallEvent, Driver};

use super::TICK;
use super::frames::Frames;
use super::solo::{self, Solo, TELLS_WITHIN};
use crate::lateness::{lateness, of_a_bare_thread};
use crate::report::Measurement;
use crate::statistics::Samples;
use crate::waiting::until;

/// Cuts, each of the next kind.
const CUTS: usize = 16;

/// Listened to before each cut, uncut, and after it.
const STRETCH: Duration = Duration::from_secs(1);

/// Two stretches whose longest spacings differ by less are the same: a thread that only sleeps differs as much.
const RESOLUTION_MS: f64 = 1.0;

const GUILD: GuildId = GuildId(70);

fn cut(number: usize) -> (&'static str, Fault) {
    let (guild, user) = (GUILD, None);
    let kinds = [
        ("reset", Fault::ResetVoice { guild, user }),
        ("end of TLS", Fault::DropVoice { guild, user }),
        (
            "close 4015",
            Fault::CloseVoice {
                guild,
                user,
                code: 4015,
            },
        ),
        (
            "close 1001",
            Fault::CloseVoice {
                guild,
                user,
                code: 1001,
            },
        ),
    ];
    kinds[number % kinds.len()].clone()
}

pub(super) async fn measure() -> Result<Measurement> {
    eprintln!("resuming: {CUTS} cuts");
    let sim = DiscordSim::start(DiscordSimConfig::default()).await?;
    let driver = solo::driver(&sim)?;
    let whole = (2 * STRETCH + STRETCH / 2) * CUTS as u32;
    let bare = tokio::task::spawn_blocking(move || of_a_bare_thread(whole));
    let (cuts, took) = play(&sim, &driver).await?;
    let frames = frames(&sim);
    sim.shutdown().await;
    let bare = lateness(&bare.await?);

    let (mut control, mut resumed) = (Samples::default(), Samples::default());
    let mut names = Vec::new();
    for (name, at) in cuts {
        control.push(longest_extra_ms(&frames, at.checked_sub(STRETCH), at));
        resumed.push(longest_extra_ms(&frames, Some(at), at + STRETCH));
        names.push(name);
    }
    let missing = missing(&frames);
    let longer = resumed.max() - control.max();
    let gap = if longer < RESOLUTION_MS { 0.0 } else { longer } + missing as f64 * TICK_MS;
    let detail = format!(
        "{CUTS} cuts ({}...), each resumed after {}; frames of {} that never reached the member or came out of order: \
         {missing}; longest spacing beyond 20 ms in each second after a cut: {}; in each second before: {}; the value \
         is 20 ms a missing frame, and by how much the longest of the former exceeds the longest of the latter, unless by \
         less than {RESOLUTION_MS} ms; a bare thread meanwhile: {}",
        names[..4].join(", "),
        took.describe(),
        frames.len(),
        resumed.describe(),
        control.describe(),
        bare.describe()
    );
    Ok(Measurement::new("resume_gap_ms", gap, "ms", detail).at_most(0.0))
}

const TICK_MS: f64 = TICK.as_millis() as f64;

/// Plays and cuts; returns the moments of the cuts, and how long each was mended for.
async fn play(
    sim: &DiscordSim,
    driver: &Driver,
) -> Result<(Vec<(&'static str, Instant)>, Samples)> {
    let mut solo = Solo::new(driver);
    solo.connect(solo::server(sim.voice_credentials(GUILD, 71, 72)?));
    solo.told(&CallEvent::Connected { resumed: false }).await?;
    until("the first frame", TELLS_WITHIN, async || {
        Ok((!frames(sim).is_empty()).then_some(()))
    })
    .await?;
    let (mut cuts, mut took) = (Vec::new(), Samples::default());
    for number in 0..CUTS {
        tokio::time::sleep(STRETCH + STRETCH / 4).await;
        let (name, fault) = cut(number);
        let at = Instant::now();
        if sim.fault(&fault)? != 1 {
            bail!("the cut by {name} hit nothing");
        }
        let mended = solo.told(&CallEvent::Connected { resumed: true }).await?;
        took.push_ms(mended - at);
        cuts.push((name, at));
        tokio::time::sleep_until((at + STRETCH + STRETCH / 4).into()).await;
    }
    Ok((cuts, took))
}

/// The frames that the member could decrypt: when, and which.
fn frames(sim: &DiscordSim) -> Vec<(Instant, u32)> {
    let heard = sim.heard(GUILD);
    let packets = heard.packets();
    let frames = packets.iter().filter(|packet| packet.decrypted);
    frames
        .filter_map(|packet| Some((packet.at, Frames::number(packet.opus.as_deref()?)?)))
        .collect()
}

/// Frames between the first and the last that are not in their place.
fn missing(frames: &[(Instant, u32)]) -> usize {
    let steps = frames.windows(2).map(|pair| (pair[0].1, pair[1].1));
    steps
        .map(|(before, after)| after.wrapping_sub(before).wrapping_sub(1).min(1000) as usize)
        .sum()
}

/// The longest time between two frames of which the later one came in a stretch, beyond the regular.
fn longest_extra_ms(frames: &[(Instant, u32)], since: Option<Instant>, before: Instant) -> f64 {
    let spacing = frames.windows(2).filter_map(|pair| {
        let within = pair[1].0 < before && since.is_none_or(|since| pair[1].0 >= since);
        within.then(|| (pair[1].0 - pair[0].0).saturating_sub(TICK))
    });
    spacing.max().unwrap_or_default().as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_found_in_their_stretch() {
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let frames = [(at(0), 7), (at(20), 8), (at(65), 9), (at(80), 11)];
        assert_eq!(missing(&frames), 1);
        let extra = |since, before| longest_extra_ms(&frames, Some(at(since)), at(before));
        assert!((extra(0, 60) - 0.0).abs() < 1e-6);
        assert!((extra(60, 100) - 25.0).abs() < 1e-6);
        // Twice the same, or an older one: nothing that a listener wants.
        assert!(missing(&[(at(0), 8), (at(20), 8)]) > 0);
    }
}
