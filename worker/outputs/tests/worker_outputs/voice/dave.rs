use std::time::Duration;

use discord_sim::{DiscordSimConfig, Fault, FirstCommit, GuildId, RecordEvent};
use orb_worker_outputs::voice::VoiceEvent;

use super::PROMPT;
use super::stage::{GUILD, Over, Stage, dave, fault, film, identifies, pts_of};

on_stage! {
    both {
        nothing_is_in_the_clear_when_the_bot_commits_first: first(FirstCommit::Bot),
        nothing_is_in_the_clear_when_the_member_commits_first: first(FirstCommit::Member),
    }
    orb {
        when_a_resume_is_refused_and_new_credentials_come_nothing_is_in_the_clear: without_resume(),
        when_the_group_is_made_anew_nothing_is_in_the_clear_and_no_frame_is_lost: dave(),
    }
    songbird {
        when_songbird_joins_anew_by_itself_nothing_is_in_the_clear_either: without_resume(),
    }
}

fn first(first_commit: FirstCommit) -> DiscordSimConfig {
    DiscordSimConfig {
        first_commit,
        ..dave()
    }
}

fn without_resume() -> DiscordSimConfig {
    DiscordSimConfig {
        voice_resume_window: Duration::ZERO,
        ..dave()
    }
}

async fn nothing_is_in_the_clear_when_the_bot_commits_first(stage: Stage) {
    nothing_is_in_the_clear(stage).await;
}

async fn nothing_is_in_the_clear_when_the_member_commits_first(stage: Stage) {
    nothing_is_in_the_clear(stage).await;
}

/// The film is there before the connection, so that the first frame goes out as early as it can.
async fn nothing_is_in_the_clear(mut stage: Stage) {
    stage.voice.play(film(0, 60_000), false);
    stage.join().await;
    let heard = stage.hear(100).await;
    assert!(
        heard
            .iter()
            .map(pts_of)
            .zip((0..).step_by(20))
            .all(|(heard, sent)| heard == sent)
    );
    let record = stage.sim.record();
    let identified = record
        .iter()
        .find(|entry| matches!(entry.event, RecordEvent::VoiceIdentify { .. }));
    let last_step = record.iter().rev().find_map(|entry| match &entry.event {
        RecordEvent::Dave { step, .. } => Some((step, entry.at)),
        _ => None,
    });
    let (step, at) = last_step.expect("the group did something");
    let after_step = heard[0].at.checked_duration_since(at);
    let after_identify = heard[0].at - identified.expect("it joined").at;
    println!(
        "first frame {after_identify:?} after the IDENTIFY, {after_step:?} after DAVE's last step ({step})"
    );
    match stage.over {
        // It knows when the group is complete.
        Over::Orb => assert!(
            after_step.is_some_and(|after| after < PROMPT),
            "{after_step:?}"
        ),
        // The group is complete sooner here than over the internet: what protects there is the wait.
        Over::Songbird => assert!(
            after_identify > Duration::from_millis(250),
            "{after_identify:?}"
        ),
    }
    let totals = stage.sim.heard(GUILD).totals();
    assert_eq!(
        (totals.in_the_clear, totals.undecryptable),
        (0, 0),
        "{totals:?}"
    );
}

async fn when_songbird_joins_anew_by_itself_nothing_is_in_the_clear_either(mut stage: Stage) {
    stage.join().await;
    stage.voice.play(film(0, 600_000), false);
    stage.expect(&VoiceEvent::FirstFrame { pts_ms: 0 }).await;
    for round in 1..=3 {
        let heard = stage.frames().len();
        stage.hear(heard + 10).await;
        assert_eq!(
            fault(
                &stage,
                &Fault::ResetVoice {
                    guild: GuildId(GUILD),
                    user: None
                }
            ),
            1
        );
        stage
            .until("joined anew", || identifies(&stage) > round)
            .await;
        while stage.event().await != (VoiceEvent::Connected { revision: 1 }) {}
        let heard = stage.frames().len();
        stage.hear(heard + 10).await;
    }
    let totals = stage.sim.heard(GUILD).totals();
    assert_eq!(
        (totals.in_the_clear, totals.undecryptable),
        (0, 0),
        "{totals:?}"
    );
    let pts = stage.heard_pts();
    let skipped = pts.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();
    println!("at most {skipped} ms of the film skipped");
    assert!(pts.is_sorted() && skipped < 500, "{skipped} ms skipped");
}

async fn when_the_group_is_made_anew_nothing_is_in_the_clear_and_no_frame_is_lost(
    mut stage: Stage,
) {
    stage.join().await;
    stage.voice.play(film(0, 600_000), false);
    for _ in 0..5 {
        stage.hear(stage.frames().len() + 20).await;
        let anew = Fault::RecreateGroup {
            guild: GuildId(GUILD),
        };
        assert_eq!(fault(&stage, &anew), 1);
    }
    stage.hear(stage.frames().len() + 20).await;
    let totals = stage.sim.heard(GUILD).totals();
    assert_eq!(
        (totals.in_the_clear, totals.undecryptable),
        (0, 0),
        "{totals:?}"
    );
    let pts = stage.heard_pts();
    assert!(
        pts.iter()
            .copied()
            .eq((0..pts.len() as u64).map(|i| i * 20)),
        "{pts:?}"
    );
}

async fn when_a_resume_is_refused_and_new_credentials_come_nothing_is_in_the_clear(
    mut stage: Stage,
) {
    stage.join().await;
    stage.voice.play(film(0, 600_000), false);
    stage.expect(&VoiceEvent::FirstFrame { pts_ms: 0 }).await;
    for _ in 0..3 {
        stage.hear(stage.frames().len() + 10).await;
        let reset = Fault::ResetVoice {
            guild: GuildId(GUILD),
            user: None,
        };
        assert_eq!(fault(&stage, &reset), 1);
        match stage.event().await {
            VoiceEvent::Lost {
                close_code: Some(4006),
                ..
            } => {}
            other => panic!("{other:?}"),
        }
        stage.join().await;
    }
    stage.hear(stage.frames().len() + 10).await;
    let totals = stage.sim.heard(GUILD).totals();
    assert_eq!(
        (totals.in_the_clear, totals.undecryptable),
        (0, 0),
        "{totals:?}"
    );
}
