//! The leader is killed, or hands over as planned: what is heard of it, and how long callers wait.

use std::time::{Duration, Instant};

use anyhow::Result;
use rustix::process::Signal;

use super::late::Stretch;
use super::processes::{Pool, Setup};
use crate::film::Film;
use crate::party::Party;
use crate::report::Measurement;
use crate::statistics::Samples;
use crate::waiting::until;

/// Audio sessions that play meanwhile, on two workers.
const SESSIONS: u64 = 8;

/// Leaders that are killed.
const KILLS: usize = 5;

/// Leaders that are asked to go.
const HANDOVERS: usize = 6;

/// Listened to before and after a change of leaders.
const STRETCH: Duration = Duration::from_secs(5);

/// What is later than this counts as missing.
const LATEST: Duration = Duration::from_millis(200);

/// A leader that is asked to go has gone by then.
const GONE_WITHIN: Duration = Duration::from_secs(20);

/// A call is accepted by then, or it never is.
const ACCEPTED_WITHIN: Duration = Duration::from_secs(30);

/// For the whole part; beyond this something hangs.
const PART_WITHIN: Duration = Duration::from_mins(6);

pub(super) async fn measure() -> Result<Vec<Measurement>> {
    let mut pool = Pool::start(Setup::default()).await?;
    let (kills, handovers) = pool
        .run(
            async |pool| {
                pool.add_worker().await?;
                pool.add_worker().await?;
                let crowd = pool.crowd(SESSIONS, Film::Sound).await?;
                let kills = kills(pool, &crowd).await?;
                Ok((kills, handovers(pool, &crowd).await?))
            },
            PART_WITHIN,
        )
        .await?;
    let late = kills.stretches.extra() as f64;
    let late_detail = format!(
        "{KILLS} leaders killed while {SESSIONS} audio sessions play on two workers; packets over {} ms behind schedule or never \
         heard, in the {STRETCH:?} after each less those in as long before: {}",
        Stretch::LATE.as_millis(),
        kills.stretches.describe()
    );
    let call_detail = format!(
        "the slowest of them; SIGKILL to the answer of a call made at once (a change of a session, answered when it is durable), \
         by a caller that knows nothing of schedulers: {}; the next one led after: {}; etcd grants a lease of 2 s at least",
        kills.first_call.describe(),
        kills.led.describe()
    );
    let handover_detail = format!(
        "the slowest of {HANDOVERS}; SIGTERM to the leader, to the first answer of the next one, for a caller who calls without a \
         pause: {}; the next one led after: {}; the longest that a call took: {}; packets over {} ms late or never heard: {}",
        handovers.through.describe(),
        handovers.led.describe(),
        handovers.longest.describe(),
        Stretch::LATE.as_millis(),
        handovers.stretches.describe()
    );
    Ok(vec![
        Measurement::new("leader_kill_late_packets", late, "packets", late_detail).at_most(0.0),
        Measurement::new(
            "leader_kill_first_call_ms",
            kills.first_call.max(),
            "ms",
            call_detail,
        )
        .at_most(4000.0),
        Measurement::new(
            "leader_handover_ms",
            handovers.through.max(),
            "ms",
            handover_detail,
        )
        .at_most(250.0),
    ])
}

#[derive(Default)]
struct Kills {
    first_call: Samples,
    led: Samples,
    stretches: Stretches,
}

async fn kills(pool: &mut Pool, crowd: &[Party]) -> Result<Kills> {
    let mut kills = Kills::default();
    for kill in 1..=KILLS {
        eprintln!("killed leaders: {kill}/{KILLS}");
        calm(pool, crowd).await?;
        let (dead, killed) = pool.end_leader(Signal::KILL)?;
        let accepted = accepted(&crowd[0], kill).await?;
        kills.first_call.push_ms(accepted - killed.at);
        kills.stretches.add(pool, crowd, killed.at).await;
        drop(dead);
        if let Some(led) = pool.leader()?.said(&["leading"], killed) {
            kills.led.push_ms(led - killed.at);
        }
        pool.add_standby().await?;
    }
    Ok(kills)
}

/// Waits until all play without a break, for as long as is listened to.
async fn calm(pool: &Pool, crowd: &[Party]) -> Result<()> {
    for party in crowd {
        pool.listener(party).film_for(STRETCH).await?;
    }
    Ok(())
}

/// What all members got before and after each change of leaders.
#[derive(Default)]
struct Stretches(Vec<[Stretch; 2]>);

impl Stretches {
    /// Listens to the end of the stretch after a change, and to what is late then.
    async fn add(&mut self, pool: &Pool, crowd: &[Party], at: Instant) {
        tokio::time::sleep_until((at + STRETCH + LATEST).into()).await;
        let from = at.checked_sub(STRETCH).unwrap_or(at);
        self.0
            .push([(from, at), (at, at + STRETCH)].map(|(from, to)| {
                let heard = crowd
                    .iter()
                    .map(|party| pool.discord().heard_since(party.guild(), from));
                heard.map(|heard| Stretch::of(&heard, from, to)).sum()
            }));
    }

    fn lost(&self) -> [Vec<usize>; 2] {
        [0, 1].map(|side| self.0.iter().map(|both| both[side].lost()).collect())
    }

    /// Those after, less those before, over all.
    fn extra(&self) -> usize {
        let [before, after] = self.lost().map(|lost| lost.into_iter().sum::<usize>());
        after.saturating_sub(before)
    }

    fn describe(&self) -> String {
        let [before, after] = self.lost();
        let punctual: usize = self.0.iter().flatten().map(|one| one.punctual).sum();
        format!("{after:?} after, {before:?} before; {punctual} came in time")
    }
}

/// Makes a change again and again until it is accepted; when that was.
async fn accepted(party: &Party, change: usize) -> Result<Instant> {
    until("a call to be accepted", ACCEPTED_WITHIN, async || {
        Ok(party
            .change_text_channel(change as u64)
            .await?
            .then(Instant::now))
    })
    .await
}

#[derive(Default)]
struct Handovers {
    through: Samples,
    led: Samples,
    longest: Samples,
    stretches: Stretches,
}

async fn handovers(pool: &mut Pool, crowd: &[Party]) -> Result<Handovers> {
    let mut handovers = Handovers::default();
    for handover in 1..=HANDOVERS {
        eprintln!("planned changes of leaders: {handover}/{HANDOVERS}");
        calm(pool, crowd).await?;
        let (mut old, asked) = pool.end_leader(Signal::TERM)?;
        let mut longest = Duration::ZERO;
        let mut called = Instant::now();
        let (led, through) = until("the next leader's answer", ACCEPTED_WITHIN, async || {
            let answered = accepted(&crowd[0], handover).await?;
            longest = longest.max(answered - called);
            called = Instant::now();
            let led = pool.leader()?.said(&["leading"], asked);
            Ok(led.filter(|led| answered > *led).map(|led| (led, answered)))
        })
        .await?;
        handovers.led.push_ms(led - asked.at);
        handovers.through.push_ms(through - asked.at);
        handovers.longest.push_ms(longest);
        old.ends(GONE_WITHIN).await?;
        handovers.stretches.add(pool, crowd, asked.at).await;
        pool.add_standby().await?;
    }
    Ok(handovers)
}
