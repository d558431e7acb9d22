//! Carries a schedule out: each fault a task that begins it, waits, and takes it back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::process::Signal;
use tokio::sync::OwnedMutexGuard;
use tokio::task::JoinSet;

use crate::diary::Diary;
use crate::place::{Kind, Place};
use crate::schedule::{Fault, Planned, Schedule, Target};
use crate::stage::{Slot, Stage};

/// From SIGTERM to the end of a process: `drain_grace` (25 s), what its parts take to stop, and a slow machine.
const ENDS_WITHIN: Duration = Duration::from_secs(40);

/// All faults, those of Discord in these guilds; comes back when the last one is over.
pub async fn carry_out(
    stage: &Arc<Stage>,
    guilds: &[u64],
    schedule: &Schedule,
    diary: &Arc<Diary>,
) -> Result<()> {
    let begun = tokio::time::Instant::now();
    let mut tasks = JoinSet::new();
    for planned in schedule.faults.clone() {
        let (stage, diary) = (Arc::clone(stage), Arc::clone(diary));
        let guilds = guilds.to_vec();
        tasks.spawn(async move {
            tokio::time::sleep_until(begun + Duration::from_millis(planned.at_ms)).await;
            one(&stage, &guilds, planned, &diary)
                .await
                .with_context(|| planned.fault.kind())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    Ok(())
}

async fn one(stage: &Stage, guilds: &[u64], planned: Planned, diary: &Diary) -> Result<()> {
    let lasts = Duration::from_millis(planned.lasts_ms);
    let kind = planned.fault.kind();
    diary.count(&kind);
    match planned.fault {
        Fault::Kill(target) => {
            let mut slot = slot(stage, target).await;
            still_runs(&mut slot, diary);
            diary.say(&format!("{kind}: {} for {lasts:?}", slot.place));
            if let Some(process) = &mut slot.process {
                process.kill().await?;
            }
            tokio::time::sleep(lasts).await;
            slot.start(&stage.base)?;
            diary.say(&format!("started: {}", slot.place));
        }
        Fault::Stop(target) => {
            let mut slot = slot(stage, target).await;
            still_runs(&mut slot, diary);
            diary.say(&format!("{kind}: {} for {lasts:?}", slot.place));
            if let Some(process) = &slot.process {
                process.signal(Signal::STOP);
                diary.stopped(process.life);
                tokio::time::sleep(lasts).await;
                process.signal(Signal::CONT);
                diary.goes_on(process.life);
            }
            diary.say(&format!("goes on: {}", slot.place));
        }
        Fault::Terminate(target) => {
            let mut slot = slot(stage, target).await;
            still_runs(&mut slot, diary);
            diary.say(&format!("{kind}: {}", slot.place));
            terminate(&mut slot, diary).await?;
            slot.start(&stage.base)?;
            diary.say(&format!("started: {}", slot.place));
        }
        Fault::Link(target, side, outage) => {
            let place = slot(stage, target).await.place;
            diary.say(&format!("{kind}: {place} to {} for {lasts:?}", side.name()));
            let id = stage.base.network.fail(place, side, outage);
            tokio::time::sleep(lasts).await;
            stage.base.network.heal(id);
            diary.say(&format!("healed: {place} to {}", side.name()));
        }
        Fault::Headless => {
            let mut slots = Vec::new();
            for place in stage.places(Kind::Scheduler) {
                slots.push(stage.slot(place).lock().await);
            }
            diary.say(&format!("{kind} for {lasts:?}"));
            for slot in &mut slots {
                still_runs(slot, diary);
                if let Some(process) = &mut slot.process {
                    process.kill().await?;
                }
            }
            tokio::time::sleep(lasts).await;
            for slot in &mut slots {
                slot.start(&stage.base)?;
            }
            diary.say("started: all schedulers");
        }
        Fault::DiscordForgets => {
            diary.say(&kind);
            stage.discord.fault(&discord_sim::Fault::InvalidSession {
                user: None,
                resumable: false,
            })?;
        }
        Fault::VoiceServerMoves => {
            diary.say(&kind);
            let listener = stage.other_voice_server();
            for &guild in guilds {
                stage.discord.fault(&discord_sim::Fault::MoveServer {
                    guild: guild.into(),
                    user: None,
                    listener,
                    close: None,
                })?;
            }
        }
        Fault::EtcdCrash | Fault::EtcdRebuild => {
            let mut etcd = stage.etcd.lock().await;
            diary.say(&format!("{kind} for {lasts:?}"));
            etcd.crash()?;
            if planned.fault == Fault::EtcdRebuild {
                etcd.wipe()?;
            }
            tokio::time::sleep(lasts).await;
            etcd.run().await?;
            diary.say("started: etcd");
        }
        Fault::EtcdStop => {
            let etcd = stage.etcd.lock().await;
            diary.say(&format!("{kind} for {lasts:?}"));
            etcd.pause();
            tokio::time::sleep(lasts).await;
            etcd.resume();
            diary.say("goes on: etcd");
        }
        Fault::PostgresCrash | Fault::PostgresRestart => {
            let mut postgres = stage.postgres.lock().await;
            diary.say(&format!("{kind} for {lasts:?}"));
            if planned.fault == Fault::PostgresCrash {
                postgres.crash().await?;
            } else {
                postgres.stop().await?;
            }
            tokio::time::sleep(lasts).await;
            postgres.run().await?;
            diary.say("started: postgres");
        }
    }
    Ok(())
}

/// Nothing but a fault ends a process.
pub fn still_runs(slot: &mut Slot, diary: &Diary) {
    if let Some(process) = &mut slot.process
        && let Some(status) = process.ended()
    {
        let log = process.log.display();
        let what = format!("{} ended by itself with {status}: {log}", process.life);
        diary.violation(Some(Instant::now()), what);
    }
}

async fn terminate(slot: &mut Slot, diary: &Diary) -> Result<()> {
    let Some(process) = &mut slot.process else {
        return Ok(());
    };
    let asked = Instant::now();
    process.signal(Signal::TERM);
    match process.wait(ENDS_WITHIN).await {
        Ok(status) if status.success() => {
            diary.say(&format!(
                "ended: {} after {:?}",
                process.life,
                asked.elapsed()
            ));
        }
        Ok(status) => {
            let what = format!(
                "{} ended with {status} after SIGTERM: {}",
                process.life,
                process.log.display()
            );
            diary.violation(Some(asked), what);
        }
        Err(error) => {
            let what = format!("{error:#} after SIGTERM: {}", process.log.display());
            diary.violation(Some(asked), what);
            process.kill().await?;
        }
    }
    Ok(())
}

async fn slot(stage: &Stage, target: Target) -> OwnedMutexGuard<Slot> {
    let at = |kind, index| Place { kind, index };
    let place = match target {
        Target::Worker(index) => at(Kind::Worker, index),
        Target::Gateway(index) => at(Kind::Gateway, index),
        Target::Leader | Target::Standby => {
            let mut leader = (None, at(Kind::Scheduler, 0));
            for place in stage.places(Kind::Scheduler) {
                let led = stage.slot(place).lock().await.led();
                leader = leader.max((led, place));
            }
            let standby = stage
                .places(Kind::Scheduler)
                .find(|place| *place != leader.1);
            match (target, standby) {
                (Target::Standby, Some(standby)) => standby,
                _ => leader.1,
            }
        }
    };
    Arc::clone(stage.slot(place)).lock_owned().await
}
