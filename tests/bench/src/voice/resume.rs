//! The WebSocket is cut and resumed: what the member misses.
//!
//! Media has a way of its own (UDP) and shall not notice. So the gap is counted against the second before the cut: in
//! frames that never came, and in how much longer than ever the member waited for the next one. Stretches in which the
//! machine kept even a thread waiting that does nothing say nothing about waiting.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use discord_sim::{DiscordSim, DiscordSimConfig, Fault, GuildId};
use orb_voice::{CallEvent, Driver};

use super::frames::Frames;
use super::solo::{self, Solo, TELLS_WITHIN};
use super::{STAMPING, TICK};
use crate::lateness::{is_calm, lateness, of_a_bare_thread};
use crate::machine::put_first;
use crate::report::Measurement;
use crate::statistics::Samples;
use crate::waiting::until;

/// Cuts, each of the next kind.
const CUTS: usize = 40;

/// Listened to before each cut, uncut, and after it: many times what a RESUME takes.
const STRETCH: Duration = Duration::from_millis(300);

/// Two stretches whose longest spacings differ by less are the same: a thread that only sleeps differs as much.
const RESOLUTION_MS: f64 = 1.0;

const GUILD: GuildId = GuildId(70);

const fn close(code: u16) -> Fault {
    Fault::CloseVoice {
        guild: GUILD,
        user: None,
        code,
    }
}

/// How the connection is cut, in turn.
const KINDS: [Fault; 4] = [
    Fault::ResetVoice {
        guild: GUILD,
        user: None,
    },
    Fault::DropVoice {
        guild: GUILD,
        user: None,
    },
    close(4015),
    close(1001),
];

pub(super) async fn measure() -> Result<Measurement> {
    eprintln!("resuming: {CUTS} cuts");
    let sim = DiscordSim::start(DiscordSimConfig::default()).await?;
    put_first(STAMPING).await?;
    let driver = solo::driver(&sim)?;
    // All stretches, and something more: what a RESUME takes comes on top.
    let whole = 3 * STRETCH * CUTS as u32;
    let bare = tokio::task::spawn_blocking(move || of_a_bare_thread(whole));
    let (cuts, took) = play(&sim, &driver).await?;
    let frames = frames(&sim);
    sim.shutdown().await;
    let bare = bare.await?;

    let (mut control, mut resumed) = (Samples::default(), Samples::default());
    for at in cuts {
        let before = at.checked_sub(STRETCH).unwrap_or(at);
        for (samples, from, to) in [(&mut control, before, at), (&mut resumed, at, at + STRETCH)] {
            if is_calm(&bare, from, to) {
                samples.push(longest_extra_ms(&frames, from, to));
            }
        }
    }
    let bare = lateness(&bare);
    let missing = missing(&frames);
    let longer = resumed.max() - control.max();
    let gap = if longer < RESOLUTION_MS { 0.0 } else { longer } + missing as f64 * TICK_MS;
    let detail = format!(
        "{CUTS} cuts (reset, end of TLS, close 4015, close 1001 in turn), resumed after, in ms: {}; frames of {} that never \
         reached the member or came out of order: {missing}; longest spacing beyond 20 ms in {STRETCH:?} after each cut: {}; \
         in as long before each: {}; stretches in which a bare thread was over 1 ms late are left out; the value is 20 ms a \
         missing frame, and by how much the longest of the former exceeds the longest of the latter, unless by less than \
         {RESOLUTION_MS} ms; the bare thread: {}",
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
async fn play(sim: &DiscordSim, driver: &Driver) -> Result<(Vec<Instant>, Samples)> {
    let mut solo = Solo::new(driver);
    solo.connect(solo::server(sim.voice_credentials(GUILD, 71, 72)?));
    solo.told(&CallEvent::Connected { resumed: false }).await?;
    until("the first frame", TELLS_WITHIN, async || {
        Ok((!frames(sim).is_empty()).then_some(()))
    })
    .await?;
    let (mut cuts, mut took) = (Vec::new(), Samples::default());
    for kind in KINDS.iter().cycle().take(CUTS) {
        tokio::time::sleep(STRETCH + STRETCH / 4).await;
        let at = Instant::now();
        if sim.fault(kind)? != 1 {
            bail!("{kind:?} hit nothing");
        }
        let mended = solo.told(&CallEvent::Connected { resumed: true }).await?;
        took.push_ms(mended - at);
        cuts.push(at);
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
fn longest_extra_ms(frames: &[(Instant, u32)], since: Instant, before: Instant) -> f64 {
    let spacing = frames.windows(2).filter_map(|pair| {
        let within = pair[1].0 < before && pair[1].0 >= since;
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
        let extra = |since, before| longest_extra_ms(&frames, at(since), at(before));
        assert!((extra(0, 60) - 0.0).abs() < 1e-6);
        assert!((extra(60, 100) - 25.0).abs() < 1e-6);
        // Twice the same, or an older one: nothing that a listener wants.
        assert!(missing(&[(at(0), 8), (at(20), 8)]) > 0);
    }
}
