//! No scheduler for a minute; and one that comes back when Discord has forgotten the gateway session.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use discord_sim::{DiscordSimConfig, Fault, RecordEvent};

use super::processes::{Pool, Setup};
use super::track::Change;
use crate::film::Film;
use crate::party::Party;
use crate::report::Measurement;
use crate::statistics::Samples;
use crate::waiting::until;

/// Audio sessions that play meanwhile, on two workers.
const SESSIONS: u64 = 10;

/// How long there is no scheduler.
const OUTAGE: Duration = Duration::from_mins(1);

/// How long Discord keeps the gateway session: the outage, and what schedulers take to start.
const RESUME_WINDOW: Duration = Duration::from_mins(2);

/// Listened to after the workers are back: what could still go wrong by itself (leases that nobody claims) has by then.
const AFTERWARDS: Duration = Duration::from_secs(12);

/// A hole that somebody calls an interruption.
const INTERRUPTION: Duration = Duration::from_millis(200);

/// The second time, schedulers are away for so long.
const SHORT_OUTAGE: Duration = Duration::from_secs(3);

/// Beyond this they never recover.
const RECOVERED_WITHIN: Duration = Duration::from_mins(1);

/// For the whole part; beyond this something hangs.
const PART_WITHIN: Duration = Duration::from_mins(5);

pub(super) async fn measure() -> Result<Vec<Measurement>> {
    let mut pool = Pool::start(Setup {
        discord: DiscordSimConfig {
            resume_window: RESUME_WINDOW,
            ..DiscordSimConfig::default()
        },
        ..Setup::default()
    })
    .await?;
    let measurements = pool.run(
        async |pool| {
            pool.add_worker().await?;
            pool.add_worker().await?;
            let crowd = pool.crowd(SESSIONS, Film::Sound).await?;
            Ok(vec![
                headless(pool, &crowd).await?,
                resume_refused(pool, &crowd).await?,
            ])
        },
        PART_WITHIN,
    );
    measurements.await
}

async fn headless(pool: &mut Pool, crowd: &[Party]) -> Result<Measurement> {
    eprintln!("no scheduler for {OUTAGE:?}");
    let killed = pool.kill_schedulers()?.at;
    tokio::time::sleep(OUTAGE).await;
    let away = killed.elapsed();
    pool.start_schedulers().await?;
    until("both workers to be back", RECOVERED_WITHIN, async || {
        let back = pool.leader()?.count("worker attached");
        Ok((back >= 2).then_some(()))
    })
    .await?;
    let back = killed.elapsed();
    tokio::time::sleep(AFTERWARDS).await;
    let resumed = pool.discord().record().into_iter().any(|entry| {
        let resumed = matches!(
            entry.event,
            RecordEvent::GatewayResume { refused: None, .. }
        );
        resumed && entry.at > killed
    });
    ensure!(resumed, "the gateway session was not resumed");

    let (mut holes, mut interrupted) = (Samples::default(), 0);
    for party in crowd {
        let hole = pool.listener(party).longest_hole(killed);
        holes.push_ms(hole);
        let plays = party.status().await?["playbackState"] == "playing";
        let again = opened_since(pool, party, killed);
        interrupted += u32::from(hole > INTERRUPTION || !plays || again);
    }
    let detail = format!(
        "of {SESSIONS} audio sessions on two workers; both schedulers killed, others started after {:.1} s, workers back after \
         {:.1} s, listened to for {AFTERWARDS:?} more; interrupted is who was not heard for over {INTERRUPTION:?}, had to connect \
         anew, or does not play in the end; longest holes in ms: {}; the gateway session was resumed",
        away.as_secs_f64(),
        back.as_secs_f64(),
        holes.describe()
    );
    Ok(Measurement::new(
        "headless_60s_interrupted",
        f64::from(interrupted),
        "sessions",
        detail,
    )
    .at_most(0.0))
}

/// Whether the party needed another voice connection.
fn opened_since(pool: &Pool, party: &Party, since: Instant) -> bool {
    let heard = pool.discord().heard_since(party.guild(), since);
    heard
        .connections
        .iter()
        .any(|connection| connection.info.opened_at > since)
}

async fn resume_refused(pool: &mut Pool, crowd: &[Party]) -> Result<Measurement> {
    eprintln!("a gateway session that Discord has forgotten");
    let killed = pool.kill_schedulers()?.at;
    tokio::time::sleep(SHORT_OUTAGE).await;
    pool.discord().fault(&Fault::InvalidSession {
        user: None,
        resumable: false,
    })?;
    let forgotten = Instant::now();
    pool.start_schedulers().await?;
    let refused = until("a refused RESUME", RECOVERED_WITHIN, async || {
        let record = pool.discord().record();
        let mut since = record.iter().filter(|entry| entry.at > killed);
        let refused = |event: &RecordEvent| {
            matches!(
                event,
                RecordEvent::GatewayResume {
                    refused: Some(_),
                    ..
                }
            )
        };
        Ok(since
            .find(|entry| refused(&entry.event))
            .map(|entry| entry.at))
    })
    .await?;
    let mut recovered = Samples::default();
    for party in crowd {
        let change = Change::after(pool.discord(), party, forgotten, RECOVERED_WITHIN).await?;
        recovered.push_ms(change.first.saturating_duration_since(refused));
    }
    let detail = format!(
        "the last of {SESSIONS} audio sessions; both schedulers were killed, Discord ended the gateway session and took the bot \
         out of all channels, schedulers were started; Discord's refusal of the RESUME to the first packet of each session in ms: \
         {}",
        recovered.describe()
    );
    Ok(
        Measurement::new("resume_refused_recover_ms", recovered.max(), "ms", detail)
            .at_most(5000.0),
    )
}
