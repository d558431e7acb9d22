use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use discord_sim::{Fault, GuildId, RecordEvent};
use orb_voice::{Gate, Passing, Permit, Refused, Step};
use orb_worker_outputs::voice::VoiceEvent;
use tokio::sync::watch;

use super::stage::{GUILD, Stage, fault, film, identifies, plain};

on_stage! {
    both {
        nothing_is_dialled_before_the_gate_opens: plain(),
        a_refusal_is_a_loss_without_a_dial: plain(),
        a_connection_that_is_no_longer_wanted_passes_no_gate: plain(),
        a_permit_that_has_expired_opens_nothing: plain(),
    }
    orb {
        with_the_gate_shut_a_cut_is_not_resumed_and_sending_goes_on: plain(),
    }
    songbird {}
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Door {
    Open,
    Shut,
    /// Leave that is worth nothing by the time it comes.
    Late,
    Refusing,
}

/// A gate that the test opens and shuts.
struct Turnstile {
    door: watch::Sender<Door>,
    asked: watch::Sender<u32>,
}

impl Turnstile {
    fn new(door: Door) -> Arc<Self> {
        Arc::new(Self {
            door: watch::Sender::new(door),
            asked: watch::Sender::new(0),
        })
    }

    async fn asked(&self, times: u32) {
        let mut asked = self.asked.subscribe();
        let waited = asked.wait_for(|asked| *asked >= times);
        let waited = tokio::time::timeout(super::stage::PATIENCE, waited).await;
        waited.expect("never asked").unwrap();
    }
}

impl Gate for Turnstile {
    fn pass(&self, _: Step) -> Passing<'_> {
        self.asked.send_modify(|asked| *asked += 1);
        let mut door = self.door.subscribe();
        Box::pin(async move {
            let now = Instant::now();
            match *door.wait_for(|door| *door != Door::Shut).await.unwrap() {
                Door::Refusing => Err(Refused),
                Door::Late => Ok(Permit { expires: now }),
                Door::Open | Door::Shut => Ok(Permit {
                    expires: now + Duration::from_mins(1),
                }),
            }
        })
    }
}

/// Anything that the voice server was asked for.
fn attempts(stage: &Stage) -> usize {
    let is_attempt = |event: &RecordEvent| {
        matches!(
            event,
            RecordEvent::VoiceIdentify { .. } | RecordEvent::VoiceResume { .. }
        )
    };
    let record = stage.sim.record();
    record
        .iter()
        .filter(|entry| is_attempt(&entry.event))
        .count()
}

async fn nothing_is_dialled_before_the_gate_opens(mut stage: Stage) {
    let gate = Turnstile::new(Door::Shut);
    stage.voice.play(film(0, 60_000), false);
    let credentials = stage.credentials().await;
    stage.voice.connect(credentials, gate.clone());
    gate.asked(1).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!((attempts(&stage), stage.frames().len()), (0, 0));
    gate.door.send_replace(Door::Open);
    loop {
        match stage.event().await {
            VoiceEvent::Connected { revision: 1 } => break,
            // Told by the pacing thread, the other by the connection's task: they may overtake each other.
            VoiceEvent::FirstFrame { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    stage.hear(5).await;
}

async fn a_refusal_is_a_loss_without_a_dial(mut stage: Stage) {
    let credentials = stage.credentials().await;
    stage
        .voice
        .connect(credentials, Turnstile::new(Door::Refusing));
    match stage.event().await {
        VoiceEvent::Lost {
            revision: 1,
            close_code: None,
            reason,
            ..
        } => println!("{reason}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(attempts(&stage), 0);
}

async fn a_connection_that_is_no_longer_wanted_passes_no_gate(mut stage: Stage) {
    let old = Turnstile::new(Door::Shut);
    let credentials = stage.credentials().await;
    stage.voice.connect(credentials, old.clone());
    old.asked(1).await;
    stage.voice.disconnect();
    old.door.send_replace(Door::Open);
    stage.join().await;
    assert_eq!(attempts(&stage), 1, "the newer one's");
    assert_eq!(*old.asked.borrow(), 1);
}

async fn a_permit_that_has_expired_opens_nothing(mut stage: Stage) {
    let gate = Turnstile::new(Door::Late);
    let credentials = stage.credentials().await;
    stage.voice.connect(credentials, gate.clone());
    gate.asked(20).await;
    assert_eq!(attempts(&stage), 0);
    gate.door.send_replace(Door::Open);
    stage.expect(&VoiceEvent::Connected { revision: 1 }).await;
}

async fn with_the_gate_shut_a_cut_is_not_resumed_and_sending_goes_on(mut stage: Stage) {
    let gate = Turnstile::new(Door::Open);
    stage.voice.play(film(0, 600_000), false);
    let credentials = stage.credentials().await;
    stage.voice.connect(credentials, gate.clone());
    stage.expect(&VoiceEvent::Connected { revision: 1 }).await;
    stage.expect(&VoiceEvent::FirstFrame { pts_ms: 0 }).await;
    gate.door.send_replace(Door::Shut);
    let reset = Fault::ResetVoice {
        guild: GuildId(GUILD),
        user: None,
    };
    assert_eq!(fault(&stage, &reset), 1);
    assert_eq!(
        stage.any_event().await,
        VoiceEvent::Reconnecting { revision: 1 }
    );
    stage.hear(stage.frames().len() + 50).await;
    assert!(stage.voice.snapshot().playing && !stage.voice.snapshot().connected);
    assert_eq!(attempts(&stage), 1);
    gate.door.send_replace(Door::Open);
    stage.expect(&VoiceEvent::Connected { revision: 1 }).await;
    assert_eq!((attempts(&stage), identifies(&stage)), (2, 1), "RESUMEd");
    let pts = stage.heard_pts();
    assert!(
        pts.iter()
            .copied()
            .eq((0..pts.len() as u64).map(|i| i * 20)),
        "{pts:?}"
    );
}
